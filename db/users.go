package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"halite/internal/auth"
	"halite/internal/directory"
	"halite/internal/policy"
)

type userRow struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID            uuid.UUID  `bun:"id,pk"`
	Username      string     `bun:"username"`
	UsernameLower string     `bun:"username_lower"`
	DisplayName   string     `bun:"display_name"`
	Email         *string    `bun:"email"`
	PasswordHash  string     `bun:"password_hash"`
	IsActive      bool       `bun:"is_active"`
	IsBuiltin     bool       `bun:"is_builtin"`
	MustChangePW  bool       `bun:"must_change_pw"`
	CreatedAt     time.Time  `bun:"created_at"`
	LastLoginAt   *time.Time `bun:"last_login_at"`

	Roles []roleRow `bun:"m2m:user_roles,join:User=Role"`
}

// account is the row as the directory knows it.
func (r userRow) account() directory.User {
	u := directory.User{
		ID: r.ID, Username: r.Username, DisplayName: r.DisplayName, Email: r.Email,
		Active: r.IsActive, Builtin: r.IsBuiltin, MustChangePassword: r.MustChangePW, CreatedAt: r.CreatedAt.UTC(),
	}
	if r.LastLoginAt != nil {
		at := r.LastLoginAt.UTC()
		u.LastSignIn = &at
	}
	for _, role := range r.Roles {
		u.Roles = append(u.Roles, directory.RoleRef{ID: role.ID, Name: role.Name})
	}
	return u
}

// UserByName implements auth.Store.
func (d *DB) UserByName(ctx context.Context, name string) (auth.User, error) {
	var r userRow
	err := d.selectUser(ctx, &r, "username_lower = ?", storableName(strings.ToLower(name))).Scan(ctx)
	if err != nil {
		return auth.User{}, notFound(err, auth.ErrNoUser, "read user")
	}
	return auth.User{ID: r.ID, Username: r.Username, PasswordHash: r.PasswordHash, Active: r.IsActive}, nil
}

// UserNamed implements directory.Store.
func (d *DB) UserNamed(ctx context.Context, name string) (directory.User, error) {
	return d.readAccount(ctx, "username_lower = ?", storableName(strings.ToLower(name)))
}

// User implements directory.Store.
func (d *DB) User(ctx context.Context, id uuid.UUID) (directory.User, error) {
	return d.readAccount(ctx, "id = ?", id)
}

func (d *DB) readAccount(ctx context.Context, where string, arg any) (directory.User, error) {
	var r userRow
	if err := d.selectUser(ctx, &r, where, arg).Relation("Roles", byName).Scan(ctx); err != nil {
		return directory.User{}, notFound(err, directory.ErrNotFound, "read user")
	}
	return r.account(), nil
}

// selectUser reads one user. In a transaction the row stays locked until its end.
func (d *DB) selectUser(ctx context.Context, r *userRow, where string, arg any) *bun.SelectQuery {
	q := d.conn(ctx).NewSelect().Model(r).Where(where, arg)
	if _, inTx := ctx.Value(txKey{}).(bun.IDB); inTx {
		q = q.For("UPDATE")
	}
	return q
}

// Users implements directory.Store. The roles of all users of the page are one query.
func (d *DB) Users(ctx context.Context, limit, offset int) (directory.UserPage, error) {
	total, err := d.conn(ctx).NewSelect().Model((*userRow)(nil)).Count(ctx)
	if err != nil {
		return directory.UserPage{}, fmt.Errorf("count users: %w", err)
	}
	var rows []userRow
	err = d.conn(ctx).NewSelect().Model(&rows).Relation("Roles", byName).
		Order("username_lower").Limit(int64(limit)).Offset(int64(offset)).Scan(ctx)
	if err != nil {
		return directory.UserPage{}, fmt.Errorf("list users: %w", err)
	}
	page := directory.UserPage{Total: total, Users: make([]directory.User, 0, len(rows))}
	for _, r := range rows {
		page.Users = append(page.Users, r.account())
	}
	return page, nil
}

