package db_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"halite/internal/audit"
)

// checkAscend walks through what a random filter selects, some entries at a time, and
// holds it against what is kept.
func (h *history) checkAscend(t *testing.T) {
	t.Helper()
	h.checkAscendOf(t, randomQuery(h.rnd, h.kept).Filter)
}

func (h *history) checkAscendOf(t *testing.T, f audit.Filter) {
	t.Helper()
	q := audit.Query{Filter: f}
	var want, got []audit.Entry
	for _, e := range h.kept {
		if selects(q.Filter, e) && inTime(q.Filter, e) {
			want = append(want, e)
		}
	}
	first, last, err := h.Bounds(t.Context(), q.Filter)
	if err != nil {
		t.Fatal(err)
	}
	for limit := 1 + h.rnd.IntN(1+len(h.kept)/2); first <= last; {
		batch, err := h.Ascend(t.Context(), q.Filter, first, last, limit)
		if err != nil || len(batch) > limit {
			t.Fatalf("%d entries, %v", len(batch), err)
		}
		if len(batch) == 0 {
			break
		}
		got = append(got, batch...)
		first = batch[len(batch)-1].ID + 1
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s, -want +got\n%.3000s", show(q), diff)
	}
}

// TestBounds: the range of a filter is that of its times among what is there; nothing has
// an empty one.
func TestBounds(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	bounds := func(f audit.Filter) [2]int64 {
		first, last, err := h.Bounds(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if first > last {
			return [2]int64{}
		}
		return [2]int64{first, last}
	}
	if got := bounds(audit.Filter{}); got != [2]int64{} {
		t.Errorf("an empty log: %v", got)
	}
	for month := range 3 {
		h.write(t, 10, month)
	}
	h.drop(t, false)
	february, april := historyStart.AddDate(0, 2, 0), historyStart.AddDate(0, 3, 0)
	for _, c := range []struct {
		filter audit.Filter
		want   [2]int64
	}{
		{audit.Filter{}, [2]int64{11, 30}},
		{audit.Filter{Until: &february}, [2]int64{11, 20}},
		{audit.Filter{Since: &february}, [2]int64{21, 30}},
		{audit.Filter{Until: &historyStart}, [2]int64{}},
		{audit.Filter{Since: &april}, [2]int64{}},
		{audit.Filter{Since: &april, Until: &february}, [2]int64{}},
	} {
		if got := bounds(c.filter); got != c.want {
			t.Errorf("%+v: %v, want %v", c.filter, got, c.want)
		}
	}
}
