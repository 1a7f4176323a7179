package db

import (
	"context"
	"fmt"
	"strings"
	"time"

	"halite/internal/audit"
)

// located is what the rank index says about a page.
type located struct {
	total    int64      // entries that the filter selects
	ids      []int64    // of the page's entries, newest first
	from, to *time.Time // the ids' times are not outside of these; nil: not known
	read     int        // ids that were read to merge these
}

// locate counts the entries of a key among the ids from lo to hi, and finds those of the
// page. It reads indexes alone: less than a block of entries at either edge, and less than
// two blocks and a page around the page.
func (d *DB) locate(ctx context.Context, s span, k rankKey, decision *audit.Decision, lo, hi, offset int64, limit int) (l located, err error) {
	var kept bool
	err = d.pool.QueryRow(ctx, locateSQL[locateShape(k.kind, decision)], d.hot,
		k.user, k.action, lo, hi, min(offset, hi-lo+1), limit, s.first.id, s.first.at).Scan(&l.total, &l.ids, &l.from, &l.to, &kept)
	if err == nil && !kept {
		err = errDropped
	}
	if err != nil {
		return l, fmt.Errorf("locate entries: %w", err)
	}
	return l, nil
}

type shape struct {
	kind     rankKind
	decision audit.Decision // empty: either
}

func locateShape(k rankKind, decision *audit.Decision) shape {
	if decision == nil {
		return shape{kind: k}
	}
	return shape{k, *decision}
}

var locateSQL = makeLocateSQL()

func makeLocateSQL() map[shape]string {
	out := map[shape]string{}
	for _, k := range []rankKind{ofLog, ofUser, ofAction, ofUser | ofAction, ofNobody, ofNobody | ofAction} {
		for _, d := range []audit.Decision{"", audit.Allow, audit.Deny} {
			out[shape{k, d}] = shape{k, d}.sql()
		}
	}
	return out
}

// sql is the statement of locate. Its parameters are the user, the action, the first and
// the last id of the range, the offset, the limit, and the span's first entry.
//
// bottom and top are the first and the last block that end inside the range (or just
// before it). Between them lies the difference of their counts; what lies outside of
// them, below and above, is counted. If there are none, all of the range is below.
//
// first is where the page's first entry stands. If it is not among those above, start is
// the block in which the count passes it, and what is left is passed over from that
// block's end downwards. stop is the last block that ends before the page does: it
// bounds what is read whichever plan PostgreSQL chooses.
func (s shape) sql() string {
	const text = `
WITH bottom AS MATERIALIZED (
	SELECT id, $count AS n FROM audit_rank WHERE $blocks AND id >= $3::bigint - 1 AND id <= $4::bigint ORDER BY id LIMIT 1
), top AS MATERIALIZED (
	SELECT id, $count AS n FROM audit_rank WHERE $blocks AND id >= $3 - 1 AND id <= $4 ORDER BY id DESC LIMIT 1
), edges AS MATERIALIZED (
	SELECT sum(c.n) FILTER (WHERE NOT e.above)::bigint AS below, sum(c.n) FILTER (WHERE e.above)::bigint AS above
	FROM (VALUES (false, $3, coalesce((SELECT id FROM bottom), $4)), (true, coalesce((SELECT id FROM top), $4) + 1, $4)) AS e (above, lo, hi)
	CROSS JOIN LATERAL (SELECT $counts AS n) AS c
), first AS MATERIALIZED (
	SELECT top.n + edges.above - $5 AS n FROM top, edges
), start AS MATERIALIZED (
	SELECT r.id, r.n - first.n AS skip FROM first CROSS JOIN LATERAL (
		SELECT id, $count AS n FROM audit_rank
		WHERE $blocks AND $count >= greatest(first.n, (SELECT n FROM bottom)) ORDER BY $count LIMIT 1
	) AS r WHERE first.n <= (SELECT n FROM top)
), stop AS MATERIALIZED (
	SELECT r.id FROM first CROSS JOIN LATERAL (
		SELECT id FROM audit_rank
		WHERE $blocks AND $count <= first.n - $6::int AND $count >= (SELECT n FROM bottom) ORDER BY $count DESC LIMIT 1
	) AS r
), page AS MATERIALIZED (
	SELECT array(
		SELECT id FROM ($newest) AS e ORDER BY id DESC OFFSET coalesce((SELECT skip FROM start), $5::bigint) LIMIT $6
	) AS ids
)
SELECT coalesce((SELECT n FROM top) - (SELECT n FROM bottom), 0) + below + above, ids,
	(SELECT at FROM audit_rank WHERE $log AND id <= ids[cardinality(ids)] ORDER BY id DESC LIMIT 1),
	(SELECT at FROM audit_rank WHERE $log AND id >= ids[1] ORDER BY id LIMIT 1), $kept
FROM edges, page`
	return strings.NewReplacer("$counts", s.counts("$1", "$2", "e.lo", "e.hi"), "$count", s.count(), "$blocks", s.kind.blocks("$1::uuid", "$2::text"),
		"$newest", s.ids("DESC", "$1", "$2", "greatest($3, (SELECT id FROM stop) + 1)", "coalesce((SELECT id FROM start), $4)"), "$log", logBlocks, "$kept", keptFirst("$7", "$8")).Replace(text)
}

// decisions are those that a shape selects: entries of either are kept apart in the
// indexes, and every range of entries is one range for each.
func (s shape) decisions() []audit.Decision {
	if s.decision == "" {
		return []audit.Decision{audit.Allow, audit.Deny}
	}
	return []audit.Decision{s.decision}
}

// count is an expression: how many entries of the shape a block has counted.
func (s shape) count() string {
	return map[audit.Decision]string{"": "(allowed + denied)", audit.Allow: "allowed", audit.Deny: "denied"}[s.decision]
}

// counts is an expression: how many entries there are from lo to hi.
func (s shape) counts(user, action, lo, hi string) string {
	return s.countsIn("audit_log", user, action, lo, hi)
}

// countsIn is counts of a partition of the log.
func (s shape) countsIn(table, user, action, lo, hi string) string {
	var out []string
	for _, d := range s.decisions() {
		out = append(out, fmt.Sprintf("(SELECT count(*) FROM %s WHERE %sdecision = '%s' AND id >= %s AND id <= %s)",
			table, s.kind.entries(user, action), d, lo, hi))
	}
	return strings.Join(out, " + ")
}

// ids is a query: the ids of the entries from lo to hi, for each decision in an order,
// ASC or DESC.
func (s shape) ids(order, user, action, lo, hi string) string {
	return s.idsIn("audit_log", order, user, action, lo, hi)
}

// idsIn is ids of a partition of the log.
func (s shape) idsIn(table, order, user, action, lo, hi string) string {
	var out []string
	for _, d := range s.decisions() {
		out = append(out, fmt.Sprintf("(SELECT id FROM %s WHERE %sdecision = '%s' AND id >= %s AND id <= %s ORDER BY id %s)",
			table, s.kind.entries(user, action), d, lo, hi, order))
	}
	return strings.Join(out, " UNION ALL ")
}
