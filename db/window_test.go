package db_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
	"halite/internal/synthetic"
)

// checkWindow asks for a random window, its bounds among the selected entries or those
// that are gone, and holds the answer against what is kept.
func (h *history) checkWindow(t *testing.T) {
	t.Helper()
	q := randomQuery(h.rnd, h.kept)
	w := audit.Window{Filter: q.Filter, Limit: q.Limit, Counted: q.Counted, Oldest: h.rnd.IntN(2) == 0}
	var selected []audit.Entry // newest first
	for _, e := range slices.Backward(h.kept) {
		if selects(w.Filter, e) && inTime(w.Filter, e) {
			selected = append(selected, e)
		}
	}
	bound := func() int64 {
		switch {
		case h.rnd.IntN(2) == 0:
			return 0
		case h.rnd.IntN(8) == 0 && h.kept[0].ID > 1:
			return 1 + h.rnd.Int64N(h.kept[0].ID-1)
		case len(selected) > 0:
			return selected[h.rnd.IntN(len(selected))].ID
		}
		return 0
	}
	w.Below, w.Above = bound(), bound()
	got, err := h.Window(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	want := wantWindow(w, selected)
	if w.Filter.Searched() { // whether there are more may not be known
		want.Newer, want.Older = want.Newer || got.Newer && w.Below != 0, want.Older || got.Older && w.Above != 0
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s, below %d, above %d, oldest %t, -want +got\n%.3000s", show(q), w.Below, w.Above, w.Oldest, diff)
	}
}

// wantWindow is the answer to w, of the entries that its filter selects.
func wantWindow(w audit.Window, selected []audit.Entry) (want audit.Windowed) {
	if w.Counted {
		want.Total = int64(len(selected))
	}
	if w.Limit == 0 {
		return want
	}
	want.Entries = []audit.Entry{}
	for _, e := range selected {
		switch {
		case w.Below != 0 && e.ID >= w.Below:
			want.Newer = true
		case w.Above != 0 && e.ID <= w.Above:
			want.Older = true
		default:
			want.Entries = append(want.Entries, e)
		}
	}
	// With crossed bounds an entry may lie on the other side of both.
	want.Older = want.Older || w.Above != 0 && slices.ContainsFunc(selected, func(e audit.Entry) bool { return e.ID <= w.Above })
	if over := len(want.Entries) - w.Limit; over > 0 && w.Oldest {
		want.Entries, want.Newer = want.Entries[over:], true
	} else if over > 0 {
		want.Entries, want.Older = want.Entries[:w.Limit], true
	}
	return want
}

func inTime(f audit.Filter, e audit.Entry) bool {
	return (f.Since == nil || !e.At.Before(*f.Since)) && (f.Until == nil || e.At.Before(*f.Until)) && (f.AsOf == nil || e.ID <= *f.AsOf)
}

// TestWindowBounds: bounds outside of the log are none, or leave nothing.
func TestWindowBounds(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.write(t, 20, 0)
	for _, c := range []struct {
		below, above int64
		n            int
		newer, older bool
	}{
		{0, 0, 20, false, false},
		{math.MaxInt64, 0, 20, false, false},
		{0, math.MinInt64, 20, false, false},
		{0, math.MaxInt64, 0, false, true},
		{1, 0, 0, true, false},
		{0, 20, 0, false, true},
		{3, 7, 0, true, true},
	} {
		for _, oldest := range []bool{false, true} {
			got, err := h.Window(t.Context(), audit.Window{Below: c.below, Above: c.above, Limit: 500, Oldest: oldest})
			if err != nil || len(got.Entries) != c.n || got.Newer != c.newer || got.Older != c.older {
				t.Errorf("below %d, above %d: %d entries, newer %t, older %t, %v", c.below, c.above, len(got.Entries), got.Newer, got.Older, err)
			}
		}
	}
}

// TestWindowWhileWriting follows the log in both directions while entries are written
// and the rank index is built: nothing is passed over, nothing comes twice.
func TestWindowWhileWriting(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.write(t, 300, -1)
	recorder := audit.NewRecorder(h.DB, audit.DefaultQueue, pgtest.Quiet)
	t.Cleanup(recorder.Stop)
	b := db.NewRankBuilder(h.DB, 4, 64, nil)
	quit := make(chan struct{})
	var wg sync.WaitGroup
	for writer := range 5 {
		rnd := rand.New(rand.NewPCG(uint64(writer), 3))
		wg.Go(func() {
			for {
				select {
				case <-quit:
					return
				default:
				}
				var err error
				if writer == 0 {
					_, err = b.Step(context.Background())
				} else {
					_, err = recorder.Record(randomEntry(rnd))
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	end := sync.OnceFunc(func() { close(quit); wg.Wait() })
	t.Cleanup(end)
	deny := audit.Deny
	user := sample.users[1].UUID
	for _, f := range []audit.Filter{{}, {Decision: &deny}, {UserID: &user}, {UserID: &user, Action: &sample.actions[0], Decision: &deny}} {
		var down, up []int64
		for w := (audit.Window{Filter: f, Limit: 7}); ; {
			page, err := h.Window(t.Context(), w)
			if err != nil {
				t.Fatal(err)
			}
			down = append(down, ids(page)...)
			if !page.Older {
				break
			}
			w.Below = down[len(down)-1]
		}
		for w := (audit.Window{Filter: f, Limit: 50, Oldest: true}); len(up) < len(down)+30; {
			page, err := h.Window(t.Context(), w)
			if err != nil {
				t.Fatal(err)
			}
			up = append(ids(page), up...)
			if len(up) > 0 {
				w.Above = up[0]
			}
		}
		h.holdAgainst(t, f, down)
		h.holdAgainst(t, f, up)
	}
}

// holdAgainst compares ids with all those of a filter up to the newest of them.
func (h *history) holdAgainst(t *testing.T, f audit.Filter, got []int64) {
	t.Helper()
	clause, args := plainSQL(f)
	rows, err := h.owner.Query(t.Context(), fmt.Sprintf("SELECT id FROM (SELECT * FROM audit_log%s) AS e WHERE id <= %d ORDER BY id DESC", clause, got[0]), args...)
	if err != nil {
		t.Fatal(err)
	}
	want, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s, -want +got\n%s", clause, diff)
	}
}

func ids(page audit.Windowed) (out []int64) {
	for _, e := range page.Entries {
		out = append(out, e.ID)
	}
	return out
}

// TestWindowPlans runs the statement behind every filter, from both ends, with the plan
// that serves requests, and counts what it reads: indexes alone, and beside the limit no
// more than two blocks and what no block has closed.
func TestWindowPlans(t *testing.T) {
	t.Parallel()
	const rows, block, limit = 60_000, 128, 51
	d, c := ranked(t, pgtest.URL(t), rows, 2, block)
	most := 0
	for _, decision := range []audit.Decision{"", audit.Allow, audit.Deny} {
		for _, user := range []int{-1, 0, 12, synthetic.Users - 1} {
			for _, action := range []int{-1, 0, 9, synthetic.Actions() - 1} {
				var f audit.Filter
				if decision != "" {
					f.Decision = &decision
				}
				if user >= 0 {
					id := synthetic.UserID(user)
					f.UserID = &id
				}
				if action >= 0 {
					name := synthetic.Action(action)
					f.Action = &name
				}
				if f.Empty() {
					continue
				}
				for _, oldest := range []bool{false, true} {
					for _, r := range [][2]int64{{1, rows}, {1, 31_234}, {31_234, rows}, {12_345, 54_321}, {30_000, 30_100}} {
						sql, args, err := d.Next(t.Context(), f, r[0], r[1], limit, oldest)
						if err != nil {
							t.Fatal(err)
						}
						read := entriesRead(t, texts(t, c, explained+sql, args...), limit)
						if most = max(most, read); read > 3*block+limit {
							t.Errorf("user %d, action %d, decision %q, ids %d, oldest %t: %d entries read", user, action, decision, r, oldest, read)
						}
					}
				}
			}
		}
	}
	t.Logf("%d entries read at most, blocks of %d", most, block)
}
