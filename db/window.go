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
	f, ok := storable(w.Filter)
	if !ok {
		return out, nil
	}
	release, err := d.reader(ctx)
	if err != nil {
		return out, err
	}
	defer release()
	err = d.steady(ctx, func() (err error) {
		out, err = d.window(ctx, w, f)
		return err
	})
	return out, err
}

// window is Window, of a storable filter.
func (d *DB) window(ctx context.Context, w audit.Window, f audit.Filter) (audit.Windowed, error) {
	var out audit.Windowed
	if w.Limit > 0 {
		out.Entries = []audit.Entry{}
	}
	s, err := d.span(ctx)
	if err != nil {
		return out, err
	}
	lo, hi, err := d.within(ctx, s, f)
	if err != nil || hi < lo {
		return out, err
	}
	if w.Counted {
		if out.Total, err = d.total(ctx, s, f, lo, hi); err != nil {
			return out, err
		}
	}
	if w.Limit <= 0 {
		return out, nil
	}
	n := neighbours{d, s, f, lo, hi}
	l, more, err := n.window(ctx, w)
	if err != nil {
		return out, err
	}
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

// total counts the entries of f, a storable filter, among the ids from lo to hi.
func (d *DB) total(ctx context.Context, s span, f audit.Filter, lo, hi int64) (int64, error) {
	k := keyOf(f)
	if k.kind == ofLog && f.Decision == nil {
		return hi - lo + 1, nil
	}
	l, err := d.locate(ctx, s, k, f.Decision, lo, hi, 0, 0)
	return l.total, err
}

// neighbours are the entries of a storable filter among the ids from lo to hi, which its
// times select.
type neighbours struct {
	*DB
	span   span
	filter audit.Filter
	lo, hi int64
}

// window finds the entries of w, and whether there are more of them between its bounds.
func (n neighbours) window(ctx context.Context, w audit.Window) (l located, more bool, err error) {
	lo, hi := n.lo, n.hi
	if w.Below > 0 && w.Below <= hi {
		hi = max(w.Below, lo) - 1
	}
	if w.Above >= lo {
		lo = min(w.Above, n.hi) + 1
	}
	if l, err = n.next(ctx, lo, hi, w.Limit+1, w.Oldest); err != nil {
		return l, false, err
	}
	if more = len(l.ids) > w.Limit; more && w.Oldest {
		l.ids = l.ids[1:]
	} else if more {
		l.ids = l.ids[:w.Limit]
	}
	return l, more, nil
}

// beyond reports whether there are entries on the other side of a bound, which is one of
// them for as long as it is kept. away says that it bounds nothing: all are on this side.
func (n neighbours) beyond(ctx context.Context, bound int64, away bool) (bool, error) {
	switch {
	case bound == 0 || away:
		return false, nil
	case bound >= n.lo && bound <= n.hi:
		return true, nil
	}
	l, err := n.next(ctx, n.lo, n.hi, 1, false)
	return len(l.ids) > 0, err
}

// next finds the newest entries, limit at most, among the ids from lo to hi, or the
// oldest ones. Without a key they are arithmetic; with one it reads indexes alone, two
// blocks of entries at most beside those asked for.
func (n neighbours) next(ctx context.Context, lo, hi int64, limit int, oldest bool) (l located, err error) {
	if hi < lo {
		return l, nil
	}
	k := keyOf(n.filter)
	if k.kind == ofLog && n.filter.Decision == nil {
		if size := int64(limit); oldest {
			hi = min(hi, lo+size-1)
		} else {
			lo = max(lo, hi-size+1)
		}
		for id := hi; id >= lo; id-- {
			l.ids = append(l.ids, id)
		}
		return l, nil
	}
	var kept bool
	err = n.pool.QueryRow(ctx, nextSQL[ordered{locateShape(k.kind, n.filter.Decision), oldest}], n.hot,
		k.user, k.action, lo, hi, limit, n.span.first.id, n.span.first.at).Scan(&l.ids, &l.from, &l.to, &kept)
	if err == nil && !kept {
		err = errDropped
	}
	if err != nil {
		return l, fmt.Errorf("find the next entries: %w", err)
	}
	return l, nil
}

// ordered is a shape, from one end or the other.
type ordered struct {
	shape
	oldest bool
}

var nextSQL = makeNextSQL()

func makeNextSQL() map[ordered]string {
	out := map[ordered]string{}
	for s := range locateSQL {
		for _, oldest := range []bool{false, true} {
			out[ordered{s, oldest}] = ordered{s, oldest}.sql()
		}
	}
	return out
}

// sql is the statement of next. Its parameters are the user, the action, the first and
// the last id of the range, the limit, and the span's first entry.
//
// near is the block of the key that ends nearest to where the entries begin. far is the
// first one behind it by which so many more have been counted as are asked for: what is
// asked for lies before it. If there is none, there are fewer than that to the end of
// the blocks.
func (o ordered) sql() string {
	const text = `
WITH near AS MATERIALIZED (
	SELECT $count AS n FROM audit_rank WHERE $blocks AND $near LIMIT 1
), far AS MATERIALIZED (
	SELECT r.id FROM near CROSS JOIN LATERAL (SELECT id FROM audit_rank WHERE $blocks AND $far LIMIT 1) AS r
), page AS MATERIALIZED (
	SELECT array(SELECT id FROM (SELECT id FROM ($entries) AS e ORDER BY id $order LIMIT $5) AS f ORDER BY id DESC) AS ids
)
SELECT ids, (SELECT at FROM audit_rank WHERE $log AND id <= ids[cardinality(ids)] ORDER BY id DESC LIMIT 1),
	(SELECT at FROM audit_rank WHERE $log AND id >= ids[1] ORDER BY id LIMIT 1), $kept
FROM page`
	order, near, far := "DESC", "id <= $4::bigint ORDER BY id DESC", "$count <= near.n - $5::int ORDER BY $count DESC"
	lo, hi := "greatest($3::bigint, (SELECT id FROM far) + 1)", "$4"
	if o.oldest {
		order, near, far = "ASC", "id >= $3::bigint - 1 ORDER BY id", "$count >= near.n + $5::int ORDER BY $count"
		lo, hi = "$3", "least($4::bigint, (SELECT id FROM far))"
	}
	return strings.NewReplacer("$count", o.count(), "$blocks", o.kind.blocks("$1::uuid", "$2::text"), "$near", near,
		"$far", strings.ReplaceAll(far, "$count", o.count()), "$entries", o.ids(order, "$1", "$2", lo, hi), "$order", order, "$log", logBlocks, "$kept", keptFirst("$6", "$7")).Replace(text)
}
