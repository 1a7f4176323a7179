package db

import "context"

// passed is how many entries are passed over at most before a page of several keys: up
// to there the range is halved.
const passed = 500

// unionPage is page for several keys. The range above the page is found by halving, by
// counts that the rank index gives for each key.
func (n neighbours) unionPage(ctx context.Context, offset int64, limit int) (l located, err error) {
	count := func(lo, hi int64) (sum int64, err error) {
		counts, err := n.tallies(ctx, n.keys, n.decision, []idRange{{lo, hi}})
		for _, c := range counts {
			sum += c[0].of(n.decision)
		}
		return sum, err
	}
	total, err := count(n.lo, n.hi)
	if err == nil && (limit == 0 || offset >= total) {
		return located{total: total}, n.checkKept(ctx, n.span)
	} else if err != nil {
		return l, err
	}
	// Above high lie so many fewer entries than are to be passed over as skip says; above
	// low lie more than that.
	low, high, skip := n.lo-1, n.hi, offset
	for skip > n.bounds.passed && high-low > 1 {
		mid := low + (high-low)/2
		above, err := count(mid+1, high)
		if err != nil {
			return l, err
		}
		if above <= skip {
			high, skip = mid, skip-above
		} else {
			low = mid
		}
	}
	ids, err := n.next(ctx, n.lo, high, int(skip)+limit, false)
	if err != nil {
		return l, err
	}
	l.total = total
	if l.entries, err = n.entriesOf(ctx, ids[min(int(skip), len(ids)):]); err != nil {
		return l, err
	}
	// The counts are several statements, of which some may have seen an older log than the
	// others. What the page names may be in partitions that are kept.
	return l, n.checkKept(ctx, n.span)
}
