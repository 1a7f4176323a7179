package db

import (
	"context"
	"fmt"
	"strings"

	"halite/internal/audit"
)

// Window implements audit.Reader. As for List, everything is taken of the ids up to the
// head as it was at first.
func (d *DB) Window(ctx context.Context, w audit.Window) (audit.Windowed, error) {
	var out audit.Windowed
	if w.Limit > 0 {
		out.Entries = []audit.Entry{}
	}
	sel, ok := compile(w.Filter)
	if !ok {
		return out, nil
	}
	release, err := d.reader(ctx)
	if err != nil {
		return out, err
	}
	defer release()
	err = d.steady(ctx, func() (err error) {
		out, err = d.window(ctx, w, sel)
		return err
	})
	return out, err
}

// window is Window, unless old entries are dropped meanwhile.
func (d *DB) window(ctx context.Context, w audit.Window, sel selection) (audit.Windowed, error) {
	var out audit.Windowed
	if w.Limit > 0 {
		out.Entries = []audit.Entry{}
	}
	s, err := d.span(ctx)
	if err != nil {
		return out, err
	}
	lo, hi, err := d.within(ctx, s, w.Filter)
	if err != nil || hi < lo {
		return out, err
	}
	n := neighbours{d, s, sel, lo, hi}
	if w.Counted {
		if out.Total, out.Partial, err = n.total(ctx); err != nil {
			return out, err
		}
	}
	if w.Limit <= 0 {
		return out, nil
	}
	l, more, searchedTo, err := n.window(ctx, w)
	if err != nil {
		return out, err
	}
	out.SearchedTo = searchedTo
	if out.Newer, err = n.beyond(ctx, w.Below, w.Below > hi); err != nil {
		return out, err
	}
	if out.Older, err = n.beyond(ctx, w.Above, w.Above < lo); err != nil {
		return out, err
	}
	out.Newer, out.Older = out.Newer || more && w.Oldest, out.Older || more && !w.Oldest
	if len(l.ids) > 0 {
		out.Entries, err = d.entriesOf(ctx, s, l)
	}
	return out, err
}

// neighbours are the entries of a selection among the ids from lo to hi, of a span.
type neighbours struct {
	*DB
	span span
	selection
	lo, hi int64
}

// total counts the entries; partial says that the bound of a search ended it.
func (n neighbours) total(ctx context.Context) (count int64, partial bool, err error) {
	if n.rest != nil {
		found, err := n.search(ctx, n.lo, n.hi, false, allHits)
		return int64(len(found.hits)), found.searchedTo != 0, err
	}
	l, err := n.page(ctx, 0, 0)
	return l.total, false, err
}

// window finds the entries of w, and whether there are, or may be, more of them between
// its bounds.
func (n neighbours) window(ctx context.Context, w audit.Window) (l located, more bool, searchedTo int64, err error) {
	lo, hi := n.lo, n.hi
	if w.Below > 0 && w.Below <= hi {
		hi = max(w.Below, lo) - 1
	}
	if w.Above >= lo {
		lo = min(w.Above, n.hi) + 1
	}
	if n.rest != nil {
		found, err := n.search(ctx, lo, hi, w.Oldest, w.Limit+1)
		if err != nil {
			return l, false, 0, err
		}
		l = found.located(w.Oldest)
		if len(l.ids) <= w.Limit {
			return l, found.searchedTo != 0, found.searchedTo, nil
		}
	} else if l, err = n.next(ctx, lo, hi, w.Limit+1, w.Oldest); err != nil {
		return l, false, 0, err
	}
	over := len(l.ids) - w.Limit
	if over > 0 && w.Oldest {
		l.ids = l.ids[over:]
	} else if over > 0 {
		l.ids = l.ids[:w.Limit]
	}
	return l, over > 0, 0, nil
}

// beyond reports whether there are entries on the other side of a bound, which is one of
// them for as long as it is kept. away says that it bounds nothing: all are on this side.
// It is true too if there may be some, and only a search could tell.
func (n neighbours) beyond(ctx context.Context, bound int64, away bool) (bool, error) {
	switch {
	case bound == 0 || away:
		return false, nil
	case bound >= n.lo && bound <= n.hi, n.rest != nil:
		return true, nil
	}
	l, err := n.next(ctx, n.lo, n.hi, 1, false)
	return len(l.ids) > 0, err
}

