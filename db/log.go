package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"halite/internal/audit"
)

var _ audit.Reader = (*DB)(nil)

// briefColumns are those of a brief entry. The others are a fifth of what it costs to read a
// page.
const (
	briefColumns = `id, at, user_id, action, resource, args_json, coalesce(salt_jid, ''), decision, result_code, duration_ms`
	entryColumns = briefColumns + `, coalesce(username, ''), coalesce(verb, ''), coalesce(reason, ''), coalesce(request_id, ''),
	coalesce(source_ip, ''), coalesce(user_agent, '')`
)

// columnsOf are those of an entry.
func columnsOf(brief bool) string {
	if brief {
		return briefColumns
	}
	return entryColumns
}

// byRange and byIDs follow the columns. Both name the times between which the entries are,
// so that only the partitions that hold them are looked into.
const (
	byRange = ` FROM audit_log WHERE id >= $3 AND id <= $4 AND at >= $1 AND at <= $2 ORDER BY id DESC`
	byIDs   = ` FROM audit_log WHERE id = ANY ($3) AND at >= $1 AND at <= $2 ORDER BY id DESC`
)

// List implements audit.Reader. Everything is taken of the ids up to the head as it was
// at first: entries are immutable and ids contiguous, so total and page agree whatever
// is written meanwhile. Times are turned into ids; what the filter names beside them is
// looked up in the rank index, and without that both are arithmetic on ids.
func (d *DB) List(ctx context.Context, q audit.Query) (audit.Page, error) {
	var page audit.Page
	if q.Limit > 0 {
		page.Entries = []audit.Entry{}
	}
	release, err := d.reader(ctx)
	if err != nil {
		return page, err
	}
	defer release()
	err = d.steady(ctx, func() (err error) {
		page, err = d.list(ctx, q)
		return err
	})
	return page, err
}

// list is List, unless old entries are dropped meanwhile.
func (d *DB) list(ctx context.Context, q audit.Query) (audit.Page, error) {
	var page audit.Page
	if q.Limit > 0 {
		page.Entries = []audit.Entry{}
	}
	s, err := d.span(ctx)
	if err != nil {
		return page, err
	}
	page.AsOf = max(s.asOf(q.Filter), 0)
	sel, ok := compile(q.Filter)
	if !ok {
		return page, nil
	}
	lo, hi, err := d.within(ctx, s, q.Filter)
	if err != nil || hi < lo {
		return page, err
	}
	n := neighbours{DB: d, span: s, selection: sel, lo: lo, hi: hi, brief: q.Brief}
	if sel.rest != nil {
		return n.searchPage(ctx, q, page)
	}
	var l located
	if q.Counted || q.Offset > 0 {
		l, err = n.page(ctx, q.Offset, max(q.Limit, 0))
	} else if q.Limit > 0 { // without counting
		l.entries, err = n.nextEntries(ctx, lo, hi, q.Limit, false)
	}
	if err != nil {
		return page, err
	}
	if q.Counted {
		page.Total = l.total
	}
	if len(l.entries) > 0 {
		page.Entries = l.entries
	}
	return page, nil
}

// page counts the entries, and reads those at an offset, the newest first. The selection
// has no rest.
func (n neighbours) page(ctx context.Context, offset int64, limit int) (l located, err error) {
	switch {
	case len(n.keys) > 1:
		return n.unionPage(ctx, offset, limit)
	case !n.wholeLog():
		return n.locate(ctx, offset, limit)
	}
	l.total = n.hi - n.lo + 1
	if offset < l.total {
		newest := n.hi - offset
		l.entries, err = n.entriesOf(ctx, countDown(newest, max(n.lo, newest-int64(limit)+1)))
	}
	return l, err
}

// reader waits for a slot among the readers of the log. release gives it back.
func (d *DB) reader(ctx context.Context) (release func(), err error) {
	select {
	case d.reads <- struct{}{}:
		return func() { <-d.reads }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// entriesOf reads the entries that have ids, the newest first.
func (n neighbours) entriesOf(ctx context.Context, ids []int64) ([]audit.Entry, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	newest, oldest := ids[0], ids[len(ids)-1]
	from, to := n.span.first.at, n.span.last.at
	var err error
	if !n.whole {
		if from, to, err = n.timesOf(ctx, n.span, oldest, newest); err != nil {
			return nil, fmt.Errorf("read entries: %w", err)
		}
	}
	var rows pgx.Rows
	if newest-oldest == int64(len(ids))-1 {
		rows, err = n.pool.Query(ctx, "SELECT "+columnsOf(n.brief)+byRange, n.hot, from, to, oldest, newest)
	} else {
		rows, err = n.pool.Query(ctx, "SELECT "+columnsOf(n.brief)+byIDs, n.hot, from, to, ids)
	}
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	out, err := scanEntries(rows, len(ids), n.brief)
	if err == nil && len(out) < len(ids) { // the span was shortened
		err = n.checkKept(ctx, n.span)
	}
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	return out, nil
}

// checkKept returns errDropped if the first entry of s is not there any more.
func (d *DB) checkKept(ctx context.Context, s span) error {
	var kept bool
	err := d.pool.QueryRow(ctx, "SELECT "+keptFirst("$1", "$2"), d.hot, s.first.id, s.first.at).Scan(&kept)
	if err == nil && !kept {
		err = errDropped
	}
	return err
}

// Get implements audit.Reader.
func (d *DB) Get(ctx context.Context, id int64) (audit.Entry, error) {
	rows, err := d.pool.Query(ctx, "SELECT "+entryColumns+" FROM audit_log WHERE id = $1", d.hot, id)
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

// scanEntries reads about n entries, and closes rows. In each row stands beside them what goes
// to first; a row without an entry has nothing else.
func scanEntries(rows pgx.Rows, n int, brief bool, first ...any) ([]audit.Entry, error) {
	defer rows.Close()
	out := make([]audit.Entry, 0, n)
	var e audit.Entry
	dest := append(first, destOf(&e, brief)...)
	for rows.Next() {
		if rows.RawValues()[len(first)] == nil {
			clear(dest[len(first):]) // pgx leaves out what goes nowhere
			return nil, rows.Scan(dest...)
		}
		e = audit.Entry{}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		e.At = e.At.UTC()
		out = append(out, e)
	}
	return out, rows.Err()
}

func scanEntry(row pgx.CollectableRow) (e audit.Entry, err error) {
	err = row.Scan(destOf(&e, false)...)
	e.At = e.At.UTC()
	return e, err
}

// destOf is where the columns of an entry go.
func destOf(e *audit.Entry, brief bool) []any {
	dest := []any{
		&e.ID, &e.At, &e.UserID, &e.Action, &e.Resource, (*[]byte)(&e.Args), &e.SaltJID, &e.Decision, &e.ResultCode, &e.DurationMS,
		&e.Username, &e.Verb, &e.Reason, &e.RequestID, &e.SourceIP, &e.UserAgent,
	}
	if brief {
		return dest[:10]
	}
	return dest
}
