package db

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"halite/migrations"
)

// grants is everything that the serving role may do. $role stands for its name.
var grants = []string{
	"REVOKE ALL ON audit_log, audit_head, audit_rank, audit_import, audit_imported, audit_retention, leases, tree_tile, tree_head, checkpoint, tree_mismatch FROM $role",
	"GRANT USAGE ON SCHEMA public TO $role",
	"GRANT SELECT, INSERT ON audit_log TO $role",
	"GRANT SELECT ON audit_head TO $role",
	"GRANT UPDATE (last_id, last_at) ON audit_head TO $role",
	"GRANT SELECT, UPDATE ON settings, job_time TO $role",
	"GRANT SELECT, INSERT ON audit_rank TO $role",
	"GRANT SELECT ON audit_import, audit_imported, audit_retention TO $role",
	"GRANT UPDATE (finished_at) ON audit_import TO $role",
	"GRANT SELECT, INSERT ON tree_tile TO $role",
	"GRANT UPDATE (hashes) ON tree_tile TO $role",
	"GRANT SELECT ON tree_head TO $role",
	"GRANT UPDATE (size, root, last_at, sealed_at) ON tree_head TO $role",
	"GRANT SELECT, INSERT, DELETE ON checkpoint, tree_mismatch TO $role",
	"GRANT SELECT ON leases TO $role",
	"GRANT UPDATE (holder, expires_at) ON leases TO $role",
	"GRANT SELECT, INSERT, UPDATE, DELETE ON users, roles, permissions, user_roles, sessions, audit_intents TO $role",
}

// ensureServingRole grants the serving role what it needs and says how to connect as
// it: the URL, and the role to take on each connection (empty: none).
//
// Where the owner may not create or take appRole it says so in the server's log and
// serves as the owner: only the triggers hold the log append-only then.
func (d *DB) ensureServingRole(ctx context.Context, cfg Config) (role, url string, err error) {
	if cfg.AppURL != "" {
		app, err := pgconn.ParseConfig(cfg.AppURL)
		if err != nil {
			return "", "", fmt.Errorf("DATABASE_APP_URL: not a valid postgres:// URL")
		}
		if err := d.grant(ctx, app.User); err != nil {
			return "", "", fmt.Errorf("grant to the login of DATABASE_APP_URL: %w", err)
		}
		return "", cfg.AppURL, nil
	}
	for range 5 { // another database of the cluster may be doing the same at this moment
		if err = d.ensureAppRole(ctx); err == nil {
			if err = d.grant(ctx, appRole); err == nil {
				return appRole, cfg.URL, nil
			}
		}
		if s := sqlState(err); s != "XX000" && s != "23505" && s != "42710" {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if sqlState(err) != "42501" {
		return "", "", fmt.Errorf("prepare the role %s: %w", appRole, err)
	}
	d.logger.Warn("serving as the owner of the log: the role that may only append could not be made or taken; "+
		"create it or set DATABASE_APP_URL", "role", appRole, "error", err)
	return "", cfg.URL, nil
}

func (d *DB) ensureAppRole(ctx context.Context) error {
	var exists, member bool
	err := d.opool.QueryRow(ctx, `SELECT count(*) > 0, coalesce(bool_or(pg_has_role(current_user, oid, 'MEMBER')), false)
		FROM pg_catalog.pg_roles WHERE rolname = $1`, appRole).Scan(&exists, &member)
	if err != nil {
		return err
	}
	if !exists {
		if _, err := d.opool.Exec(ctx, "CREATE ROLE "+appRole+" NOLOGIN"); err != nil {
			return err
		}
	}
	if !member {
		if _, err := d.opool.Exec(ctx, "GRANT "+appRole+" TO CURRENT_USER"); err != nil {
			return err
		}
	}
	return nil
}

// grant gives role what it needs, unless it has exactly that.
func (d *DB) grant(ctx context.Context, role string) error {
	return migrations.Locked(ctx, d.owner.DB, func(ctx context.Context) error {
		var ok bool
		err := d.opool.QueryRow(ctx, `SELECT has_table_privilege($1, 'audit_log', 'INSERT')
			AND has_table_privilege($1, 'audit_log', 'SELECT') AND NOT has_any_column_privilege($1, 'audit_log', 'UPDATE')
			AND NOT has_table_privilege($1, 'audit_log', 'DELETE, TRUNCATE, TRIGGER')
			AND has_column_privilege($1, 'audit_head', 'last_id', 'UPDATE')
			AND NOT has_table_privilege($1, 'audit_head', 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
			AND has_table_privilege($1, 'audit_rank', 'SELECT') AND has_table_privilege($1, 'audit_rank', 'INSERT')
			AND NOT has_any_column_privilege($1, 'audit_rank', 'UPDATE') AND NOT has_table_privilege($1, 'audit_rank', 'DELETE, TRUNCATE, TRIGGER')
			AND has_column_privilege($1, 'audit_import', 'finished_at', 'UPDATE') AND NOT has_column_privilege($1, 'audit_import', 'imported', 'UPDATE')
			AND has_table_privilege($1, 'audit_imported', 'SELECT') AND has_table_privilege($1, 'audit_retention', 'SELECT')
			AND NOT has_table_privilege($1, 'audit_retention', 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
			AND NOT has_table_privilege($1, 'audit_import', 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
			AND NOT has_table_privilege($1, 'audit_imported', 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
			AND has_table_privilege($1, 'tree_tile', 'INSERT') AND has_column_privilege($1, 'tree_tile', 'hashes', 'UPDATE')
			AND NOT has_table_privilege($1, 'tree_tile', 'UPDATE, DELETE, TRUNCATE, TRIGGER')
			AND has_column_privilege($1, 'tree_head', 'size', 'UPDATE')
			AND NOT has_table_privilege($1, 'tree_head', 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
			AND has_table_privilege($1, 'checkpoint', 'INSERT') AND has_table_privilege($1, 'checkpoint', 'DELETE')
			AND NOT has_any_column_privilege($1, 'checkpoint', 'UPDATE') AND NOT has_table_privilege($1, 'checkpoint', 'TRUNCATE, TRIGGER')
			AND has_table_privilege($1, 'tree_mismatch', 'DELETE')
			AND has_column_privilege($1, 'leases', 'holder', 'UPDATE')
			AND NOT has_table_privilege($1, 'leases', 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
			AND has_table_privilege($1, 'users', 'DELETE') AND has_table_privilege($1, 'roles', 'DELETE')
			AND has_table_privilege($1, 'permissions', 'DELETE') AND has_table_privilege($1, 'user_roles', 'DELETE')
			AND has_table_privilege($1, 'settings', 'UPDATE') AND has_table_privilege($1, 'job_time', 'UPDATE') AND has_table_privilege($1, 'sessions', 'DELETE') AND has_table_privilege($1, 'audit_intents', 'DELETE') AND has_schema_privilege($1, 'public', 'USAGE')
			AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'public.audit_log'::regclass AND NOT has_table_privilege($1, inhrelid, 'SELECT'))`, role).Scan(&ok)
		if err != nil || ok {
			return err
		}
		name := pgx.Identifier{role}.Sanitize()
		for _, g := range grants {
			if _, err := d.opool.Exec(ctx, strings.ReplaceAll(g, "$role", name)); err != nil {
				return err
			}
		}
		months, err := d.months(ctx)
		for i := 0; err == nil && i < len(months); i++ {
			_, err = d.opool.Exec(ctx, "GRANT SELECT ON "+partitionName(months[i])+" TO "+name)
		}
		return err
	})
}
