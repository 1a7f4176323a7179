package tree_test

import (
	"testing"

	"halite/internal/merkle"
	"halite/internal/pgtest"
	"halite/internal/tree"
)

// TestFoundWithoutLease: what a server found at its start is over for it too when the one
// that looks after the tree finds it mended.
func TestFoundWithoutLease(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(t, 10)
	l.work(t)
	l.exec(t, "UPDATE leases SET holder = gen_random_uuid(), expires_at = clock_timestamp() + interval '1 hour' WHERE task = 'tree'") // l's
	l.exec(t, unlocked+"UPDATE audit_log SET result_code = 500 WHERE id = 8")
	k := tree.New(tree.Config{Store: l.DB, Gate: l.guard, Logger: pgtest.Quiet, Keys: []*merkle.Key{l.key}})
	if err := k.Whole(t.Context()); err != nil { // as at the start
		t.Fatal(err)
	}
	if s := k.Stats(); s != (tree.Stats{Found: 1, Walked: 1}) {
		t.Errorf("at the start: %+v", s)
	}
	work := func() {
		t.Helper()
		if _, err := k.Work(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	work()
	if s := k.Status(t.Context()); !s.TreeBad {
		t.Errorf("it forgot what is wrong: %+v", s)
	}
	l.exec(t, "UPDATE audit_log SET result_code = 200 WHERE id = 8")
	if err := l.Whole(t.Context()); err != nil {
		t.Fatal(err)
	}
	work()
	if s := k.Status(t.Context()); s.TreeBad || s.CheckpointBad {
		t.Errorf("mended: %+v", s)
	}
	l.exec(t, "UPDATE leases SET expires_at = clock_timestamp() WHERE task = 'tree'")
	work()
	if s := k.Stats(); !s.Signs || s.Found != 0 {
		t.Errorf("with the lease: %+v", s)
	}
}
