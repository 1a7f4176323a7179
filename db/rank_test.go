package db_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
)

// TestRank does what may happen to the index in random order, and asks random questions
// after each step: entries are written, two builders build, the index is built anew, the
// first partitions are dropped. Blocks are so small that every way through them is taken.
func TestRank(t *testing.T) {
	t.Parallel()
	for _, block := range []int64{1, 2, 5, 16} {
		t.Run(fmt.Sprint("blocks of ", block), func(t *testing.T) {
			t.Parallel()
			h := newHistory(t)
			builders := []db.RankBuilder{
				db.NewRankBuilder(h.DB, block, block*(1+h.rnd.Int64N(20)), nil), db.NewRankBuilder(h.DB, block, block*(1+h.rnd.Int64N(20)), nil),
			}
			month := 0
			h.write(t, 1, 0)
			for range 120 {
				switch p := h.rnd.IntN(20); {
				case p < 6:
					if month < 6 && h.rnd.IntN(3) == 0 {
						month++
					}
					h.write(t, 1+h.rnd.IntN(30), month)
				case p < 8 && month == 6: // and no more in the past
					h.write(t, 1+h.rnd.IntN(30), -1)
					month = -1
				case p < 8 && month < 0:
					h.write(t, 1+h.rnd.IntN(30), -1)
				case p == 8 && h.dropped < 5 && (month < 0 || h.dropped < month && !h.retains):
					h.drop(t, month < 0)
				case p == 9:
					if err := builders[0].Rebuild(t.Context(), h.DB); err != nil {
						t.Fatal(err)
					}
				default:
					if _, err := builders[p%2].Step(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				h.check(t, 4)
			}
		})
	}
}

// TestRankRows: what is built is what counting says, whoever built it and in whatever
// batches.
func TestRankRows(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.write(t, 400, 0)
	const block = 8
	var want []string
	counts := map[string][2]int64{}
	for _, e := range h.kept {
		user, kind := "00000000-0000-0000-0000-000000000000", 4
		if e.UserID.Valid {
			user, kind = e.UserID.UUID.String(), 1
		}
		for _, key := range []string{
			"0 00000000-0000-0000-0000-000000000000 ", fmt.Sprintf("%d %s ", kind, user),
			"2 00000000-0000-0000-0000-000000000000 " + e.Action, fmt.Sprintf("%d %s %s", kind+2, user, e.Action),
		} {
			n := counts[key]
			if e.Decision == audit.Deny {
				n[1]++
			} else {
				n[0]++
			}
			counts[key] = n
			if (n[0]+n[1])%block == 0 {
				want = append(want, fmt.Sprintf("%s %d %s %d %d", key, e.ID, e.At.Format("15:04:05.000000"), n[0], n[1]))
			}
		}
	}
	slices.Sort(want)
	const rows = `SELECT concat_ws(' ', kind, user_id, action, id, to_char(at AT TIME ZONE 'UTC', 'HH24:MI:SS.US'), allowed, denied) FROM audit_rank`
	for _, batch := range []int64{block, 3 * block, 400} {
		if err := db.NewRankBuilder(h.DB, block, batch, nil).Rebuild(t.Context(), h.DB); err != nil {
			t.Fatal(err)
		}
		got := texts(t, h.owner, rows)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("in batches of %d:\n%s", batch, diff)
		}
	}
}

// TestRankWhileWriting asks while entries are written, two servers build and the index
// is emptied and built anew again and again. Each answer is of one moment.
func TestRankWhileWriting(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	recorder := audit.NewRecorder(h.DB, audit.DefaultQueue, pgtest.Quiet)
	quit := make(chan struct{})
	var wg sync.WaitGroup
	end := sync.OnceFunc(func() { close(quit); wg.Wait(); recorder.Stop() })
	t.Cleanup(end)
	background := func(fn func() error) {
		wg.Go(func() {
			for {
				select {
				case <-quit:
					return
				default:
				}
				if err := fn(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for w := range 4 {
		rnd := rand.New(rand.NewPCG(uint64(w), 3))
		background(func() error { _, err := recorder.Record(randomEntry(rnd)); return err })
	}
	builder := func() db.RankBuilder { return db.NewRankBuilder(h.DB, 4, 64, nil) }
	for range 2 {
		b := builder()
		background(func() error { _, err := b.Step(context.Background()); return err })
	}
	b := builder()
	background(func() error { return b.Rebuild(context.Background(), h.DB) })

	type answer struct {
		q    audit.Query
		page audit.Page
	}
	var answers []answer
	for range 150 {
		e := randomEntry(h.rnd)
		q := audit.Query{Limit: 1 + h.rnd.IntN(20), Offset: int64(h.rnd.IntN(40)), Counted: true}
		if h.rnd.IntN(2) == 0 && e.UserID.Valid {
			q.Filter.UserID = &e.UserID.UUID
		}
		if h.rnd.IntN(2) == 0 {
			q.Filter.Action = &e.Action
		}
		if h.rnd.IntN(2) == 0 {
			q.Filter.Decision = &e.Decision
		}
		page, err := h.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer{q, page})
	}
	end()
	rows, err := h.owner.Query(t.Context(), "SELECT id, user_id, action, decision FROM audit_log ORDER BY id DESC")
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e audit.Entry, err error) {
		return e, row.Scan(&e.ID, &e.UserID, &e.Action, &e.Decision)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range answers {
		// The moment of the answer is told by its total: so many of the entries that the
		// filter selects were there, the oldest ones.
		var want []int64
		for _, e := range all {
			if selects(a.q.Filter, e) {
				want = append(want, e.ID)
			}
		}
		if a.page.Total > int64(len(want)) {
			t.Fatalf("%s: total %d, there are %d", show(a.q), a.page.Total, len(want))
		}
		want = want[int64(len(want))-a.page.Total:]
		want = want[min(a.q.Offset, a.page.Total):]
		want = want[:min(a.q.Limit, len(want))]
		var got []int64
		for _, e := range a.page.Entries {
			got = append(got, e.ID)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s, total %d:\n%s", show(a.q), a.page.Total, diff)
		}
	}
}
