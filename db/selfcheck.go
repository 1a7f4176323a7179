package db

import (
	"context"
	"fmt"
	"strings"
	"time"

	"halite/internal/audit"
)

// Health is what /readyz tells of the database.
type Health struct {
	Writable   error         // nil: a row can be written (it was tried, without leaving one)
	AppendOnly string        // "ok", "trigger only", or "error: ..."
	Durable    string        // "ok", or "error: ..."
	ClockLag   time.Duration // how far the database's clock stands behind the last row; 0 = it does not
}

// CheckHealth tries whether a row can be written, and looks at what the laws of the
// log stand on: grants, triggers, durability settings, the clock.
func (d *DB) CheckHealth(ctx context.Context) Health {
	h := Health{AppendOnly: "error: unknown", Durable: "error: unknown"}
	if h.Writable = d.tryAppend(ctx); h.Writable != nil {
		return h
	}
	h.AppendOnly = d.checkAppendOnly(ctx)
	h.Durable = d.checkDurable(ctx)
	var lag float64
	if err := d.app.NewSelect().ColumnExpr("extract(epoch FROM last_at - clock_timestamp())::float8").Table("audit_head").Scan(ctx, &lag); err == nil && lag > 0 {
		h.ClockLag = time.Duration(lag * float64(time.Second))
	}
	return h
}

// tryAppend appends a row and rolls back.
func (d *DB) tryAppend(ctx context.Context) error {
	tx, err := d.pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	_, err = d.appendEntries(ctx, tx.Conn(), []*audit.Entry{{Action: "health", Resource: "health:probe", Decision: audit.Allow}})
	if partitionMissing(err) {
		return nil // the recorder makes it when it needs it
	}
	return err
}

func (d *DB) checkAppendOnly(ctx context.Context) string {
	// Every table of the log and of its tree that some operation is not refused on (by
	// statement, by row: bits of tgtype), or that the serving role may change.
	var open, granted []string
	err := d.pool.QueryRow(ctx, `
		WITH tables AS (
			SELECT 'audit_log'::regclass AS t, 'audit_log_refuse_change'::regproc AS f, 56 AS all_s, 24 AS all_r
			UNION ALL SELECT inhrelid::regclass, 'audit_log_refuse_change'::regproc, 56, 24 FROM pg_inherits WHERE inhparent = 'audit_log'::regclass
			UNION ALL SELECT 'audit_retention'::regclass, 'audit_log_refuse_change'::regproc, 56, 24
			UNION ALL SELECT 'audit_head'::regclass, 'audit_head_refuse_change'::regproc, 32, 28
			UNION ALL SELECT 'tree_head'::regclass, 'tree_refuse_change'::regproc, 32, 28
			UNION ALL SELECT 'tree_tile'::regclass, 'tree_refuse_change'::regproc, 32, 24
			UNION ALL SELECT 'checkpoint'::regclass, 'checkpoint_refuse_change'::regproc, 32, 28
		), held AS (
			SELECT t, bool_and(all_s & s = all_s AND all_r & r = all_r) AS ok FROM (
				SELECT t, all_s, all_r, coalesce(bit_or(g.tgtype::int) FILTER (WHERE g.tgtype & 1 = 0), 0) AS s,
					coalesce(bit_or(g.tgtype::int) FILTER (WHERE g.tgtype & 1 = 1), 0) AS r
				FROM tables LEFT JOIN pg_trigger g ON g.tgrelid = t AND g.tgenabled = 'A' AND g.tgtype & 2 = 2
					AND (g.tgqual IS NULL OR t IN ('audit_head'::regclass, 'tree_head'::regclass, 'tree_tile'::regclass)) AND g.tgattr::text = '' AND g.tgfoid = f GROUP BY t, all_s, all_r) AS bits GROUP BY t
		)
		SELECT coalesce(array_agg(t::text ORDER BY t::text) FILTER (WHERE NOT ok), '{}'),
			coalesce(array_agg(t::text ORDER BY t::text) FILTER (WHERE has_table_privilege(t, 'UPDATE, TRUNCATE, TRIGGER')
				OR t <> 'checkpoint'::regclass AND has_table_privilege(t, 'DELETE')
				OR CASE WHEN t IN ('audit_head'::regclass, 'tree_head'::regclass, 'audit_retention'::regclass) THEN has_table_privilege(t, 'INSERT')
					ELSE t <> 'tree_tile'::regclass AND has_any_column_privilege(t, 'UPDATE') END), '{}')
		FROM held`).Scan(&open, &granted)
	switch {
	case err != nil:
		return "error: could not be checked"
	case len(open) > 0:
		return "error: triggers missing or disabled on " + strings.Join(open, ", ")
	case !d.limited:
		return "trigger only"
	case len(granted) > 0:
		return "error: the serving role may change " + strings.Join(granted, ", ")
	}
	return "ok"
}

func (d *DB) checkDurable(ctx context.Context) string {
	var commit, fsync, pages string
	var standby bool
	err := d.pool.QueryRow(ctx, `SELECT current_setting('synchronous_commit'), current_setting('fsync'),
		current_setting('full_page_writes'), pg_is_in_recovery()`).Scan(&commit, &fsync, &pages, &standby)
	switch {
	case err != nil:
		return "error: could not be checked"
	case standby:
		return "error: the server is a standby"
	case commit == "off":
		return "error: synchronous_commit is off"
	case fsync != "on":
		return "error: fsync is off"
	case pages != "on":
		return "error: full_page_writes is off"
	}
	return "ok"
}

// String is for the server's log.
func (h Health) String() string {
	return fmt.Sprintf("writable=%v append_only=%s durable=%s clock_lag=%s", h.Writable == nil, h.AppendOnly, h.Durable, h.ClockLag)
}
