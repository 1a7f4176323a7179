package db

import (
	"context"
	"errors"
	"fmt"
)

// checkPooled looks at what a connection through the pooler is like. Nothing can be set on
// it for longer than a transaction, so the login, the database or the pooler has to bring
// it along. What the laws of the log stand on is refused if it is missing; of what limits
// damage, and of what lists of users or actions are fast by, the server's log tells.
func (d *DB) checkPooled(ctx context.Context) error {
	var commit, conforming, encoding string
	var found, statements, idle, sort bool
	err := d.pool.QueryRow(ctx, `SELECT current_setting('synchronous_commit'), current_setting('standard_conforming_strings'),
		current_setting('client_encoding'), coalesce(to_regclass('audit_log') = to_regclass('public.audit_log'), false),
		current_setting('statement_timeout') <> '0', current_setting('idle_in_transaction_session_timeout') <> '0',
		current_setting('enable_sort')::boolean OR current_setting('enable_incremental_sort')::boolean`).
		Scan(&commit, &conforming, &encoding, &found, &statements, &idle, &sort)
	switch {
	case err != nil:
		return fmt.Errorf("connect through the pooler: %w", err)
	case commit == "off":
		return errors.New("DATABASE_POOLER: synchronous_commit is off for the login that serves: set it on with ALTER ROLE")
	case conforming != "on" || encoding != "UTF8":
		return errors.New("DATABASE_POOLER: standard_conforming_strings must be on and client_encoding UTF8 for the login that serves: set them with ALTER ROLE")
	case !found:
		return errors.New("DATABASE_POOLER: public.audit_log is not what the login that serves finds by its search_path: set that with ALTER ROLE")
	}
	if !statements {
		d.logger.Warn("statement_timeout is not set for the login that serves; a pooler cannot be told, so use ALTER ROLE")
	}
	if !idle {
		d.logger.Warn("idle_in_transaction_session_timeout is not set for the login that serves; a pooler cannot be told, so use ALTER ROLE")
	}
	if sort {
		d.logger.Warn("enable_sort and enable_incremental_sort are not off for the login that serves: lists of users or actions may be slow; a pooler cannot be told, so use ALTER ROLE")
	}
	return nil
}
