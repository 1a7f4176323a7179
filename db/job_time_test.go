package db_test

import (
	"sync"
	"testing"
	"time"

	"halite/internal/pgtest"
)

// TestNextMoment: no two are the same, over all servers, also when the clock is set back.
func TestNextMoment(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	var mu sync.Mutex
	seen := map[time.Time]bool{}
	var wg sync.WaitGroup
	for range 2 {
		d := pgtest.OpenURL(t, url)
		for range 4 {
			wg.Go(func() {
				for range 50 {
					at, err := d.NextMoment(t.Context())
					mu.Lock()
					if err != nil || seen[at] || time.Since(at).Abs() > time.Minute {
						t.Errorf("%v, seen: %v, %v", at, seen[at], err)
					}
					seen[at] = true
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	ahead := time.Date(2126, 1, 1, 0, 0, 0, 999_999_000, time.UTC)
	if _, err := pgtest.Conn(t, url, "halite").Exec(t.Context(), "UPDATE job_time SET last = $1", ahead); err != nil {
		t.Fatal(err)
	}
	d := pgtest.OpenURL(t, url)
	for i := range 3 {
		at, err := d.NextMoment(t.Context())
		if want := ahead.Add(time.Duration(i+1) * time.Microsecond); err != nil || !at.Equal(want) {
			t.Errorf("%v, want %v, %v", at, want, err)
		}
	}
}
