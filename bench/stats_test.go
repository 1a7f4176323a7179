package main

import (
	"math"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	var took []time.Duration
	for i := range 101 {
		took = append(took, time.Duration(100-i)*time.Millisecond)
	}
	r := newRound(took, 2*time.Second)
	if r.Requests != 101 || r.P50 != 50 || r.P99 != 99 || r.rate() != 50.5 {
		t.Errorf("%+v, rate %v", r, r.rate())
	}
	if !math.IsNaN(quantile(nil, 0.5)) {
		t.Error("of nothing there is no quantile")
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		v    []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{8, 2, 4, 100}, 6}} {
		if got := median(test.v); got != test.want {
			t.Errorf("median of %v is %v", test.v, got)
		}
	}
}

// rated are rounds of a second each with so many requests.
func rated(requests ...int) *series {
	s := &series{}
	for _, n := range requests {
		s.Rounds = append(s.Rounds, round{Requests: n, Seconds: 1, ServerCPU: 0.2, DBCPU: 0.3, LoadCPU: 0.5})
	}
	return s
}

// TestRatio: of rounds that stood next to one another, so that one in which the machine
// did something else counts for both.
func TestRatio(t *testing.T) {
	t.Parallel()
	us, them := rated(200, 20, 300), rated(100, 10, 100)
	if got := us.ratio(them); got != 2 {
		t.Errorf("ratio %v, want 2", got)
	}
	if !math.IsNaN(us.ratio(nil)) || !math.IsNaN((*series)(nil).ratio(us)) || !math.IsNaN((*series)(nil).rate()) {
		t.Error("who was not measured has no ratio")
	}
	if got := us.loadShare(); got != 0.5 {
		t.Errorf("share %v, want 0.5", got)
	}
	if server, db := rated(100, 300).perRequest(); math.Abs(server-1) > 1e-9 || math.Abs(db-1.5) > 1e-9 {
		t.Errorf("CPU %v and %v ms", server, db)
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	pid, s, ok := parseStat("42 (a) b (c)) S 7 42 42 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 100 1 2\n")
	if !ok || pid != 42 || s.parent != 7 || s.cpu != time.Second {
		t.Errorf("%d %+v %v", pid, s, ok)
	}
	for _, bad := range []string{"", "42", "42 (x) S 7", "42 (x) S 7 42 42 0 -1 4194560 1 2 3 4 ten 20 30 40 20"} {
		if _, _, ok := parseStat(bad); ok {
			t.Errorf("%q was read", bad)
		}
	}
	all := map[int]stat{1: {0, 1}, 2: {1, 10}, 3: {2, 100}, 4: {0, 1000}}
	if got := cpuOf(all, 1); got != 111 {
		t.Errorf("the tree has computed %d, want 111", got)
	}
}
