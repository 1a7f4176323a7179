package db

import (
	"context"

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
	n := neighbours{DB: d, span: s, selection: sel, lo: lo, hi: hi, brief: w.Brief}
	if w.Counted {
		if out.Total, out.Partial, err = n.total(ctx); err != nil {
			return out, err
		}
	}
	if w.Limit <= 0 {
		return out, nil
	}
	entries, more, searchedTo, err := n.window(ctx, w)
	if err != nil {
		return out, err
	}
	out.SearchedTo = searchedTo
	if len(entries) > 0 {
		out.Entries = entries
	}
	if out.Newer, err = n.beyond(ctx, w.Below, w.Below > hi); err != nil {
		return out, err
	}
	if out.Older, err = n.beyond(ctx, w.Above, w.Above < lo); err != nil {
		return out, err
	}
	out.Newer, out.Older = out.Newer || more && w.Oldest, out.Older || more && !w.Oldest
	return out, nil
}

// neighbours are the entries of a selection among the ids from lo to hi, of a span.
type neighbours struct {
	*DB
	span span
	selection
	lo, hi int64
	brief  bool // whether brief entries will do
	whole  bool // whether entries are looked for in every partition: somebody may have put a second row of an id into any
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

// window reads the entries of w, and says whether there are, or may be, more of them between
// its bounds.
func (n neighbours) window(ctx context.Context, w audit.Window) (entries []audit.Entry, more bool, searchedTo int64, err error) {
	lo, hi := n.lo, n.hi
	if w.Below > 0 && w.Below <= hi {
		hi = max(w.Below, lo) - 1
	}
	if w.Above >= lo {
		lo = min(w.Above, n.hi) + 1
	}
	var ids []int64
	switch {
	case n.rest == nil && len(n.keys) == 1 && !n.whole:
		entries, err = n.nextEntries(ctx, lo, hi, w.Limit+1, w.Oldest)
		entries, more = nearest(entries, w.Limit, w.Oldest)
		return entries, more, 0, err
	case n.rest == nil:
		ids, err = n.next(ctx, lo, hi, w.Limit+1, w.Oldest)
	default:
		var found found
		found, err = n.search(ctx, lo, hi, w.Oldest, w.Limit+1)
		if ids = found.ids(w.Oldest); len(ids) <= w.Limit {
			searchedTo = found.searchedTo
		}
	}
	if err != nil {
		return nil, false, 0, err
	}
	ids, more = nearest(ids, w.Limit, w.Oldest)
	entries, err = n.entriesOf(ctx, ids)
	return entries, more || searchedTo != 0, searchedTo, err
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
	ids, err := n.next(ctx, n.lo, n.hi, 1, false)
	return len(ids) > 0, err
}
