package db

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"halite/internal/audit"
)

// idRange is the ids from lo to hi.
type idRange struct{ lo, hi int64 }

func (t *tally) add(u tally) { t.allowed += u.allowed; t.denied += u.denied }

// of is how many entries t counts with a decision, or with either.
func (t tally) of(decision *audit.Decision) int64 {
	switch {
	case decision == nil:
		return t.allowed + t.denied
	case *decision == audit.Allow:
		return t.allowed
	}
	return t.denied
}

// tallies counts the entries of each key in each of some ranges, which lie next to one
// another, the oldest first. Keys of one kind stand together. Where a decision is named,
// the others are not counted. It reads indexes alone: in each range less than a block of
// each key's entries behind the last block that ends there, and once for each key less
// than a block before the first one.
func (d *DB) tallies(ctx context.Context, keys []rankKey, decision *audit.Decision, ranges []idRange) ([][]tally, error) {
	out := make([][]tally, 0, len(keys))
	err := byKind(keys, func(kind rankKind, users []uuid.UUID, actions []string) error {
		los, his := make([]int64, len(ranges)), make([]int64, len(ranges))
		for i, r := range ranges {
			los[i], his[i] = r.lo, r.hi
		}
		rows, err := d.pool.Query(ctx, tallySQL[shapeOf(kind, decision)], d.hot, users, actions, los, his,
			ranges[0].lo, ranges[len(ranges)-1].hi)
		if err != nil {
			return err
		}
		counted, err := pgx.CollectRows(rows, scanRun)
		for ; err == nil && len(counted) > 0; counted = counted[len(ranges):] {
			out = append(out, differences(counted[:len(ranges)], decision))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count entries: %w", err)
	}
	return out, nil
}

// byKind calls fn for the keys of each kind.
func byKind(keys []rankKey, fn func(kind rankKind, users []uuid.UUID, actions []string) error) error {
	for len(keys) > 0 {
		kind, n := keys[0].kind, 0
		var users []uuid.UUID
		var actions []string
		for ; n < len(keys) && keys[n].kind == kind; n++ {
			users, actions = append(users, keys[n].user), append(actions, keys[n].action)
		}
		if err := fn(kind, users, actions); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// run is what is known of a key in a range.
type run struct {
	ended bool  // a block ends in the range
	end   tally // what the last such block has counted
	tail  tally // entries behind it; of the whole range if there is none
	begun bool  // the first block of all ranges ends in this one
	start tally // what that has counted
	head  tally // entries of the range up to its end
}

func scanRun(row pgx.CollectableRow) (r run, err error) {
	return r, row.Scan(&r.ended, &r.end.allowed, &r.end.denied, &r.tail.allowed, &r.tail.denied,
		&r.begun, &r.start.allowed, &r.start.denied, &r.head.allowed, &r.head.denied)
}

// differences are the entries in each range: what a block has counted means something
// only as the difference to another.
func differences(runs []run, decision *audit.Decision) []tally {
	out := make([]tally, len(runs))
	var before tally // what a block would have counted where the range begins, once a block was met
	for i, r := range runs {
		switch {
		case !r.ended:
			out[i] = r.tail
			before.add(r.tail)
			continue
		case r.begun:
			out[i] = tally{r.head.allowed - r.start.allowed, r.head.denied - r.start.denied}
		default:
			out[i] = tally{-before.allowed, -before.denied}
		}
		before = r.end
		before.add(r.tail)
		out[i].add(before)
	}
	for i := range out {
		if decision != nil && *decision == audit.Allow {
			out[i].denied = 0
		} else if decision != nil {
			out[i].allowed = 0
		}
	}
	return out
}

var tallySQL = makeTallySQL()

func makeTallySQL() map[shape]string {
	out := map[shape]string{}
	for _, s := range shapes {
		out[s] = s.tallySQL()
	}
	return out
}

// tallySQL is the statement of tallies. Its parameters are the users and the actions of
// the keys, the first and the last ids of the ranges, and those of all of them. Of the
// whole log the denied entries alone are counted: the others are the rest of the ids.
func (s shape) tallySQL() string {
	const text = `
SELECT b.id IS NOT NULL, coalesce(b.allowed, 0), coalesce(b.denied, 0), $tail, coalesce(f.id >= e.lo AND f.id <= e.hi, false),
	coalesce(f.allowed, 0), coalesce(f.denied, 0), $head
FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS k (user_id, action, i)
LEFT JOIN LATERAL (
	SELECT id, allowed, denied FROM audit_rank WHERE $blocks AND id >= $5::bigint AND id <= $6::bigint ORDER BY id LIMIT 1
) AS f ON true
CROSS JOIN unnest($3::bigint[], $4::bigint[]) WITH ORDINALITY AS e (lo, hi, j)
LEFT JOIN LATERAL (
	SELECT id, allowed, denied FROM audit_rank WHERE $blocks AND id >= e.lo AND id <= e.hi ORDER BY id DESC LIMIT 1
) AS b ON true
CROSS JOIN LATERAL (SELECT $tallies) AS t
CROSS JOIN LATERAL (SELECT $heads) AS h
ORDER BY k.i, e.j`
	tail, head := "t.allowed, t.denied", "h.allowed, h.denied"
	if s == (shape{kind: ofLog}) {
		tail, head = "e.hi - coalesce(b.id, e.lo - 1) - t.denied, t.denied", "CASE WHEN f.id >= e.lo AND f.id <= e.hi THEN f.id - e.lo + 1 - h.denied ELSE 0 END, h.denied"
	}
	return strings.NewReplacer("$tallies", s.each("coalesce(b.id + 1, e.lo)", "e.hi"), "$tail", tail,
		"$heads", s.each("e.lo", "CASE WHEN f.id >= e.lo AND f.id <= e.hi THEN f.id ELSE e.lo - 1 END"), "$head", head,
		"$blocks", s.kind.blocks("k.user_id", "k.action")).Replace(text)
}

// each is two columns: the allowed and the denied entries from lo to hi, 0 where they are
// not asked for.
func (s shape) each(lo, hi string) string {
	var columns []string
	for _, d := range []audit.Decision{audit.Allow, audit.Deny} {
		count := "0::bigint"
		if (s.decision == "" || s.decision == d) && (s != (shape{kind: ofLog}) || d == audit.Deny) {
			count = shape{s.kind, d}.counts("audit_log", "k.user_id", "k.action", lo, hi)
		}
		columns = append(columns, count+" AS "+map[audit.Decision]string{audit.Allow: "allowed", audit.Deny: "denied"}[d])
	}
	return strings.Join(columns, ", ")
}
