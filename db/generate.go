package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"halite/internal/synthetic"
)

// generateBatch is how many rows Generate commits at a time.
const generateBatch = 10_000

// Generation says what Generate is to make.
type Generation struct {
	Rows     int64
	Seed     uint64           // the same seed makes the same rows, but for their times
	Months   int              // over how many months up to now they are spread, 1 and up
	Progress func(rows int64) // told after each commit how many rows are there; nil: nobody is
}

// ErrForeignRows says that the log holds rows that were not made up, so that none may
// be put beside them.
var ErrForeignRows = errors.New("the log holds rows that were not made up: nothing is generated beside them")

// Generate appends made-up rows to a log that holds nothing else, and refuses any other
// with ErrForeignRows. The rows take part in the order of the log like any others: ids go
// on, `at` never decreases and is never in the future. What was committed stays if it
// fails. It needs the owner.
func (d *DB) Generate(ctx context.Context, g Generation) error {
	conn, err := d.opool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	defer conn.Release()
	r := &generator{Generation: g, source: synthetic.New(g.Seed), conn: conn.Conn()}
	if err := r.place(ctx); err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	for m := monthOf(r.start); !m.After(r.end); m = m.AddDate(0, 1, 0) {
		if err := d.ensurePartition(ctx, m); err != nil {
			return fmt.Errorf("generate: make partition %s: %w", partitionName(m), err)
		}
	}
	for r.made < g.Rows {
		if err := r.batch(ctx, min(generateBatch, g.Rows-r.made)); err != nil {
			return fmt.Errorf("generate: %w", err)
		}
		if g.Progress != nil {
			g.Progress(r.made)
		}
	}
	// So that counting in an index need not look into the table, which is otherwise left
	// to autovacuum.
	if _, err := r.conn.Exec(ctx, "VACUUM (ANALYZE) audit_log"); err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	return nil
}

type generator struct {
	Generation
	source     *synthetic.Source
	conn       *pgx.Conn
	base       int64 // the head's last id before the next batch
	made       int64
	start, end time.Time // the rows' times
}

// place finds where the rows go. That every row is made up is told by the mark in it,
// and so found out by looking at all of them, up to the first that is not: the rows say
// what they are, nothing beside them can be wrong about it.
func (r *generator) place(ctx context.Context) error {
	var foreign bool
	var lastAt time.Time
	err := r.conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM audit_log WHERE request_id IS NULL OR NOT starts_with(request_id, $1))", synthetic.Mark).Scan(&foreign)
	if err != nil {
		return err
	}
	if foreign {
		return ErrForeignRows
	}
	if err := r.conn.QueryRow(ctx, "SELECT last_id, last_at, clock_timestamp() FROM audit_head").Scan(&r.base, &lastAt, &r.end); err != nil {
		return err
	}
	if r.start = r.end.AddDate(0, -r.Months, 0); lastAt.After(r.start) {
		r.start = lastAt
	}
	if r.start.After(r.end) {
		r.end = r.start // the clock is behind: all rows keep the last row's time
	}
	return nil
}

// batch commits n rows. The head is moved first: its lock keeps everybody else out, and
// that it stood where it was left says that nobody wrote in between.
func (r *generator) batch(ctx context.Context, n int64) error {
	return pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
		rows, last := r.rows(n)
		tag, err := tx.Exec(ctx, "UPDATE audit_head SET last_id = last_id + $1, last_at = $2 WHERE last_id = $3", n, last, r.base)
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return ErrForeignRows
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"audit_log"}, logColumns, pgx.CopyFromRows(rows)); err != nil {
			return err
		}
		r.base += n
		r.made += n
		return nil
	})
}

// logColumns are the columns of the log, in the order in which COPY is given them.
var logColumns = []string{
	"id", "at", "user_id", "action", "resource", "args_json", "salt_jid", "decision", "result_code", "duration_ms", "username",
	"verb", "reason", "request_id", "source_ip", "user_agent",
}

// rows makes n rows up, and returns the time of the last one.
func (r *generator) rows(n int64) (rows [][]any, last time.Time) {
	null := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	span := float64(r.end.Sub(r.start)) / float64(r.Rows)
	for i := range n {
		e := r.source.Next()
		last = r.start.Add(time.Duration(span * (float64(r.made+i) + r.source.Between()))).Truncate(time.Microsecond)
		var args any
		if e.Args != nil {
			args = e.Args
		}
		rows = append(rows, []any{
			r.base + i + 1, last, e.UserID, e.Action, e.Resource, args, null(e.SaltJID), string(e.Decision), e.ResultCode, e.DurationMS,
			null(e.Username), null(e.Verb), null(e.Reason), e.RequestID, null(e.SourceIP), null(e.UserAgent),
		})
	}
	return rows, last
}
