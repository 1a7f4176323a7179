package db

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"halite/internal/audit"
)

// What the rank index does not know is searched for: the entries that it does select are
// looked at one after the other, from the newest or the oldest on, in batches, until enough
// were found or a bound of work is reached. The bound is in entries and not in time, so
// that a search brings the same whenever it is repeated.
const (
	searchBound = 50_000 // entries that one search looks at
	searchFirst = 1_000  // those of its first batch
	searchBatch = 16_000 // those of each batch at most
	scattered   = 4      // so many times fewer if they do not lie next to one another, which costs more
)

// readBounds are those of what reading does step by step. Tests have lower ones.
type readBounds struct {
	search int   // searchBound
	passed int64 // see unionPage
	above  int64 // see lookup
}

var defaultBounds = readBounds{searchBound, passed, blockSize}

// allHits is more than can be found.
const allHits = math.MaxInt

// hit is an entry that was found.
type hit struct {
	place
	denied bool
}

// found is what a search found, in its order.
type found struct {
	hits       []hit
	searchedTo int64 // the last id that was looked at, if the bound ended the search; or 0
}

// ids are those of the hits, newest first.
func (f found) ids(oldest bool) []int64 {
	ids := make([]int64, len(f.hits))
	for i, h := range f.hits {
		ids[i] = h.id
	}
	if oldest {
		slices.Reverse(ids)
	}
	return ids
}

// searchPage answers q, of which page has what is known.
func (n neighbours) searchPage(ctx context.Context, q audit.Query, page audit.Page) (audit.Page, error) {
	enough := allHits
	if !q.Counted {
		enough = int(min(q.Offset, math.MaxInt32)) + q.Limit
	}
	all, err := n.search(ctx, n.lo, n.hi, false, enough)
	if err != nil {
		return page, err
	}
	page.SearchedTo = all.searchedTo
	if q.Counted {
		page.Total, page.Partial = int64(len(all.hits)), all.searchedTo != 0
	}
	n64 := int64(len(all.hits))
	all.hits = all.hits[min(q.Offset, n64):min(min(q.Offset, n64)+int64(max(q.Limit, 0)), n64)]
	if len(all.hits) > 0 {
		page.Entries, err = n.entriesOf(ctx, all.ids(false))
	}
	return page, err
}

// search finds the newest entries of n among the ids from lo to hi, or the oldest ones. It
// ends when that many were found, some more perhaps.
func (n neighbours) search(ctx context.Context, lo, hi int64, oldest bool, enough int) (out found, err error) {
	out.searchedTo, err = n.look(ctx, lo, hi, oldest, func(b batch) (bool, error) {
		rows, err := n.ask(ctx, searchSQL, b)
		if err != nil {
			return false, err
		}
		hits, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (h hit, err error) {
			return h, row.Scan(&h.id, &h.at, &h.denied)
		})
		if !oldest {
			slices.Reverse(hits)
		}
		out.hits = append(out.hits, hits...)
		return len(out.hits) < enough, err
	})
	return out, err
}

// batch are entries to be looked at: all of a range of ids, or some of it.
type batch struct {
	idRange
	merged // no ids: all of the range
}

// look gives fn the entries that the keys of n select among the ids from lo to hi, in
// batches, the newest or the oldest first, until there are no more or fn has enough or the
// bound is reached. In the last case it returns the last id that it came to, else 0.
func (n neighbours) look(ctx context.Context, lo, hi int64, oldest bool, fn func(batch) (more bool, err error)) (searchedTo int64, err error) {
	if searchedTo, err = n.lookWithin(ctx, lo, hi, oldest, fn); err == nil {
		err = n.checkKept(ctx, n.span)
	}
	return searchedTo, err
}

// lookWithin is look, unless old entries are dropped meanwhile.
func (n neighbours) lookWithin(ctx context.Context, lo, hi int64, oldest bool, fn func(batch) (more bool, err error)) (searchedTo int64, err error) {
	left := n.bounds.search
	if !n.wholeLog() {
		left /= scattered
	}
	for size := searchFirst; lo <= hi; size = min(4*size, searchBatch) {
		if left < len(n.keys) {
			if oldest {
				return lo - 1, nil
			}
			return hi + 1, nil
		}
		b, err := n.batch(ctx, lo, hi, min(size, left), oldest)
		if err != nil || b.hi < b.lo {
			return 0, err
		}
		if more, err := fn(b); err != nil || !more || b.ended {
			return 0, err
		}
		if left -= max(len(b.ids), b.read); len(b.ids) == 0 {
			left -= int(b.hi-b.lo) + 1
		}
		if oldest {
			lo = b.hi + 1
		} else {
			hi = b.lo - 1
		}
	}
	return 0, nil
}

// batch is the next one of some size.
func (n neighbours) batch(ctx context.Context, lo, hi int64, size int, oldest bool) (b batch, err error) {
	if n.wholeLog() {
		b.idRange = idRange{lo, hi}
		if oldest {
			b.hi = min(hi, lo+int64(size)-1)
		} else {
			b.lo = max(lo, hi-int64(size)+1)
		}
		b.ended = b.idRange == idRange{lo, hi}
		return b, nil
	}
	if b.merged, err = n.union(ctx, lo, hi, size/len(n.keys), oldest); err != nil || len(b.ids) == 0 {
		return batch{idRange: idRange{1, 0}}, err
	}
	b.idRange = idRange{b.ids[len(b.ids)-1], b.ids[0]}
	return b, nil
}

// asked is a statement in its two forms: for a range of ids, and for given ones.
type asked struct{ byRange, byIDs string }

// ask runs a statement on a batch.
func (n neighbours) ask(ctx context.Context, sql asked, b batch) (pgx.Rows, error) {
	from, to, err := n.timesOf(ctx, n.span, b.lo, b.hi)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	text, args := sql.byIDs, []any{from, to, b.ids}
	if len(b.ids) == 0 {
		text, args = sql.byRange, []any{from, to, b.lo, b.hi}
	}
	rows, err := n.pool.Query(ctx, text, slices.Concat([]any{n.hot}, n.rest.args(), args)...)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return rows, nil
}

// searchSQL finds the entries of a batch of which the rest is true, the oldest first.
var searchSQL = asking("id, at, decision = 'deny'", "ORDER BY id")

// asking makes a statement on the entries of a batch of which the rest is true. The
// times are named too, so that only the partitions that hold them are looked into.
func asking(columns, tail string) asked {
	ask := "SELECT " + columns + " FROM audit_log WHERE " + restSQL + " AND at >= $12 AND at <= $13 AND "
	return asked{byRange: ask + "id >= $14 AND id <= $15 " + tail, byIDs: ask + "id = ANY ($14) " + tail}
}
