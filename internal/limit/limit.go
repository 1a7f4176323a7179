// Package limit counts events per key in fixed windows of time, in bounded memory.
package limit

import (
	"sync"
	"time"
)

// maxKeys bounds the keys that a Counter holds at once. When it is full of open
// windows, further keys share one window: who floods with many addresses is limited
// as one.
const maxKeys = 10_000

const overflow = "(many)"

// Counter allows max events per key and window. A window begins with its key's first
// event. It is safe for concurrent use.
type Counter struct {
	max    int
	window time.Duration
	now    func() time.Time

	mu    sync.Mutex
	slots map[string]*slot
	ended []Turned // windows that ended between two sweeps
}

type slot struct {
	end           time.Time
	taken, turned int
}

// Answer is what Take says.
type Answer struct {
	OK         bool
	slot       *slot
	First      bool          // the first event that was turned away in this window
	RetryAfter time.Duration // until the window ends, when turned away; at least a second
}

// Turned tells of a window that has ended and in which events were turned away.
type Turned struct {
	Key    string
	Count  int
	Window time.Duration
}

// New returns a counter of at most limit events per window. now is the clock.
func New(limit int, window time.Duration, now func() time.Time) *Counter {
	return &Counter{max: limit, window: window, now: now, slots: map[string]*slot{}}
}

// Take counts an event, or turns it away.
func (c *Counter) Take(key string) Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	s := c.slot(key, now)
	if s.taken < c.max {
		s.taken++
		return Answer{OK: true, slot: s}
	}
	s.turned++
	return Answer{First: s.turned == 1, RetryAfter: max(s.end.Sub(now), time.Second)}
}

// Return takes back an event that shall not count after all: the one that Take gave a
// for. It is called once for it.
func (c *Counter) Return(a Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.slot != nil && a.slot.taken > 0 {
		a.slot.taken--
	}
}

// Sweep forgets the windows that have ended, or all of them, and returns those in
// which events were turned away. Somebody must call it from time to time: it is what
// keeps the memory bounded.
func (c *Counter) Sweep(all bool) []Turned {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.ended
	c.ended = nil
	now := c.now()
	for key, s := range c.slots {
		if !all && now.Before(s.end) {
			continue
		}
		if s.turned > 0 {
			out = append(out, Turned{Key: key, Count: s.turned, Window: c.window})
		}
		delete(c.slots, key)
	}
	return out
}

// slot finds the key's open window, or opens one.
func (c *Counter) slot(key string, now time.Time) *slot {
	s, ok := c.slots[key]
	if !ok && len(c.slots) >= maxKeys {
		key = overflow
		s, ok = c.slots[key]
	}
	if ok && now.Before(s.end) {
		return s
	}
	if ok && s.turned > 0 {
		c.ended = append(c.ended, Turned{Key: key, Count: s.turned, Window: c.window})
	}
	s = &slot{end: now.Add(c.window)}
	c.slots[key] = s
	return s
}
