package db

import (
	"context"
	"fmt"
	"strings"
	"time"

	"halite/internal/audit"
)

// located is a page.
type located struct {
	total   int64         // entries that the filter selects
	entries []audit.Entry // of the page, newest first
}

// locate counts the entries of the selection's key, which has no rest, and reads those of the
// page. Before these it reads indexes alone: less than a block of entries at either edge, and less
// than three blocks and a page around the page.
//
// It is two statements: one on the rank index, which tells where to look, and one that looks
// there. That names the partitions, since PostgreSQL spends most of a lookup on opening the
// indexes of all of them. What the first one reads it reads at once; what the second counts
// beside it is of entries that never change, so that it does not matter when.
func (n neighbours) locate(ctx context.Context, offset int64, limit int) (l located, err error) {
	spare := n.bounds.above
	for range locateTries {
		k, err := n.lookup(ctx, offset, limit, spare)
		if err != nil {
			return l, fmt.Errorf("locate entries: %w", err)
		}
		var above int64
		err = n.naming(ctx, []idRange{k.below, k.above, k.page}, func(in [][]string) (err error) {
			l, above, err = n.readLocated(ctx, k, in)
			return err
		})
		if err != nil {
			return l, fmt.Errorf("locate entries: %w", err)
		}
		if k.started && above > k.skip { // the index is behind, and the page begins above where it was looked for
			spare = above
			continue
		}
		l.total += k.counted
		return l, nil
	}
	return l, fmt.Errorf("locate entries: %w", errDropped)
}

// readLocated runs the second statement. above is how many entries it has counted above the
// last block.
func (n neighbours) readLocated(ctx context.Context, k lookup, in [][]string) (l located, above int64, err error) {
	from, to, err := n.timesOf(ctx, n.span, k.page.lo, k.page.hi)
	if err != nil {
		return l, 0, err
	}
	rows, err := n.pool.Query(ctx, k.sql(in, n.brief), append([]any{n.hot}, k.args(from, to)...)...)
	if err != nil {
		return l, 0, err
	}
	l.entries, err = scanEntries(rows, k.limit, n.brief, &l.total, &above)
	return l, above, err
}

// locateTries is how often a lookup is tried, if the index is behind and while it is built anew.
const locateTries = 5

// lookup is where a page, and what is to be counted for its total, lie.
type lookup struct {
	shape
	key                rankKey
	counted            int64 // by the rank index, between its blocks
	below, above, page idRange
	skip               int64 // entries of the page's range to pass over
	started            bool  // its range ends with a block: so many fewer are passed over as there are above the last one
	limit              int
}

// lookup finds where to look, if there are no more entries than spare above the last block.
func (n neighbours) lookup(ctx context.Context, offset int64, limit int, spare int64) (l lookup, err error) {
	l = lookup{shape: shapeOf(n.keys[0].kind, n.decision), key: n.keys[0], skip: min(offset, n.hi-n.lo+1), limit: limit}
	var begin, stop int64
	var bottom, top, start struct{ id, n int64 } // blocks, and what they have counted; ids of 0: none
	err = n.pool.QueryRow(ctx, blocksSQL[l.shape], n.hot, l.key.user, l.key.action, n.lo, n.hi, l.skip, limit, spare).
		Scan(&begin, &bottom.id, &bottom.n, &top.id, &top.n, &start.id, &start.n, &stop)
	if err != nil {
		return l, err
	}
	nothing := idRange{1, 0}
	l.below, l.above, l.page = nothing, idRange{n.lo, n.hi}, idRange{max(n.lo, stop+1), n.hi}
	if top.id > 0 {
		l.counted, l.above.lo = top.n, top.id+1
		if n.lo > begin { // else all that was counted is in the range
			l.counted -= bottom.n
			l.below = idRange{n.lo, bottom.id}
		}
	}
	if start.id > 0 {
		l.page.hi, l.skip, l.started = start.id, l.skip-(top.n-start.n), true
	}
	if limit == 0 {
		l.page = nothing
	}
	return l, nil
}

type shape struct {
	kind     rankKind
	decision audit.Decision // empty: either
}

func shapeOf(k rankKind, decision *audit.Decision) shape {
	if decision == nil {
		return shape{kind: k}
	}
	return shape{k, *decision}
}

// shapes are all there are.
var shapes = makeShapes()

func makeShapes() (out []shape) {
	for _, k := range []rankKind{ofLog, ofUser, ofAction, ofUser | ofAction, ofNobody, ofNobody | ofAction} {
		for _, d := range []audit.Decision{"", audit.Allow, audit.Deny} {
			out = append(out, shape{k, d})
		}
	}
	return out
}

var blocksSQL = makeBlocksSQL()

