package db

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"halite/internal/audit"
)

var _ audit.Reader = (*DB)(nil)

const entryColumns = `id, at, user_id, action, resource, args_json, coalesce(salt_jid, ''), decision, result_code,
	duration_ms, coalesce(username, ''), coalesce(verb, ''), coalesce(reason, ''), coalesce(request_id, ''),
	coalesce(source_ip, ''), coalesce(user_agent, '')`

// List implements audit.Reader. Total and page are both taken of the ids up to the
// head as it was at first: entries are immutable and ids contiguous, so they agree
// whatever is written meanwhile. Without a filter both are arithmetic on ids.
func (d *DB) List(ctx context.Context, q audit.Query) (audit.Page, error) {
	var page audit.Page
	var first, last int64
	select {
	case d.reads <- struct{}{}:
		defer func() { <-d.reads }()
	case <-ctx.Done():
		return page, ctx.Err()
	}
	err := d.pool.QueryRow(ctx, `SELECT coalesce((SELECT id FROM audit_log ORDER BY id LIMIT 1), last_id + 1), last_id FROM audit_head`,
		pgx.QueryExecModeCacheStatement).Scan(&first, &last)
	if err != nil {
		return page, fmt.Errorf("read the head of the log: %w", err)
	}
	w := where(q.Filter, last)
	if q.Counted {
		page.Total = last - first + 1
		if !q.Filter.Empty() {
			err := d.pool.QueryRow(ctx, "SELECT count(*) FROM audit_log"+w.sql, w.cached()...).Scan(&page.Total)
			if err != nil {
				return page, fmt.Errorf("count entries: %w", err)
			}
		}
	}
	if q.Limit <= 0 {
		return page, nil
	}
	if q.Filter.Empty() { // the page is a range of ids
		w = where(q.Filter, last-q.Offset)
		w.add("id >", last-q.Offset-int64(q.Limit))
	}
	sql := "SELECT " + entryColumns + " FROM audit_log" + w.sql + " ORDER BY id DESC LIMIT " + w.param(q.Limit)
	if !q.Filter.Empty() {
		sql += " OFFSET " + w.param(q.Offset)
	}
	rows, err := d.pool.Query(ctx, sql, w.cached()...)
	if err != nil {
		return page, fmt.Errorf("read entries: %w", err)
	}
	if page.Entries, err = pgx.AppendRows(make([]audit.Entry, 0, min(q.Limit, audit.MaxLimit)), rows, scanEntry); err != nil {
		return page, fmt.Errorf("read entries: %w", err)
	}
	return page, nil
}

// Get implements audit.Reader.
func (d *DB) Get(ctx context.Context, id int64) (audit.Entry, error) {
	rows, err := d.pool.Query(ctx, "SELECT "+entryColumns+" FROM audit_log WHERE id = $1", pgx.QueryExecModeCacheStatement, id)
	if err != nil {
		return audit.Entry{}, fmt.Errorf("read entry: %w", err)
	}
	e, err := pgx.CollectExactlyOneRow(rows, scanEntry)
	if errors.Is(err, pgx.ErrNoRows) {
		return audit.Entry{}, audit.ErrNotFound
	}
	if err != nil {
		return audit.Entry{}, fmt.Errorf("read entry: %w", err)
	}
	return e, nil
}

func scanEntry(row pgx.CollectableRow) (e audit.Entry, err error) {
	err = row.Scan(&e.ID, &e.At, &e.UserID, &e.Action, &e.Resource, (*[]byte)(&e.Args), &e.SaltJID, &e.Decision, &e.ResultCode,
		&e.DurationMS, &e.Username, &e.Verb, &e.Reason, &e.RequestID, &e.SourceIP, &e.UserAgent)
	e.At = e.At.UTC()
	return e, err
}

// condition is a WHERE clause under construction; values are parameters always.
type condition struct {
	sql  string
	args []any
}

func where(f audit.Filter, lastID int64) *condition {
	c := &condition{}
	c.add("id <=", lastID)
	if f.UserID != nil {
		c.add("user_id =", *f.UserID)
	}
	if f.Action != nil {
		c.add("action =", strings.ToValidUTF8(strings.ReplaceAll(*f.Action, "\x00", "\uFFFD"), "\uFFFD"))
	}
	if f.Decision != nil {
		c.add("decision =", strings.ToValidUTF8(strings.ReplaceAll(string(*f.Decision), "\x00", "\uFFFD"), "\uFFFD"))
	}
	if f.Since != nil {
		c.add("at >=", *f.Since)
	}
	if f.Until != nil {
		c.add("at <", *f.Until)
	}
	return c
}

func (c *condition) add(left string, value any) {
	word := " AND "
	if c.sql == "" {
		word = " WHERE "
	}
	c.sql += word + left + " " + c.param(value)
}

// param adds a value and returns its placeholder.
func (c *condition) param(value any) string {
	c.args = append(c.args, value)
	return fmt.Sprintf("$%d", len(c.args))
}

// cached is the arguments of a statement that is worth preparing.
func (c *condition) cached() []any {
	return append([]any{pgx.QueryExecModeCacheStatement}, c.args...)
}
