package db

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"halite/internal/policy"
)

type roleRow struct {
	bun.BaseModel `bun:"table:roles"`

	ID          uuid.UUID `bun:"id,pk"`
	Name        string    `bun:"name"`
	IsBuiltin   bool      `bun:"is_builtin"`
	Description string    `bun:"description"`
}

// SeedRoles implements auth.Store: it makes the roles that are missing and gives each
// the permissions that it lacks. It takes nothing away. Two servers may do it at once.
func (d *DB) SeedRoles(ctx context.Context, roles []policy.Role) error {
	return d.app.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtext('halite roles'))"); err != nil {
			return fmt.Errorf("seed roles: %w", err)
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
