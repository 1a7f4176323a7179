package db

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"halite/internal/directory"
	"halite/internal/policy"
)

// foreignKeyViolation is the SQLSTATE of a row that names another one in vain.
const foreignKeyViolation = "23503"

type roleRow struct {
	bun.BaseModel `bun:"table:roles,alias:r"`

	ID          uuid.UUID `bun:"id,pk"`
	Name        string    `bun:"name"`
	IsBuiltin   bool      `bun:"is_builtin"`
	Description string    `bun:"description"`

	Permissions []permissionRow `bun:"rel:has-many,join:id=role_id"`
}

func (r roleRow) role() directory.Role {
	role := directory.Role{ID: r.ID, Name: r.Name, Description: r.Description, Builtin: r.IsBuiltin}
	for _, p := range r.Permissions {
		role.Permissions = append(role.Permissions, p.permission())
	}
	return role
}

// policy is the role as decisions see it.
func (r roleRow) policy() policy.Role {
	role := policy.Role{Name: r.Name, Description: r.Description, Builtin: r.IsBuiltin}
	for _, p := range r.Permissions {
		role.Permissions = append(role.Permissions, p.permission().Permission)
	}
	return role
}

// LockDirectory implements directory.Store. The seeding of roles takes the same lock.
func (d *DB) LockDirectory(ctx context.Context) error {
	if _, err := d.conn(ctx).ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtext('halite roles'))"); err != nil {
		return fmt.Errorf("lock the directory: %w", err)
	}
	return nil
}

// Roles implements directory.Store. The permissions of all roles are one query.
func (d *DB) Roles(ctx context.Context) ([]directory.Role, error) {
	var rows []roleRow
	if err := d.conn(ctx).NewSelect().Model(&rows).Apply(byName).Relation("Permissions", byPair).Scan(ctx); err != nil {
		return nil, fmt.Errorf("list roles: %w", err)
	}
	roles := make([]directory.Role, 0, len(rows))
	for _, r := range rows {
		roles = append(roles, r.role())
	}
	return roles, nil
}

// Role implements directory.Store.
func (d *DB) Role(ctx context.Context, id uuid.UUID) (directory.Role, error) {
	var r roleRow
	if err := d.conn(ctx).NewSelect().Model(&r).Where("id = ?", id).Relation("Permissions", byPair).Scan(ctx); err != nil {
		return directory.Role{}, notFound(err, directory.ErrNotFound, "read role")
	}
	return r.role(), nil
}

// CreateRole implements directory.Store.
func (d *DB) CreateRole(ctx context.Context, r directory.Role) error {
	row := roleRow{ID: r.ID, Name: r.Name, IsBuiltin: r.Builtin, Description: r.Description}
	res, err := d.conn(ctx).NewInsert().Model(&row).On("CONFLICT (name) DO NOTHING").Exec(ctx)
	if err != nil {
		return fmt.Errorf("create role: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return directory.ErrExists
	}
	return nil
}

// SetDescription implements directory.Store.
func (d *DB) SetDescription(ctx context.Context, roleID uuid.UUID, description string) error {
	_, err := d.conn(ctx).NewUpdate().Model((*roleRow)(nil)).Set("description = ?", description).Where("id = ?", roleID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("describe role: %w", err)
	}
	return nil
}

// DeleteRole implements directory.Store.
func (d *DB) DeleteRole(ctx context.Context, id uuid.UUID) error {
	if _, err := d.conn(ctx).NewDelete().Model((*roleRow)(nil)).Where("id = ?", id).Exec(ctx); err != nil {
		return fmt.Errorf("delete role: %w", err)
	}
	return nil
}

// SeedRoles implements directory.Store: it makes the roles that are missing and gives
// each the permissions that it lacks. It takes nothing away. Two servers may do it at once.
func (d *DB) SeedRoles(ctx context.Context, roles []policy.Role) error {
	return d.app.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		ctx = context.WithValue(ctx, txKey{}, bun.IDB(tx))
		if err := d.LockDirectory(ctx); err != nil {
			return err
		}
		for _, role := range roles {
			r := roleRow{ID: uuid.New(), Name: role.Name, IsBuiltin: true, Description: role.Description}
			if _, err := tx.NewInsert().Model(&r).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
				return fmt.Errorf("seed role %s: %w", role.Name, err)
			}
			for _, p := range role.Permissions {
				_, err := tx.NewRaw(`INSERT INTO permissions (id, role_id, verb, resource_glob)
					SELECT ?, r.id, ?, ? FROM roles AS r WHERE r.name = ? AND NOT EXISTS (
						SELECT FROM permissions AS p WHERE p.role_id = r.id AND p.verb = ? AND p.resource_glob = ?)`,
					uuid.New(), p.Verb, p.ResourceGlob, role.Name, p.Verb, p.ResourceGlob).Exec(ctx)
				if err != nil {
					return fmt.Errorf("seed role %s: %w", role.Name, err)
				}
			}
		}
		return nil
	})
}

// byName is the order of roles, for relations too.
func byName(q *bun.SelectQuery) *bun.SelectQuery { return q.Order("r.name") }
