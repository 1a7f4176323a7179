package limit

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// clock is one that tests move.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func TestWindow(t *testing.T) {
	t.Parallel()
	at := newClock()
	c := New(2, time.Minute, at.Now)
	for i, want := range []Answer{{OK: true}, {OK: true}, {First: true, RetryAfter: time.Minute}, {RetryAfter: time.Minute}} {
		if diff := cmp.Diff(want, c.Take("a"), cmpopts.IgnoreUnexported(Answer{})); diff != "" {
			t.Errorf("event %d: -want +got\n%s", i, diff)
		}
	}
	if !c.Take("b").OK {
		t.Error("another key is limited too")
	}
	at.now = at.now.Add(time.Minute - time.Millisecond)
	if a := c.Take("a"); a.OK || a.First || a.RetryAfter != time.Second {
		t.Errorf("just before the end: %+v", a)
	}
	if got := c.Sweep(false); got != nil {
		t.Errorf("an open window was swept: %v", got)
	}
	at.now = at.now.Add(time.Millisecond)
	if !c.Take("a").OK {
		t.Error("the next window is closed")
	}
	// The first window has ended before the sweep, and is told of nevertheless.
	if diff := cmp.Diff([]Turned{{"a", 3, time.Minute}}, c.Sweep(false)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := c.Sweep(true); got != nil || len(c.slots) != 0 {
		t.Errorf("nothing was turned away, but %v, and %d keys are left", got, len(c.slots))
	}
}

func TestReturn(t *testing.T) {
	t.Parallel()
	c := New(1, time.Minute, newClock().Now)
	c.Return(Answer{}) // none was taken
	for range 5 {
		a := c.Take("a")
		if !a.OK {
			t.Fatal("what was taken back counts")
		}
		c.Return(a)
	}
	c.Take("a")
	if c.Take("a").OK {
		t.Error("taking back what never was made room")
	}
}

// TestReturnShared: when the map is full, what was taken from the shared window goes
// back to it.
func TestReturnShared(t *testing.T) {
	t.Parallel()
	c := New(1, time.Minute, newClock().Now)
	for i := range maxKeys {
		c.Take(fmt.Sprint(i))
	}
	for i := range 20 {
		a := c.Take(fmt.Sprint("late", i))
		if !a.OK {
			t.Fatalf("the shared window is full after %d events, all of which were taken back", i)
		}
		c.Return(a)
	}
}

// TestMemory: ten times as many keys as are kept; those beyond share one window.
func TestMemory(t *testing.T) {
	t.Parallel()
	at := newClock()
	c := New(1, time.Minute, at.Now)
	passed := 0
	for i := range 10 * maxKeys {
		if c.Take(fmt.Sprint(i)).OK {
			passed++
		}
	}
	if len(c.slots) > maxKeys+1 || passed != maxKeys+1 {
		t.Errorf("%d keys are held, %d events passed", len(c.slots), passed)
	}
	if a := c.Take("0"); a.OK || !a.First {
		t.Errorf("a key that was there has lost its window: %+v", a)
	}
	at.now = at.now.Add(time.Minute)
	got := map[string]int{}
	for _, w := range c.Sweep(false) {
		got[w.Key] = w.Count
	}
	if diff := cmp.Diff(map[string]int{"0": 1, overflow: 9*maxKeys - 1}, got); diff != "" || len(c.slots) != 0 {
		t.Errorf("%d keys are left, -want +got\n%s", len(c.slots), diff)
	}
}

// TestNothingIsLost: however events, sweeps and time come, each event that was turned
// away is told of exactly once, and no window lets more pass than it may.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := newClock()
		limit := rapid.IntRange(0, 3).Draw(t, "limit")
		c := New(limit, time.Minute, at.Now)
		turned, told := map[string]int{}, map[string]int{}
		sweep := func(all bool) {
			for _, w := range c.Sweep(all) {
				told[w.Key] += w.Count
			}
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				sweep(false)
			case 1:
				at.now = at.now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "seconds")) * time.Second)
			default:
				if !c.Take(key).OK {
					turned[key]++
				}
				if s := c.slots[key]; s.taken > limit {
					t.Fatalf("%d events passed, %d may", s.taken, limit)
				}
			}
		}
		sweep(true)
		if diff := cmp.Diff(turned, told); diff != "" {
			t.Fatalf("-turned away +told\n%s", diff)
		}
	})
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	c := New(50, time.Hour, time.Now)
	var wg sync.WaitGroup
	var mu sync.Mutex
	passed, first := 0, 0
	for range 200 {
		wg.Go(func() {
			a := c.Take("a")
			mu.Lock()
			defer mu.Unlock()
			if a.OK {
				passed++
			}
			if a.First {
				first++
			}
		})
	}
	wg.Wait()
	if passed != 50 || first != 1 {
		t.Errorf("%d passed, %d were the first turned away", passed, first)
	}
}
