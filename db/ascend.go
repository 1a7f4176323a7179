package db

import (
	"context"
	"slices"

	"halite/internal/audit"
)

// Bounds implements audit.Reader.
func (d *DB) Bounds(ctx context.Context, f audit.Filter) (first, last int64, err error) {
	if _, ok := compile(f); !ok {
		return 1, 0, nil
	}
	release, err := d.reader(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer release()
	s, err := d.span(ctx)
	if err != nil {
		return 0, 0, err
	}
	return d.within(ctx, s, f)
}

// Ascend implements audit.Reader. The times of f and its AsOf do not count
// here: they are in the range.
func (d *DB) Ascend(ctx context.Context, f audit.Filter, first, last int64, limit int) ([]audit.Entry, error) {
	sel, ok := compile(f)
	for ok && first <= last {
		entries, searchedTo, err := d.ascend(ctx, sel, first, last, limit)
		if err != nil || len(entries) > 0 || searchedTo == 0 {
			return entries, err
		}
		first = searchedTo + 1
	}
	return nil, nil
}

// ascend is Ascend within the bound of a search.
func (d *DB) ascend(ctx context.Context, sel selection, first, last int64, limit int) (entries []audit.Entry, searchedTo int64, err error) {
	release, err := d.reader(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer release()
	s, err := d.span(ctx)
	if err != nil {
		return nil, 0, err
	}
	n := neighbours{d, sel, max(first, s.first.id), min(last, s.last.id)}
	l, _, searchedTo, err := n.window(ctx, audit.Window{Limit: limit, Oldest: true})
	if err != nil || len(l.ids) == 0 {
		return nil, searchedTo, err
	}
	entries, err = d.entriesOf(ctx, s, l)
	slices.Reverse(entries)
	return entries, 0, err
}
