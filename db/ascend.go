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
	err = d.steady(ctx, func() error {
		s, err := d.span(ctx)
		if err == nil {
			first, last, err = d.within(ctx, s, f)
		}
		return err
	})
	return first, last, err
}

// Ascend implements audit.Reader. The times of f and its AsOf do not count
// here: they are in the range.
func (d *DB) Ascend(ctx context.Context, f audit.Filter, first, last int64, limit int) (entries []audit.Entry, err error) {
	sel, ok := compile(f)
	for more := ok; more; {
		if entries, first, more, err = d.ascend(ctx, sel, first, last, limit); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// ascend is Ascend within the bound of a search. more says that it found nothing yet, and
// has to go on from the id next.
func (d *DB) ascend(ctx context.Context, sel selection, first, last int64, limit int) (entries []audit.Entry, next int64, more bool, err error) {
	release, err := d.reader(ctx)
	if err != nil {
		return nil, 0, false, err
	}
	defer release()
	err = d.steady(ctx, func() error {
		s, err := d.span(ctx)
		if err != nil {
			return err
		}
		n := neighbours{DB: d, span: s, selection: sel, lo: max(first, s.first.id), hi: min(last, s.last.id), whole: true}
		var searchedTo int64
		entries, _, searchedTo, err = n.window(ctx, audit.Window{Limit: limit, Oldest: true})
		next, more = searchedTo+1, searchedTo != 0 && len(entries) == 0
		slices.Reverse(entries)
		return err
	})
	return entries, next, more, err
}
