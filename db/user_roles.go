package db

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"halite/internal/directory"
)

type userRoleRow struct {
	bun.BaseModel `bun:"table:user_roles,alias:ur"`

	UserID uuid.UUID `bun:"user_id,pk"`
	User   *userRow  `bun:"rel:belongs-to,join:user_id=id"`
	RoleID uuid.UUID `bun:"role_id,pk"`
	Role   *roleRow  `bun:"rel:belongs-to,join:role_id=id"`
}

// AnyAdministrator implements directory.Store.
func (d *DB) AnyAdministrator(ctx context.Context) (bool, error) {
	ok, err := d.conn(ctx).NewSelect().Model((*userRoleRow)(nil)).
		Join("JOIN users AS u ON u.id = ur.user_id").Join("JOIN permissions AS p ON p.role_id = ur.role_id").
		Where("u.is_active AND p.verb = '*' AND p.resource_glob = '*'").Exists(ctx)
	if err != nil {
		return false, fmt.Errorf("look for an administrator: %w", err)
	}
	return ok, nil
}

// AddUserRole implements directory.Store.
func (d *DB) AddUserRole(ctx context.Context, userID, roleID uuid.UUID) error {
	r := userRoleRow{UserID: userID, RoleID: roleID}
	switch _, err := d.conn(ctx).NewInsert().Model(&r).On("CONFLICT DO NOTHING").Exec(ctx); {
	case sqlState(err) == foreignKeyViolation:
		return directory.ErrNotFound
	case err != nil:
		return fmt.Errorf("give role: %w", err)
	}
	return nil
}

// RemoveUserRole implements directory.Store.
func (d *DB) RemoveUserRole(ctx context.Context, userID, roleID uuid.UUID) error {
	r := userRoleRow{UserID: userID, RoleID: roleID}
	if _, err := d.conn(ctx).NewDelete().Model(&r).WherePK().Exec(ctx); err != nil {
		return fmt.Errorf("take role: %w", err)
	}
	return nil
}
