package db_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"halite/internal/audit"
	"halite/internal/pgtest"
)

// TestClaimIntent: each intent has its turn before one that could not be settled has
// another, so that those cannot keep the others waiting.
func TestClaimIntent(t *testing.T) {
	t.Parallel()
	d := pgtest.Open(t)
	open := func(action string, overdue time.Duration) {
		t.Helper()
		if err := d.OpenIntent(t.Context(), audit.Intent{ID: uuid.New(), Entry: audit.Entry{Action: action, Resource: "key:web-01"}}, -overdue); err != nil {
			t.Fatal(err)
		}
	}
	claim := func(lease time.Duration) string {
		t.Helper()
		i, _, err := d.ClaimIntent(t.Context(), time.Minute, lease)
		if err != nil {
			t.Fatal(err)
		}
		return i.Entry.Action
	}
	open("second", time.Hour)
	open("first", 2*time.Hour)
	open("not due", 30*time.Second)
	var got []string
	for range 3 {
		got = append(got, claim(0))
	}
	open("new", 2*time.Minute)
	for range 3 {
		got = append(got, claim(time.Hour))
	}
	got = append(got, claim(0))
	if want := []string{"first", "second", "first", "new", "second", "first", ""}; !slices.Equal(got, want) {
		t.Errorf("handed out %q, want %q", got, want)
	}
}