// makeBlocksSQL makes the statements of lookup on the rank index. Their parameters are the
// user, the action, the first and the last id of the range, the offset, the limit, and spare.
//
// They tell from which id on the index counts (0: not known), and blocks. bottom and top are
// the first and the last one that end inside the range (or just before it). Between them
// lies the difference of their counts; what lies outside of them, below and above, is to be
// counted. If there are none, all of the range is above. The page begins before the end of start, or
// of the range if there is no start, and ends behind stop: both hold however many entries
// are above, from none to spare.
func makeBlocksSQL() map[shape]string {
	const text = `
WITH bottom AS MATERIALIZED (
	SELECT id, $count AS n FROM audit_rank WHERE $blocks AND id >= $3::bigint - 1 AND id <= $4::bigint ORDER BY id LIMIT 1
), top AS MATERIALIZED (
	SELECT id, $count AS n FROM audit_rank WHERE $blocks AND id >= $3 - 1 AND id <= $4 ORDER BY id DESC LIMIT 1
), start AS MATERIALIZED (
	SELECT r.id, r.n FROM top, bottom CROSS JOIN LATERAL (
		SELECT id, $count AS n FROM audit_rank
		WHERE $blocks AND $count >= greatest(top.n - $5::bigint + $7::bigint, bottom.n) AND $count <= top.n ORDER BY $count LIMIT 1
	) AS r
), stop AS MATERIALIZED (
	SELECT r.id FROM top, bottom CROSS JOIN LATERAL (
		SELECT id FROM audit_rank
		WHERE $blocks AND $count <= top.n - $5 - $6::int AND $count >= bottom.n ORDER BY $count DESC LIMIT 1
	) AS r
)
SELECT coalesce((SELECT id - allowed - denied FROM audit_rank WHERE $log ORDER BY id LIMIT 1), -1) + 1,
	coalesce((SELECT id FROM bottom), 0), coalesce((SELECT n FROM bottom), 0), coalesce((SELECT id FROM top), 0), coalesce((SELECT n FROM top), 0),
	coalesce((SELECT id FROM start), 0), coalesce((SELECT n FROM start), 0), coalesce((SELECT id FROM stop), 0)`
	out := map[shape]string{}
	for _, s := range shapes {
		out[s] = strings.NewReplacer("$count", s.count(), "$blocks", s.kind.blocks("$1::uuid", "$2::text"), "$log", logBlocks).Replace(text)
	}
	return out
}

// sql is the statement that counts what is below, and above, and reads the page, each in
// tables of its own. Both counts stand in each row, and in the one row of an empty page.
func (l lookup) sql(in [][]string, brief bool) string {
	count := func(in []string, lo, hi string) string {
		out := []string{"0"}
		for _, table := range in {
			out = append(out, l.counts(table, "$1", "$2", lo, hi))
		}
		return strings.Join(out, " + ")
	}
	ids, entries := l.pageSQL(in[2], "DESC", "$7", "$8", "$12", "$13", brief)
	above := count(in[1], "$5", "$6")
	if l.page == l.above { // there are no blocks in the range: what is counted is where the page is
		above = "(SELECT count(*) FROM ids)"
	}
	return strings.NewReplacer("$above", above, "$below", count(in[0], "$3", "$4"), "$ids", ids, "$entries", entries,
		"$order", l.key.kind.order("DESC")).Replace(`
WITH types AS ( -- of what is given and may not be used
	SELECT $1::uuid, $2::text, $3::bigint, $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::bigint, $12::timestamptz, $13::timestamptz
), ids AS (
	$ids
), above AS MATERIALIZED (
	SELECT $above AS n
), page AS MATERIALIZED (
	SELECT id, part FROM ids
	ORDER BY $order OFFSET greatest($9::bigint - CASE WHEN $10::boolean THEN (SELECT n FROM above) ELSE 0 END, 0) LIMIT $11
)
SELECT $below + n, n, e.* FROM above LEFT JOIN ($entries) AS e ON true ORDER BY e.id DESC`)
}

// args are the parameters of sql: the user, the action, the three ranges of ids, how many
// entries of the page's range to pass over, whether so many fewer as are above, the limit, and
// between which times the entries of that range are.
func (l lookup) args(from, to time.Time) []any {
	return []any{
		l.key.user, l.key.action, l.below.lo, l.below.hi, l.above.lo, l.above.hi, l.page.lo, l.page.hi, l.skip, l.started, l.limit, from, to,
	}
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

// counts is an expression: how many entries there are from lo to hi in the log or a
// partition of it.
func (s shape) counts(table, user, action, lo, hi string) string {
	var out []string
	for _, d := range s.decisions() {
		out = append(out, fmt.Sprintf("(SELECT count(*) FROM (SELECT FROM %s WHERE decision = '%s' AND %s ORDER BY %s) AS e)",
			table, d, s.kind.entries(user, action, lo, hi), s.kind.order("ASC")))
	}
	return strings.Join(out, " + ")
}

// ids is a query: the ids of the entries from lo to hi in the log or a partition of it, for
// each decision in an order, ASC or DESC. Beside each stands part.
func (s shape) ids(table string, part int, order, user, action, lo, hi string) string {
	var out []string
	for _, d := range s.decisions() {
		out = append(out, fmt.Sprintf("(SELECT %s, %d AS part FROM %s WHERE decision = '%s' AND %s ORDER BY %s)",
			s.kind.columns(), part, table, d, s.kind.entries(user, action, lo, hi), s.kind.order(order)))
	}
	return strings.Join(out, " UNION ALL ")
}

// pageSQL is two queries on some tables: the ids from lo to hi of the key $1 and $2, each with the table
// that it is in; and of those that a query named page has left of them the entries. Each is
// looked for in its own table alone; in the log, in the partitions of the times between from and to.
func (s shape) pageSQL(tables []string, order, lo, hi, from, to string, brief bool) (ids, entries string) {
	if len(tables) == 0 {
		return "SELECT *, 0 AS part FROM audit_log WHERE false", "SELECT " + columnsOf(brief) + " FROM audit_log WHERE false"
	}
	var found, read []string
	for part, table := range tables {
		found = append(found, s.ids(table, part, order, "$1", "$2", lo, hi))
		read = append(read, fmt.Sprintf("SELECT %s FROM %s WHERE id = ANY (array(SELECT id FROM page WHERE part = %d)) AND at >= %s AND at <= %s",
			columnsOf(brief), table, part, from, to))
	}
	return strings.Join(found, " UNION ALL "), strings.Join(read, " UNION ALL ")
}
