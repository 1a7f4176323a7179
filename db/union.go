package db

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

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
	l, err = n.next(ctx, n.lo, high, int(skip)+limit, false)
	l.total, l.ids = total, l.ids[min(int(skip), len(l.ids)):]
	return l, err
}

// union finds the newest entries of several keys, or the oldest ones, in the order of
// all: each at least of each key, if there are so many, and no others between them. ended
// says that these are all.
func (n neighbours) union(ctx context.Context, lo, hi int64, each int, oldest bool) (l located, ended bool, err error) {
	ended = true
	before := func(a, b int64) int { return cmp.Compare(b, a) } // newest first
	if oldest {
		before = cmp.Compare[int64]
	}
	var end int64 // what lies behind it may lack entries of a key
	err = byKind(n.keys, func(kind rankKind, users []uuid.UUID, actions []string) error {
		rows, err := n.pool.Query(ctx, unionSQL[ordered{locateShape(kind, n.decision), oldest}], n.hot,
			users, actions, lo, hi, each, n.span.first.id, n.span.first.at)
		if err != nil {
			return err
		}
		parts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p located, err error) {
			var kept bool
			if err = row.Scan(&p.ids, &kept); err == nil && !kept {
				err = errDropped
			}
			return p, err
		})
		for _, p := range parts {
			if oldest {
				slices.Reverse(p.ids)
			}
			if len(p.ids) >= each {
				if last := p.ids[len(p.ids)-1]; ended || before(last, end) < 0 {
					end = last
				}
				ended = false
			}
			l.ids = append(l.ids, p.ids...)
			l.read += len(p.ids)
		}
		return err
	})
	if err != nil {
		return l, false, fmt.Errorf("find the next entries: %w", err)
	}
	slices.SortFunc(l.ids, before)
	if !ended {
		i, _ := slices.BinarySearchFunc(l.ids, end, before)
		l.ids = l.ids[:i+1]
	}
	if oldest {
		slices.Reverse(l.ids)
	}
	return l, ended, nil
}

var unionSQL = makeUnionSQL()

// makeUnionSQL makes the statements of union: that of next, for each of several keys.
func makeUnionSQL() map[ordered]string {
	out := map[ordered]string{}
	for o := range nextSQL {
		out[o] = "SELECT p.* FROM unnest($1::uuid[], $2::text[]) AS k (user_id, action) CROSS JOIN LATERAL (" +
			strings.TrimSpace(o.sql("k.user_id", "k.action")) + "\n) AS p (ids, kept)"
	}
	return out
}
