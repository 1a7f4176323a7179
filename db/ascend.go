package db

import (
	"context"
	"slices"

	"halite/internal/audit"
)

// Bounds implements audit.Reader.
func (d *DB) Bounds(ctx context.Context, f audit.Filter) (first, last int64, err error) {
	f, ok := storable(f)
	if !ok {
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
	f, ok := storable(f)
	if !ok {
		return nil, nil
	}
	release, err := d.reader(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	s, err := d.span(ctx)
	if err != nil {
		return nil, err
	}
	n := neighbours{d, f, max(first, s.first.id), min(last, s.last.id)}
	l, err := n.next(ctx, n.lo, n.hi, limit, true)
	if err != nil || len(l.ids) == 0 {
		return nil, err
	}
	entries, err := d.entriesOf(ctx, s, l)
	slices.Reverse(entries)
	return entries, err
}
