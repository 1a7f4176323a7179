package live_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/live"
	"halite/internal/pgtest"
)

var errEnough = errors.New("enough")

// TestFollow: while servers write, readers of any, who stop and go on at another, get what their filter selects, each entry once and in order.
func TestFollow(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	servers := []server{newServer(t, url, 0), newServer(t, url, 0), newServer(t, url, 0)}
	const batches = 60
	action, deny := "a.b", audit.Deny
	filters := map[string]audit.Filter{"all": {}, "action": {Action: &action}, "deny": {Decision: &deny}}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	end := make(chan int64, 1) // the id of the last entry, once there is one
	var reading, writing sync.WaitGroup
	var mu sync.Mutex
	got := map[string][]int64{}
	for name, f := range filters {
		for reader := range 3 {
			reading.Go(func() {
				rnd := rand.New(rand.NewPCG(1, uint64(reader)))
				var ids []int64
				for seen, until := int64(0), int64(1<<62); seen < until; {
					st := servers[rnd.IntN(len(servers))].open(t, f, seen)
					left := 1 + rnd.IntN(400) // of this stream
					err := st.Follow(ctx, 0, func(b live.Batch) error {
						if b.Gap != nil {
							t.Errorf("a gap: %v", b.Gap)
						}
						for _, e := range b.Entries {
							ids = append(ids, e.ID)
						}
						seen = b.Seen
						select {
						case until = <-end:
							end <- until
						default:
						}
						if left -= len(b.Entries); left <= 0 || seen >= until {
							return errEnough
						}
						return nil
					})
					st.Close()
					if !errors.Is(err, errEnough) {
						t.Errorf("%s ended at %d: %v", name, seen, err)
						return
					}
				}
				mu.Lock()
				defer mu.Unlock()
				got[fmt.Sprint(name, " ", reader)] = ids
			})
		}
	}
	for w, s := range servers {
		writing.Go(func() {
			rnd := rand.New(rand.NewPCG(2, uint64(w)))
			for range batches {
				s.write(t, 1+rnd.IntN(20), []string{action, "c.d"}[rnd.IntN(2)], []audit.Decision{audit.Allow, audit.Deny}[rnd.IntN(2)])
			}
		})
	}
	writing.Wait()
	end <- servers[0].write(t, 1, action, audit.Deny) // which every filter selects
	reading.Wait()

	want := map[string][]int64{}
	for name, f := range filters {
		entries, err := servers[0].Ascend(t.Context(), f, 1, 1<<40, 100_000)
		if err != nil {
			t.Fatal(err)
		}
		for reader := range 3 {
			for _, e := range entries {
				key := fmt.Sprint(name, " ", reader)
				want[key] = append(want[key], e.ID)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%.3000s", diff)
	}
	if n := len(want["all 0"]); n < 500 {
		t.Errorf("only %d entries", n)
	}
}

// TestFollowFromNow: without an entry to begin behind a stream begins at its own row.
func TestFollowFromNow(t *testing.T) {
	t.Parallel()
	s := newServer(t, pgtest.URL(t), 0)
	began := s.write(t, 5, "a.b", audit.Allow)
	want := s.write(t, 1, "a.b", audit.Allow)
	err := s.open(t, audit.Filter{}, -1).Follow(t.Context(), began, func(b live.Batch) error {
		if len(b.Entries) != 1 || b.Entries[0].ID != want || b.Seen != want {
			t.Errorf("%+v", b)
		}
		return errEnough
	})
	if !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

// TestFollowBeats: a stream that has nothing to say says so, and how far it has looked:
// without new entries, and with such that it does not select.
func TestFollowBeats(t *testing.T) {
	t.Parallel()
	s := newServer(t, pgtest.URL(t), 20*time.Millisecond)
	last := s.write(t, 3, "a.b", audit.Allow)
	rare := "rare"
	beats := 0
	err := s.open(t, audit.Filter{Action: &rare}, last).Follow(t.Context(), 0, func(b live.Batch) error {
		if len(b.Entries) > 0 || b.Gap != nil || b.Seen != last {
			t.Errorf("%+v at %d", b, last)
		}
		if beats++; beats == 6 {
			return errEnough
		}
		if beats%2 == 0 {
			last = s.write(t, 3, "a.b", audit.Allow)
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

// TestFollowEnds: a stream ends with its context, and where the head or the log cannot be
// read it can be tried again.
func TestFollowEnds(t *testing.T) {
	t.Parallel()
	d := pgtest.Open(t)
	h := d.WatchHead()
	s := server{d, live.New(live.Config{Log: d, Head: h})}
	after := s.write(t, 1, "a.b", audit.Allow)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	nothing := func(live.Batch) error { return nil }
	go func() { ended <- s.open(t, audit.Filter{}, after).Follow(ctx, 0, nothing) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	go func() { ended <- s.open(t, audit.Filter{}, after).Follow(t.Context(), 0, nothing) }()
	h.Stop()
	if err := <-ended; fault.From(err).Code != fault.AuditUnavailable || fault.From(err).RetryAfter == 0 {
		t.Error(err)
	}
}

// TestFollowGap: what the retention has dropped before it was looked at is told, and the
// stream goes on behind it.
func TestFollowGap(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	o, err := db.OpenOwner(t.Context(), db.Config{URL: url, Logger: pgtest.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := o.Generate(t.Context(), db.Generation{Rows: 3000, Seed: 1, Months: 4}); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, url, 0)
	seal(t, s.DB)
	old := s.open(t, audit.Filter{}, 10)
	var first int64
	var ids []int64
	var gaps []live.Gap
	err = old.Follow(t.Context(), 0, func(b live.Batch) error {
		for first < 500 { // it has read a batch of what is dropped now
			first = dropOldest(t, s.DB)
		}
		if b.Gap != nil {
			gaps = append(gaps, *b.Gap)
		}
		for _, e := range b.Entries {
			ids = append(ids, e.ID)
		}
		if b.Seen >= 3000 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if first > 2500 {
		t.Fatalf("the log begins with %d", first)
	}
	if diff := cmp.Diff([]live.Gap{{211, first - 1}}, gaps); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	var want []int64
	for id := int64(11); id <= ids[len(ids)-1]; id++ {
		if id <= 210 || id >= first {
			want = append(want, id)
		}
	}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Errorf("-want +got\n%.2000s", diff)
	}
	// One that comes later learns of it with the first batch, though little is left to read.
	err = s.open(t, audit.Filter{}, 300).Follow(t.Context(), 0, func(b live.Batch) error {
		if b.Gap == nil || *b.Gap != (live.Gap{First: 301, Last: first - 1}) {
			t.Errorf("the gap is %v", b.Gap)
		}
		return errEnough
	})
	if !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

// TestLargeEntries: a stream holds no more of them than fit, and hands out each all the same.
func TestLargeEntries(t *testing.T) {
	t.Parallel()
	s := newServer(t, pgtest.URL(t), 0)
	const n, size = 150, 30_000
	entries := make([]*audit.Entry, n)
	for i := range entries {
		entries[i] = &audit.Entry{Action: "a.b", Resource: "x:y", Decision: audit.Allow, ResultCode: 200, Args: []byte(`{"a":"` + strings.Repeat("x", size) + `"}`)}
	}
	if err := s.Append(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	s.write(t, 1000, "a.b", audit.Allow) // small ones behind them
	var ids []int64
	most, small := 0, 0
	err := s.open(t, audit.Filter{}, 0).Follow(t.Context(), 0, func(b live.Batch) error {
		held := 0
		for _, e := range b.Entries {
			ids, held = append(ids, e.ID), held+len(e.Args)
		}
		most, small = max(most, held), max(small, len(b.Entries))
		if len(ids) == n+1000 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	for i, id := range ids {
		if id != int64(i+1) {
			t.Fatalf("entry %d stands at %d", id, i+1)
		}
	}
	if most > 512<<10 || most < 256<<10 {
		t.Errorf("%d bytes were held", most)
	}
	if small < 150 {
		t.Errorf("small entries come %d at a time", small)
	}
}
