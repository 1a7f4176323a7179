package salt_test

import (
	"testing"
	"time"

	"halite/internal/salt"
)

func TestNewJID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2026, 11, 23, 7, 30, 40, 77_999, time.FixedZone("", 3600)), "20261123063040000077"},
		{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "20260102030405000000"},
	} {
		if got := salt.NewJID(c.at); got != c.want {
			t.Errorf("%s: %s, want %s", c.at, got, c.want)
		}
	}
}
