package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/uptrace/bun"
)

// monthsAhead is how many months beyond the present one have their partition made.
const monthsAhead = 3

// EnsurePartitions makes the missing partitions of audit_log: of the month of `at`,
// and of the present month and the next ones by the database's clock and by the last
// row's `at`, whichever is later. The zero time asks for the latter alone.
//
// A partition is filled with its triggers first and attached then: attaching takes a
// lock that neither readers nor writers wait for.
func (d *DB) EnsurePartitions(ctx context.Context, at time.Time) error {
	var now time.Time
	err := d.owner.NewSelect().ColumnExpr("greatest(clock_timestamp(), last_at)").Table("audit_head").Scan(ctx, &now)
	if err != nil {
		return fmt.Errorf("read the clock: %w", err)
	}
	months := make([]time.Time, 0, monthsAhead+2)
	if !at.IsZero() {
		months = append(months, monthOf(at))
	}
	for i := range monthsAhead + 1 {
		months = append(months, monthOf(now).AddDate(0, i, 0))
	}
	for _, m := range months {
		if err := d.ensurePartition(ctx, m); err != nil {
			return fmt.Errorf("make partition %s: %w", partitionName(m), err)
		}
	}
	return nil
}

func (d *DB) ensurePartition(ctx context.Context, month time.Time) error {
	name := partitionName(month)
	exists := func(tx bun.IDB) (ok bool, err error) {
		err = tx.NewSelect().ColumnExpr("EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(?) AND inhparent = 'audit_log'::regclass)", "public."+name).Scan(ctx, &ok)
		return ok, err
	}
	if ok, err := exists(d.owner); err != nil || ok {
		return err
	}
	const boundary = "2006-01-02 15:04:05+00"
	return d.owner.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		// Two servers may come here at once; the second finds it made.
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtext('halite partition'))"); err != nil {
			return err
		}
		if ok, err := exists(tx); err != nil || ok {
			return err
		}
		id := bun.Ident(name)
		for _, stmt := range []struct {
			sql  string
			args []any
		}{
			{"SET LOCAL lock_timeout = '5s'", nil},
			{"SET LOCAL citus.enable_unsafe_triggers = on", nil},
			{"CREATE TABLE ? (LIKE audit_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS)", []any{id}},
			// TRUNCATE triggers are not inherited.
			{"CREATE TRIGGER audit_log_no_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON ? FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse_change()", []any{id}},
			{"ALTER TABLE ? ENABLE ALWAYS TRIGGER audit_log_no_statement", []any{id}},
			{"ALTER TABLE audit_log ATTACH PARTITION ? FOR VALUES FROM (?) TO (?)", []any{id, month.Format(boundary), month.AddDate(0, 1, 0).Format(boundary)}},
			// The row trigger came with the attachment; that it is ALWAYS differs between versions.
			{"ALTER TABLE ? ENABLE ALWAYS TRIGGER audit_log_no_change", []any{id}},
		} {
			if _, err := tx.ExecContext(ctx, stmt.sql, stmt.args...); err != nil {
				return err
			}
		}
		if err := d.grantPartition(ctx, tx, name); err != nil {
			return err
		}
		d.logger.Debug("partition made", "partition", name)
		return nil
	})
}

// grantPartition lets those who may read the log read a partition of it by its name.
func (d *DB) grantPartition(ctx context.Context, tx bun.IDB, name string) error {
	var readers []string
	err := tx.NewSelect().ColumnExpr("DISTINCT pg_get_userbyid(a.grantee)").TableExpr("pg_class AS c, aclexplode(c.relacl) AS a").
		Where("c.oid = 'public.audit_log'::regclass AND a.privilege_type = 'SELECT' AND a.grantee NOT IN (c.relowner, 0)").Scan(ctx, &readers)
	for i := 0; err == nil && i < len(readers); i++ {
		_, err = tx.ExecContext(ctx, "GRANT SELECT ON ? TO ?", bun.Ident(name), bun.Ident(readers[i]))
	}
	return err
}

func monthOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

const partitionLayout = "audit_log_2006_01"

func partitionName(month time.Time) string { return month.Format(partitionLayout) }

// monthNamed is the month of a partition. It reports false if partitionName does not give
// that name.
func monthNamed(name string) (time.Time, bool) {
	month, err := time.Parse(partitionLayout, name)
	return month, err == nil && partitionName(month) == name
}

// partitionNames are those of the log's partitions, in order.
func partitionNames(ctx context.Context, pool *pgxpool.Pool) ([]string, error) {
	rows, err := pool.Query(ctx, "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'public.audit_log'::regclass ORDER BY relname")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
