package salt_test

import (
	"regexp"
	"sync"
	"testing"
	"time"

	"halite/internal/salt"
)

func TestNewJID(t *testing.T) {
	t.Parallel()
	next := salt.NewJIDs()
	at := time.Date(2026, 11, 23, 7, 30, 40, 77_999, time.FixedZone("", 3600))
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{at, "20261123063040000077"},
		{at, "20261123063040000078"},
		{at.Add(-time.Hour), "20261123063040000079"}, // the clock was set back
		{at.Add(time.Second), "20261123063041000077"},
	} {
		if got := next(c.at); got != c.want {
			t.Errorf("%s: %s, want %s", c.at, got, c.want)
		}
	}
}

func TestNewJIDConcurrently(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^\d{20}$`)
	at := time.Now()
	var mu sync.Mutex
	seen := map[string]bool{}
	many(8, func() {
		for range 1000 {
			jid := salt.NewJID(at)
			mu.Lock()
			if seen[jid] || !form.MatchString(jid) {
				t.Errorf("%s", jid)
			}
			seen[jid] = true
			mu.Unlock()
		}
	})
}
