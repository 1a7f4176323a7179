package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"halite/internal/audit"
)

// place is an entry's place in the log: ids and times are in one order.
type place struct {
	id int64
	at time.Time
}

// span is the log from the first entry that is kept to the last: all ids between are
// there. An empty log's first id is one above its last.
type span struct{ first, last place }

// span reads the head of the log and finds the first entry. That is the same until old
// partitions are dropped, so the one found last is only looked at, in its partition.
func (d *DB) span(ctx context.Context) (s span, err error) {
	var kept bool
	if p := d.oldest.Load(); p != nil {
		s.first = *p
	}
	err = d.pool.QueryRow(ctx, `SELECT last_id, last_at, EXISTS (SELECT FROM audit_log WHERE id = $1 AND at = $2) FROM audit_head`,
		d.hot, s.first.id, s.first.at).Scan(&s.last.id, &s.last.at, &kept)
	if err != nil {
		return s, fmt.Errorf("read the head of the log: %w", err)
	}
	if kept {
		return s, nil
	}
	err = d.pool.QueryRow(ctx, "SELECT id, at FROM audit_log ORDER BY id LIMIT 1").Scan(&s.first.id, &s.first.at)
	switch {
	case errors.Is(err, pgx.ErrNoRows) || err == nil && s.first.id > s.last.id:
		s.first = place{s.last.id + 1, s.last.at}
	case err != nil:
		return s, fmt.Errorf("find the first entry: %w", err)
	default:
		first := s.first
		d.oldest.Store(&first)
	}
	return s, nil
}

// asOf is the last id that f may select, whatever else it says.
func (s span) asOf(f audit.Filter) int64 {
	if f.AsOf == nil {
		return s.last.id
	}
	return min(s.last.id, *f.AsOf)
}

// errDropped says that the first entry of a span was dropped while the statements of a read
// ran, which saw two different logs then.
var errDropped = errors.New("old entries were dropped meanwhile")

// steady runs read. If that returns errDropped it runs it once more, while it holds a lock
// on the log under which nothing is dropped.
func (d *DB) steady(ctx context.Context, read func() error) error {
	if err := read(); !errors.Is(err, errDropped) {
		return err
	}
	return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "LOCK TABLE ONLY audit_log IN ACCESS SHARE MODE"); err != nil {
			return err
		}
		return read()
	})
}

// keptFirst is an expression for a statement of a read: the first entry of its span, of which
// the parameters are named, is still there. So it was for all statements before.
func keptFirst(id, at string) string {
	return fmt.Sprintf("EXISTS (SELECT FROM audit_log WHERE id = %s::bigint AND at = %s::timestamptz)", id, at)
}

// within is the range of ids that the filter's times and its AsOf select, lo to hi;
// hi < lo says that there are none.
func (d *DB) within(ctx context.Context, s span, f audit.Filter) (lo, hi int64, err error) {
	lo, hi = s.first.id, s.asOf(f)
	var times []time.Time
	for _, t := range []*time.Time{f.Since, f.Until} {
		if t != nil {
			times = append(times, *t)
		}
	}
	ids, err := d.firstFrom(ctx, s, times)
	if err != nil {
		return 0, 0, err
	}
	if f.Since != nil {
		lo, ids = ids[0], ids[1:]
	}
	if f.Until != nil {
		hi = min(hi, ids[0]-1)
	}
	return lo, hi, nil
}

// firstFrom returns for each of some times the id of the first entry that is not before
// it, or the one behind the last. Times never decrease as ids grow, so it is found by
// halving: first among the whole log's blocks, which an index has by their times, then
// between two of them. What is not inside of the log costs nothing.
func (d *DB) firstFrom(ctx context.Context, s span, times []time.Time) ([]int64, error) {
	ids := make([]int64, len(times))
	var inside []time.Time
	for i, t := range times {
		switch t = t.Truncate(time.Microsecond); {
		case !t.After(s.first.at):
			ids[i] = s.first.id
		case t.After(s.last.at):
			ids[i] = s.last.id + 1
		default:
			inside = append(inside, t)
		}
	}
	if len(inside) == 0 {
		return ids, nil
	}
	rows, err := d.pool.Query(ctx, firstFromSQL, d.hot, inside, s.first.id, s.last.id)
	if err != nil {
		return nil, fmt.Errorf("find the first entry from a time on: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err == nil && len(found) != len(inside) {
		err = errDropped
	}
	if err != nil {
		return nil, fmt.Errorf("find the first entry from a time on: %w", err)
	}
	for i := range ids {
		if ids[i] == 0 {
			ids[i], found = found[0], found[1:]
		}
	}
	return ids, nil
}

// firstFromSQL narrows lo and hi for each time of $1 until they meet: entries below lo
// are before it, those from hi on are not. $2 and $3 are the first and the last id.
const firstFromSQL = `
SELECT s.lo FROM unnest($1::timestamptz[]) WITH ORDINALITY AS t (at, i) CROSS JOIN LATERAL (
	WITH RECURSIVE below AS MATERIALIZED (
		SELECT id, at FROM audit_rank WHERE kind = 0 AND at < t.at ORDER BY at DESC, id DESC LIMIT 1
	), above AS MATERIALIZED (
		SELECT id, at FROM audit_rank WHERE kind = 0 AND at >= t.at ORDER BY at, id LIMIT 1
	), search (lo, hi) AS (
		SELECT least(greatest((SELECT id FROM below) + 1, $2::bigint), $3::bigint + 1), greatest(least((SELECT id FROM above), $3 + 1), $2)
		UNION ALL
		SELECT CASE WHEN e.at < t.at THEN e.id + 1 ELSE s.lo END, CASE WHEN e.at < t.at THEN s.hi ELSE e.id END
		FROM search AS s JOIN audit_log AS e ON e.id = (s.lo + s.hi) / 2
			AND e.at >= coalesce((SELECT at FROM below), '-infinity') AND e.at <= coalesce((SELECT at FROM above), 'infinity')
		WHERE s.lo < s.hi
	)
	SELECT lo FROM search WHERE lo >= hi
) AS s ORDER BY t.i`