// next finds the newest entries of the keys, limit at most, among the ids from lo to hi,
// or the oldest ones. Of the whole log they are arithmetic; else it reads indexes alone,
// for each key two blocks of entries at most beside those asked for.
func (n neighbours) next(ctx context.Context, lo, hi int64, limit int, oldest bool) (l located, err error) {
	switch {
	case hi < lo:
		return l, nil
	case len(n.keys) > 1:
		l, _, err = n.union(ctx, lo, hi, limit, oldest)
		if over := len(l.ids) - limit; over > 0 && oldest {
			l.ids = l.ids[over:]
		} else if over > 0 {
			l.ids = l.ids[:limit]
		}
		return l, err
	case n.wholeLog():
		if size := int64(limit); oldest {
			hi = min(hi, lo+size-1)
		} else {
			lo = max(lo, hi-size+1)
		}
		l.ids = countDown(hi, lo)
		return l, nil
	}
	k := n.keys[0]
	var kept bool
	err = n.pool.QueryRow(ctx, nextSQL[ordered{locateShape(k.kind, n.decision), oldest}], n.hot,
		k.user, k.action, lo, hi, limit, n.span.first.id, n.span.first.at).Scan(&l.ids, &kept)
	if err == nil && !kept {
		err = errDropped
	}
	if err != nil {
		return l, fmt.Errorf("find the next entries: %w", err)
	}
	return l, nil
}

// countDown returns the ids from hi to lo.
func countDown(hi, lo int64) []int64 {
	ids := make([]int64, 0, max(0, hi-lo+1))
	for id := hi; id >= lo; id-- {
		ids = append(ids, id)
	}
	return ids
}

// ordered is a shape, from one end or the other.
type ordered struct {
	shape
	oldest bool
}

var nextSQL = makeNextSQL()

func makeNextSQL() map[ordered]string {
	out := map[ordered]string{}
	for _, s := range shapes {
		for _, oldest := range []bool{false, true} {
			o := ordered{s, oldest}
			out[o] = o.sql("$1::uuid", "$2::text")
		}
	}
	return out
}

// sql is the statement of next, for a user and an action. Its other parameters, $3 to $7,
// are the first and the last id of the range, the limit, and the span's first entry.
//
// near is the block of the key that ends nearest to where the entries begin. far is the
// first one behind it by which so many more have been counted as are asked for: what is
// asked for lies before it. If there is none, there are fewer than that to the end of
// the blocks.
func (o ordered) sql(user, action string) string {
	const text = `
WITH near AS MATERIALIZED (
	SELECT $count AS n FROM audit_rank WHERE $blocks AND $near LIMIT 1
), far AS MATERIALIZED (
	SELECT r.id FROM near CROSS JOIN LATERAL (SELECT id FROM audit_rank WHERE $blocks AND $far LIMIT 1) AS r
), page AS MATERIALIZED (
	SELECT array(SELECT id FROM (SELECT id FROM ($entries) AS e ORDER BY id $order LIMIT $5) AS f ORDER BY id DESC) AS ids
)
SELECT ids, $kept FROM page`
	order, near, far := "DESC", "id <= $4::bigint ORDER BY id DESC", "$count <= near.n - $5::int ORDER BY $count DESC"
	lo, hi := "greatest($3::bigint, (SELECT id FROM far) + 1)", "$4"
	if o.oldest {
		order, near, far = "ASC", "id >= $3::bigint - 1 ORDER BY id", "$count >= near.n + $5::int ORDER BY $count"
		lo, hi = "$3", "least($4::bigint, (SELECT id FROM far))"
	}
	return strings.NewReplacer("$count", o.count(), "$blocks", o.kind.blocks(user, action), "$near", near,
		"$far", strings.ReplaceAll(far, "$count", o.count()), "$entries", o.ids("audit_log", order, user, action, lo, hi), "$order", order,
		"$kept", keptFirst("$6", "$7")).Replace(text)
}
