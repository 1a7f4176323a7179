package db

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"halite/internal/audit"
)

// next finds the newest entries of the keys, limit at most, among the ids from lo to hi, or
// the oldest ones. Their ids come newest first. Of the whole log they are arithmetic; else it
// reads indexes alone, for each key two blocks of entries at most beside those asked for.
func (n neighbours) next(ctx context.Context, lo, hi int64, limit int, oldest bool) ([]int64, error) {
	if hi < lo {
		return nil, nil
	}
	if n.wholeLog() {
		if size := int64(limit); oldest {
			hi = min(hi, lo+size-1)
		} else {
			lo = max(lo, hi-size+1)
		}
		return countDown(hi, lo), nil
	}
	m, err := n.union(ctx, lo, hi, limit, oldest)
	ids, _ := nearest(m.ids, limit, oldest)
	return ids, err
}

// nearest are the first of what comes newest first, limit at most, or the last if the oldest are
// asked for; over says that there were more.
func nearest[T any](all []T, limit int, oldest bool) (out []T, over bool) {
	switch {
	case len(all) <= limit:
		return all, false
	case oldest:
		return all[len(all)-limit:], true
	}
	return all[:limit], true
}

// nextEntries reads the entries that next finds: with the same statement if there is one key.
func (n neighbours) nextEntries(ctx context.Context, lo, hi int64, limit int, oldest bool) (entries []audit.Entry, err error) {
	if n.wholeLog() || len(n.keys) > 1 {
		ids, err := n.next(ctx, lo, hi, limit, oldest)
		if err != nil {
			return nil, err
		}
		return n.entriesOf(ctx, ids)
	}
	if hi < lo {
		return nil, nil
	}
	k := n.keys[0]
	near, err := n.near(ctx, k.kind, []uuid.UUID{k.user}, []string{k.action}, lo, hi, limit, oldest)
	if err != nil {
		return nil, err
	}
	o := ordered{shapeOf(k.kind, n.decision), oldest}
	err = n.naming(ctx, []idRange{near.all()}, func(in [][]string) error {
		from, to, err := n.timesOf(ctx, n.span, near.los[0], near.his[0])
		if err != nil {
			return err
		}
		rows, err := n.pool.Query(ctx, o.entriesSQL(in[0], n.brief), n.hot, k.user, k.action, near.los[0], near.his[0], limit, from, to)
		if err == nil {
			entries, err = scanEntries(rows, limit, n.brief)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the next entries: %w", err)
	}
	return entries, nil
}

// countDown returns the ids from hi to lo.
func countDown(hi, lo int64) []int64 {
	ids := make([]int64, 0, max(0, hi-lo+1))
	for id := hi; id >= lo; id-- {
		ids = append(ids, id)
	}
	return ids
}

// merged are entries of several keys.
type merged struct {
	ids   []int64 // newest first
	read  int     // those of each key, counted together
	ended bool    // there are no others
}

// union finds the newest entries of several keys, or the oldest ones, in the order of
// all: each at least of each key, if there are so many, and no others between them.
func (n neighbours) union(ctx context.Context, lo, hi int64, each int, oldest bool) (m merged, err error) {
	m.ended = true
	before := func(a, b int64) int { return cmp.Compare(b, a) } // newest first
	if oldest {
		before = cmp.Compare[int64]
	}
	var end int64 // what lies behind it may lack entries of a key
	err = byKind(n.keys, func(kind rankKind, users []uuid.UUID, actions []string) error {
		parts, err := n.idsOf(ctx, kind, users, actions, lo, hi, each, oldest)
		for _, ids := range parts {
			if len(ids) >= each {
				if last := ids[len(ids)-1]; m.ended || before(last, end) < 0 {
					end = last
				}
				m.ended = false
			}
			m.ids = append(m.ids, ids...)
			m.read += len(ids)
		}
		return err
	})
	if err != nil {
		return merged{}, err
	}
	slices.SortFunc(m.ids, before)
	if !m.ended {
		i, _ := slices.BinarySearchFunc(m.ids, end, before)
		m.ids = m.ids[:i+1]
	}
	if oldest {
		slices.Reverse(m.ids)
	}
	return m, nil
}

// idsOf finds the newest ids of each key of a kind, limit at most, or the oldest ones, in
// that order.
func (n neighbours) idsOf(
	ctx context.Context, kind rankKind, users []uuid.UUID, actions []string, lo, hi int64, limit int, oldest bool,
) (ids [][]int64, err error) {
	within, err := n.near(ctx, kind, users, actions, lo, hi, limit, oldest)
	if err != nil {
		return nil, err
	}
	o := ordered{shapeOf(kind, n.decision), oldest}
	err = n.naming(ctx, []idRange{within.all()}, func(in [][]string) error {
		rows, err := n.pool.Query(ctx, o.idsSQL(in[0]), n.hot, users, actions, within.los, within.his, limit)
		if err == nil {
			ids, err = pgx.CollectRows(rows, pgx.RowTo[[]int64])
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find the next entries: %w", err)
	}
	return ids, nil
}

// idRanges are ranges of ids, from los to his: one at least.
type idRanges struct{ los, his []int64 }

// all is the range from the first of them to the last.
func (r idRanges) all() idRange { return idRange{slices.Min(r.los), slices.Max(r.his)} }

// near is for each key of a kind where the newest entries of it lie among the ids from lo to
// hi, limit at most, or the oldest ones, as far as the rank index tells: few others are there.
func (n neighbours) near(
	ctx context.Context, kind rankKind, users []uuid.UUID, actions []string, lo, hi int64, limit int, oldest bool,
) (within idRanges, err error) {
	rows, err := n.pool.Query(ctx, nearSQL[ordered{shapeOf(kind, n.decision), oldest}], n.hot, users, actions, lo, hi, limit)
	if err != nil {
		return within, fmt.Errorf("find the next entries: %w", err)
	}
	var first, last int64
	_, err = pgx.ForEachRow(rows, []any{&first, &last}, func() error {
		within.los, within.his = append(within.los, first), append(within.his, last)
		return nil
	})
	if err != nil {
		return within, fmt.Errorf("find the next entries: %w", err)
	}
	return within, nil
}

// ordered is a shape, from one end or the other.
type ordered struct {
	shape
	oldest bool
}

// order is that of the ids.
func (o ordered) order() string {
	if o.oldest {
		return "ASC"
	}
	return "DESC"
}

var nearSQL = makeNearSQL()

func makeNearSQL() map[ordered]string {
	out := map[ordered]string{}
	for _, s := range shapes {
		for _, oldest := range []bool{false, true} {
			out[ordered{s, oldest}] = ordered{s, oldest}.nearSQL()
		}
	}
	return out
}

// nearSQL is the statement of near. Its parameters are the users and the actions of the
// keys, the first and the last id of the range, and the limit.
//
// near is the block of a key that ends nearest to where the entries begin. far is the
// first one behind it by which so many more have been counted as are asked for: what is
// asked for lies before it. If there is none, there are fewer than that to the end of
// the blocks.
func (o ordered) nearSQL() string {
	near, far := "id <= $4::bigint ORDER BY id DESC", "$count <= near.n - $5::int ORDER BY $count DESC"
	lo, hi := "greatest($3::bigint, far.id + 1)", "$4::bigint"
	if o.oldest {
		near, far = "id >= $3::bigint - 1 ORDER BY id", "$count >= near.n + $5::int ORDER BY $count"
		lo, hi = "$3::bigint", "least($4::bigint, far.id)"
	}
	return strings.NewReplacer("$count", o.count(), "$blocks", o.kind.blocks("k.user_id", "k.action")).Replace(`
SELECT ` + lo + `, ` + hi + ` FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS k (user_id, action, i)
LEFT JOIN LATERAL (SELECT $count AS n FROM audit_rank WHERE $blocks AND ` + near + ` LIMIT 1) AS near ON true
LEFT JOIN LATERAL (SELECT id FROM audit_rank WHERE $blocks AND ` + far + ` LIMIT 1) AS far ON true
ORDER BY k.i`)
}

// idsSQL is the statement of idsOf for entries in some tables. Its parameters are the users,
// the actions, the first and the last ids of the keys, and the limit.
func (o ordered) idsSQL(tables []string) string {
	var ids []string
	for _, table := range tables {
		ids = append(ids, o.ids(table, 0, o.order(), "k.user_id", "k.action", "k.lo", "k.hi"))
	}
	return "SELECT array(SELECT id FROM (" + strings.Join(ids, " UNION ALL ") + ") AS e ORDER BY " + o.kind.order(o.order()) + ` LIMIT $5::int)
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) WITH ORDINALITY AS k (user_id, action, lo, hi, i) ORDER BY k.i`
}

// entriesSQL is the statement of nextEntries for entries in some tables. Its parameters are the user,
// the action, the first and the last id, the limit, and between which times the entries are.
func (o ordered) entriesSQL(tables []string, brief bool) string {
	ids, entries := o.pageSQL(tables, o.order(), "$3", "$4", "$6", "$7", brief)
	return strings.NewReplacer("$ids", ids, "$order", o.kind.order(o.order()), "$entries", entries).Replace(`
WITH types AS ( -- of what is given and may not be used
	SELECT $1::uuid, $2::text, $3::bigint, $4::bigint, $6::timestamptz, $7::timestamptz
), page AS MATERIALIZED (
	SELECT id, part FROM ($ids) AS e ORDER BY $order LIMIT $5
)
SELECT * FROM ($entries) AS e ORDER BY id DESC`)
}
