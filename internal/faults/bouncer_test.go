package faults

import (
	"testing"

	"halite/internal/pgtest"
)

// TestPoolerRestarted ends a PgBouncer while many callers record and change through it,
// and starts it again: at once, and when the transactions under way have ended.
func TestPoolerRestarted(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*pgtest.Bouncer){"killed": (*pgtest.Bouncer).Kill, "stopped": (*pgtest.Bouncer).Stop} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, b := openPooled(t)
			l := o.load(t)
			for range 6 {
				l.await(t, 3)
				end(b)
				b.Start(t)
			}
			l.await(t, 3)
			l.stop(t)
			l.check(t, o.url, "action")
		})
	}
}
