package db_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"halite/db"
	"halite/internal/audit"
)

// TestSearchBound searches step by step, within a bound that is reached again and again:
// what is left out is told, nothing is found twice, nothing is missed, and no step looks
// at more entries than the bound says.
func TestSearchBound(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	b := db.NewRankBuilder(h.DB, 8, 64, nil)
	for month := range 4 {
		h.write(t, 150, month)
		if _, err := b.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	h.drop(t, false)
	reached := 0
	for range 150 {
		s := searchTest{h: h, filter: randomQuery(h.rnd, h.kept).Filter, bound: 4*audit.MaxCombined + h.rnd.IntN(300)}
		randomSearch(h.rnd, &s.filter)
		db.SetBounds(h.DB, s.bound, 5, 5)
		for _, e := range slices.Backward(h.kept) {
			if selects(s.filter, e) && inTime(s.filter, e) {
				s.selected = append(s.selected, e.ID)
			}
			if selects(withoutSearch(s.filter), e) && inTime(s.filter, e) {
				s.candidates = append(s.candidates, e.ID)
			}
		}
		reached += s.pages(t)
		s.windows(t, false)
		s.windows(t, true)
		h.checkAscendOf(t, s.filter)
	}
	if reached < 10 {
		t.Errorf("the bound was reached %d times", reached)
	}
}

// searchTest is a filter that is searched.
type searchTest struct {
	h                    *history
	filter               audit.Filter
	bound                int
	selected, candidates []int64 // newest first: what the filter selects, and what may have to be looked at
}

// pages follows pages by offset and goes on where the search ended. It returns how often
// the bound was reached.
func (s searchTest) pages(t *testing.T) (reached int) {
	t.Helper()
	var got []int64
	f := s.filter
	for {
		var page audit.Page
		var step []int64
		for {
			var err error
			page, err = s.h.List(t.Context(), audit.Query{Filter: f, Limit: 7, Offset: int64(len(step)), Counted: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Entries {
				step = append(step, e.ID)
			}
			if len(page.Entries) < 7 {
				break
			}
		}
		if page.Total != int64(len(step)) || page.Partial != (page.SearchedTo != 0) {
			t.Fatalf("%s: total %d, partial %t, searched to %d, %d entries", s, page.Total, page.Partial, page.SearchedTo, len(step))
		}
		got = append(got, step...)
		if page.SearchedTo == 0 {
			break
		}
		s.looked(t, page.SearchedTo, page.AsOf)
		next := page.SearchedTo - 1
		f.AsOf = &next
		reached++
	}
	if diff := cmp.Diff(s.selected, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s, by offset, -want +got\n%s", s, diff)
	}
	// Not counted, a search ends when the page is full.
	page, err := s.h.List(t.Context(), audit.Query{Filter: s.filter, Limit: 3})
	if err != nil || page.Total != 0 || page.Partial || len(page.Entries) == 3 && page.SearchedTo != 0 && reached == 0 {
		t.Fatalf("%s: %+v, %v", s, page, err)
	}
	return reached
}

// windows follows windows from either end.
func (s searchTest) windows(t *testing.T, oldest bool) {
	t.Helper()
	var got []int64
	w := audit.Window{Filter: s.filter, Limit: 7, Oldest: oldest}
	for {
		found, err := s.h.Window(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		step := ids(found)
		more, end := found.Older, found.SearchedTo
		if oldest {
			slices.Reverse(step)
			more = found.Newer
		}
		if got = append(got, step...); !more {
			break
		}
		if end == 0 {
			end = step[len(step)-1]
		} else if oldest {
			s.looked(t, w.Above+1, end)
		} else if w.Below > 0 {
			s.looked(t, end, w.Below-1)
		}
		if oldest {
			w.Above = end
		} else {
			w.Below = end
		}
	}
	want := slices.Clone(s.selected)
	if oldest {
		slices.Reverse(want)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s, by window, oldest %t, -want +got\n%s", s, oldest, diff)
	}
}

// looked fails if more entries than the bound allows lie between two ids.
func (s searchTest) looked(t *testing.T, from, to int64) {
	t.Helper()
	n := 0
	for _, id := range s.candidates {
		if id >= from && id <= to {
			n++
		}
	}
	if n > s.bound {
		t.Fatalf("%s: %d entries from id %d to %d", s, n, from, to)
	}
}

func (s searchTest) String() string {
	text, err := json.Marshal(s.filter)
	return fmt.Sprintf("bound %d, %s %v", s.bound, text, err)
}

// withoutSearch is f without what is searched for, but for its lists.
func withoutSearch(f audit.Filter) audit.Filter {
	return audit.Filter{UserID: f.UserID, Action: f.Action, Decision: f.Decision, UserIDIn: f.UserIDIn, ActionIn: f.ActionIn}
}
