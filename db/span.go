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
		pgx.QueryExecModeCacheStatement, s.first.id, s.first.at).Scan(&s.last.id, &s.last.at, &kept)
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

// within is the range of ids whose times the filter selects, lo to hi; hi < lo says that
// there are none.
func (d *DB) within(ctx context.Context, s span, f audit.Filter) (lo, hi int64, err error) {
	lo, hi = s.first.id, s.last.id
	if f.Since != nil {
		if lo, err = d.firstFrom(ctx, s, *f.Since); err != nil {
			return 0, 0, err
		}
	}
	if f.Until != nil && lo <= hi {
		if hi, err = d.firstFrom(ctx, s, *f.Until); err != nil {
			return 0, 0, err
		}
		hi--
	}
	return lo, hi, nil
}

// firstFrom returns the id of the first entry that is not before t, or the one behind
// the last. Times never decrease as ids grow, so it is found by halving: first among the
// whole log's blocks, which an index has by their times, then between two of them.
func (d *DB) firstFrom(ctx context.Context, s span, t time.Time) (id int64, err error) {
	switch t = t.Truncate(time.Microsecond); {
	case !t.After(s.first.at):
		return s.first.id, nil
	case t.After(s.last.at):
		return s.last.id + 1, nil
	}
	err = d.pool.QueryRow(ctx, firstFromSQL, pgx.QueryExecModeCacheStatement, t, s.first.id, s.last.id).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("find the first entry from a time on: %w", err)
	}
	return id, nil
}

// firstFromSQL narrows lo and hi until they meet: entries below lo are before $1, those
// from hi on are not. $2 and $3 are the first and the last id.
var firstFromSQL = `
WITH RECURSIVE below AS MATERIALIZED (
	SELECT id, at FROM audit_rank WHERE kind = 0 AND at < $1::timestamptz ORDER BY at DESC, id DESC LIMIT 1
), above AS MATERIALIZED (
	SELECT id, at FROM audit_rank WHERE kind = 0 AND at >= $1 ORDER BY at, id LIMIT 1
), search (lo, hi) AS (
	SELECT least(greatest((SELECT id FROM below) + 1, $2::bigint), $3::bigint + 1), greatest(least((SELECT id FROM above), $3 + 1), $2)
	UNION ALL
	SELECT CASE WHEN e.at < $1 THEN e.id + 1 ELSE s.lo END, CASE WHEN e.at < $1 THEN s.hi ELSE e.id END
	FROM search AS s JOIN audit_log AS e ON e.id = (s.lo + s.hi) / 2
		AND e.at >= coalesce((SELECT at FROM below), '-infinity') AND e.at <= coalesce((SELECT at FROM above), 'infinity')
	WHERE s.lo < s.hi
)
SELECT lo FROM search WHERE lo >= hi`
