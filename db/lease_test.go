package db_test

import (
	"testing"
	"time"

	"halite/db"
	"halite/internal/pgtest"
)

// TestLease: one holder at a time, until the lease expires, is released or is seized.
func TestLease(t *testing.T) {
	t.Parallel()
	d := pgtest.Open(t)
	take := func(who string, l db.Lease, want bool) {
		t.Helper()
		if got, err := l.Take(t.Context()); err != nil || got != want {
			t.Fatalf("%s takes it: %t, error %v, want %t", who, got, err, want)
		}
	}
	a, b := db.NewLease(d, time.Hour), db.NewLease(d, time.Hour)
	take("the first", a, true)
	take("the second", b, false)
	take("the first, again,", a, true)
	if err := b.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	take("the second, who released what it did not hold,", b, false)
	if err := a.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	take("the second, after the first's release,", b, true)
	if err := a.Seize(t.Context()); err != nil {
		t.Fatal(err)
	}
	take("the second, after it was seized,", b, false)
	expired := db.NewLease(d, -time.Second)
	if err := expired.Seize(t.Context()); err != nil {
		t.Fatal(err)
	}
	take("the second, after another's expired,", b, true)
}
