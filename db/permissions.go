package db

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"halite/internal/directory"
	"halite/internal/policy"
)

type permissionRow struct {
	bun.BaseModel `bun:"table:permissions,alias:p"`

	ID           uuid.UUID `bun:"id,pk"`
	RoleID       uuid.UUID `bun:"role_id"`
	Verb         string    `bun:"verb"`
	ResourceGlob string    `bun:"resource_glob"`
}

func (r permissionRow) permission() directory.Permission {
	return directory.Permission{ID: r.ID, Permission: policy.Permission{Verb: r.Verb, ResourceGlob: r.ResourceGlob}}
}

// AddPermission implements directory.Store.
func (d *DB) AddPermission(ctx context.Context, roleID uuid.UUID, p directory.Permission) error {
	r := permissionRow{ID: p.ID, RoleID: roleID, Verb: p.Verb, ResourceGlob: p.ResourceGlob}
	switch _, err := d.conn(ctx).NewInsert().Model(&r).Exec(ctx); {
	case sqlState(err) == foreignKeyViolation:
		return directory.ErrNotFound
	case err != nil:
		return fmt.Errorf("add permission: %w", err)
	}
	return nil
}

// RemovePermission implements directory.Store.
func (d *DB) RemovePermission(ctx context.Context, id uuid.UUID) error {
	if _, err := d.conn(ctx).NewDelete().Model((*permissionRow)(nil)).Where("id = ?", id).Exec(ctx); err != nil {
		return fmt.Errorf("remove permission: %w", err)
	}
	return nil
}

// byPair is the order of permissions, for relations.
func byPair(q *bun.SelectQuery) *bun.SelectQuery { return q.Order("p.verb", "p.resource_glob", "p.id") }
