package db

import (
	"cmp"
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/jackc/pgx/v5"

	"halite/internal/audit"
)

// statKeys is for how many keys and buckets Stats asks the rank index at most: keys times
// buckets.
const statKeys = 5_000

// Stats implements audit.Reader. The buckets' times become ids; between those the rank
// index counts.
func (d *DB) Stats(ctx context.Context, f audit.Filter, step audit.Step) (out audit.Stats, err error) {
	out = audit.Stats{Step: cmp.Or(step, audit.Day), Buckets: []audit.Bucket{}}
	sel, ok := compile(f)
	if !ok {
		return out, nil
	}
	release, err := d.reader(ctx)
	if err != nil {
		return out, err
	}
	defer release()
	err = d.steady(ctx, func() (err error) {
		out, err = d.stats(ctx, f, sel, step)
		return err
	})
	return out, err
}

// stats is Stats, unless old entries are dropped meanwhile.
func (d *DB) stats(ctx context.Context, f audit.Filter, sel selection, step audit.Step) (out audit.Stats, err error) {
	out = audit.Stats{Step: cmp.Or(step, audit.Day), Buckets: []audit.Bucket{}}
	s, err := d.span(ctx)
	if err != nil {
		return out, err
	}
	lo, hi, err := d.within(ctx, s, f)
	if err != nil || hi < lo {
		return out, err
	}
	n := neighbours{DB: d, span: s, selection: sel, lo: lo, hi: hi}
	times, err := n.times(ctx)
	if err != nil {
		return out, err
	}
	if out.Step, out.Buckets, err = n.buckets(step, times); err != nil {
		return out, err
	}
	if n.rest == nil {
		return out, n.count(ctx, out.Buckets)
	}
	all, err := n.search(ctx, lo, hi, false, allHits)
	out.Partial, out.SearchedTo = all.searchedTo != 0, all.searchedTo
	for _, h := range all.hits {
		i := sort.Search(len(out.Buckets), func(i int) bool { return out.Buckets[i].Until.After(h.at) })
		if h.denied {
			out.Buckets[i].Denied++
		} else {
			out.Buckets[i].Allowed++
		}
	}
	return out, err
}

// times are those of the first and of the last id.
func (n neighbours) times(ctx context.Context) (times [2]time.Time, err error) {
	rows, err := n.pool.Query(ctx, "SELECT at FROM audit_log WHERE id = $1 UNION ALL SELECT at FROM audit_log WHERE id = $2",
		n.hot, n.lo, n.hi)
	if err == nil {
		var found []time.Time
		if found, err = pgx.CollectRows(rows, pgx.RowTo[time.Time]); err == nil && len(found) < 2 {
			err = errDropped
		}
		copy(times[:], found)
	}
	if err != nil {
		return times, fmt.Errorf("read the times of entries: %w", err)
	}
	return times, nil
}

// buckets are those of a step, or of the shortest that does.
func (n neighbours) buckets(step audit.Step, times [2]time.Time) (audit.Step, []audit.Bucket, error) {
	limit := audit.MaxBuckets
	if n.rest == nil {
		limit = min(limit, statKeys/len(n.keys))
	}
	if step != "" {
		out, ok := step.Buckets(times[0], times[1], limit)
		if !ok {
			return step, nil, &audit.RangeError{Field: "bucket", Rule: fmt.Sprintf("should make %d buckets at most of the range; a longer one would", limit)}
		}
		return step, out, nil
	}
	for _, s := range audit.Steps {
		if out, ok := s.Buckets(times[0], times[1], min(limit, audit.FineBuckets)); ok {
			return s, out, nil
		}
	}
	return step, nil, &audit.RangeError{Field: "filter.since", Rule: "should be later: the range is too long for buckets of a month"}
}

// count fills the buckets, of all ids of n.
func (n neighbours) count(ctx context.Context, buckets []audit.Bucket) error {
	var begins []time.Time
	for _, b := range buckets[1:] {
		begins = append(begins, b.Since)
	}
	ids, err := n.firstFrom(ctx, n.span, begins)
	if err != nil {
		return err
	}
	ranges := make([]idRange, len(buckets))
	from := n.lo
	for i := range ranges {
		to := n.hi
		if i < len(ids) {
			to = min(max(ids[i]-1, from-1), n.hi)
		}
		ranges[i] = idRange{from, to}
		from = to + 1
	}
	counts, err := n.tallies(ctx, n.keys, n.decision, ranges)
	for _, c := range counts {
		for i, t := range c {
			buckets[i].Allowed += t.allowed
			buckets[i].Denied += t.denied
		}
	}
	if err == nil {
		err = n.checkKept(ctx, n.span)
	}
	return err
}