// Principal implements directory.Store.
func (d *DB) Principal(ctx context.Context, userID uuid.UUID) (*policy.Principal, error) {
	var r userRow
	err := d.conn(ctx).NewSelect().Model(&r).Where("id = ?", userID).
		Relation("Roles", byName).Relation("Roles.Permissions", byPair).Scan(ctx)
	if err != nil {
		return nil, notFound(err, directory.ErrNotFound, "read principal")
	}
	p := &policy.Principal{
		UserID: r.ID, Username: r.Username, DisplayName: r.DisplayName, Active: r.IsActive, MustChangePassword: r.MustChangePW,
	}
	for _, role := range r.Roles {
		p.Roles = append(p.Roles, role.policy())
	}
	return p, nil
}

// AnyUser implements directory.Store.
func (d *DB) AnyUser(ctx context.Context) (bool, error) {
	ok, err := d.conn(ctx).NewSelect().Model((*userRow)(nil)).Exists(ctx)
	if err != nil {
		return false, fmt.Errorf("look for users: %w", err)
	}
	return ok, nil
}

// CreateUser implements directory.Store. The time is the database's.
func (d *DB) CreateUser(ctx context.Context, u directory.User, passwordHash string) error {
	r := userRow{
		ID: u.ID, Username: u.Username, UsernameLower: strings.ToLower(u.Username), DisplayName: u.DisplayName, Email: u.Email,
		PasswordHash: passwordHash, IsActive: u.Active, IsBuiltin: u.Builtin, MustChangePW: u.MustChangePassword,
	}
	// ON CONFLICT, because an error would put the statement, hash and all, into the server's log.
	res, err := d.conn(ctx).NewInsert().Model(&r).ExcludeColumn("created_at", "last_login_at").
		On("CONFLICT (username_lower) DO NOTHING").Exec(ctx)
	if err != nil {
		return fmt.Errorf("create user: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return directory.ErrExists
	}
	for _, role := range u.Roles {
		if err := d.AddUserRole(ctx, u.ID, role.ID); err != nil {
			return err
		}
	}
	return nil
}

// UpdateUser implements directory.Store.
func (d *DB) UpdateUser(ctx context.Context, u directory.User) error {
	r := userRow{ID: u.ID, DisplayName: u.DisplayName, Email: u.Email, IsActive: u.Active}
	if _, err := d.conn(ctx).NewUpdate().Model(&r).Column("display_name", "email", "is_active").WherePK().Exec(ctx); err != nil {
		return fmt.Errorf("update user: %w", err)
	}
	return nil
}

// SetPassword implements auth.Store and directory.Store.
func (d *DB) SetPassword(ctx context.Context, id uuid.UUID, hash string, mustChange bool) error {
	_, err := d.conn(ctx).NewUpdate().Model((*userRow)(nil)).Set("password_hash = ?", hash).
		Set("must_change_pw = ?", mustChange).Where("id = ?", id).Exec(ctx)
	if err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return nil
}

// SignedIn implements auth.Store.
func (d *DB) SignedIn(ctx context.Context, id uuid.UUID) error {
	_, err := d.conn(ctx).NewUpdate().Model((*userRow)(nil)).Set("last_login_at = ?", bun.Safe("clock_timestamp()")).Where("id = ?", id).Exec(ctx)
	if err != nil {
		return fmt.Errorf("note sign-in: %w", err)
	}
	return nil
}

// DeleteUser implements directory.Store.
func (d *DB) DeleteUser(ctx context.Context, id uuid.UUID) error {
	if _, err := d.conn(ctx).NewDelete().Model((*userRow)(nil)).Where("id = ?", id).Exec(ctx); err != nil {
		return fmt.Errorf("delete user: %w", err)
	}
	return nil
}

// notFound is missing if err says that there is no row, else err with what was done.
func notFound(err, missing error, what string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return missing
	}
	return fmt.Errorf("%s: %w", what, err)
}

// storableName keeps a name that was typed from failing the query.
func storableName(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
}
