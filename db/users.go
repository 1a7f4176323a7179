package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"halite/internal/auth"
)

type userRow struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID            uuid.UUID `bun:"id,pk"`
	Username      string    `bun:"username"`
	UsernameLower string    `bun:"username_lower"`
	DisplayName   string    `bun:"display_name"`
	PasswordHash  string    `bun:"password_hash"`
	IsActive      bool      `bun:"is_active"`
	IsBuiltin     bool      `bun:"is_builtin"`
	MustChangePW  bool      `bun:"must_change_pw"`
}

func (r userRow) user() auth.User {
	return auth.User{
		ID: r.ID, Username: r.Username, DisplayName: r.DisplayName, PasswordHash: r.PasswordHash,
		Active: r.IsActive, Builtin: r.IsBuiltin, MustChangePassword: r.MustChangePW,
	}
}

// UserByName implements auth.Store. In a transaction the row stays locked until its end.
func (d *DB) UserByName(ctx context.Context, name string) (auth.User, error) {
	var r userRow
	q := d.conn(ctx).NewSelect().Model(&r).Where("username_lower = ?", storableName(strings.ToLower(name)))
	if _, inTx := ctx.Value(txKey{}).(bun.IDB); inTx {
		q = q.For("UPDATE")
	}
	switch err := q.Scan(ctx); {
	case errors.Is(err, sql.ErrNoRows):
		return auth.User{}, auth.ErrNoUser
	case err != nil:
		return auth.User{}, fmt.Errorf("read user: %w", err)
	}
	return r.user(), nil
}

// CreateUser implements auth.Store.
func (d *DB) CreateUser(ctx context.Context, u auth.User, role string) error {
	r := userRow{
		ID: u.ID, Username: u.Username, UsernameLower: strings.ToLower(u.Username), DisplayName: u.DisplayName,
		PasswordHash: u.PasswordHash, IsActive: u.Active, IsBuiltin: u.Builtin, MustChangePW: u.MustChangePassword,
	}
	// ON CONFLICT, because an error would put the statement, hash and all, into the server's log.
	res, err := d.conn(ctx).NewInsert().Model(&r).On("CONFLICT (username_lower) DO NOTHING").Exec(ctx)
	if err != nil {
		return fmt.Errorf("create user: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return auth.ErrUserExists
	}
	res, err = d.conn(ctx).NewRaw(`INSERT INTO user_roles (user_id, role_id) SELECT ?, id FROM roles WHERE name = ?`, u.ID, role).Exec(ctx)
	if err != nil {
		return fmt.Errorf("give role: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return auth.ErrNoRole
	}
	return nil
}

// SetPassword implements auth.Store.
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

// AnyUser implements auth.Store.
func (d *DB) AnyUser(ctx context.Context) (bool, error) {
	ok, err := d.conn(ctx).NewSelect().Model((*userRow)(nil)).Exists(ctx)
	if err != nil {
		return false, fmt.Errorf("look for users: %w", err)
	}
	return ok, nil
}

// storableName keeps a name that was typed from failing the query.
func storableName(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
}
