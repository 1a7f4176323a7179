package db_test

import (
	"errors"
	"testing"

	"halite/internal/audit"
	"halite/internal/pgtest"
)

// TestNoHead: without the row that hands out ids nothing is written, and nobody is
// told otherwise.
func TestNoHead(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	d := pgtest.OpenURL(t, url)
	r := audit.NewRecorder(d, audit.DefaultQueue, pgtest.Quiet)
	t.Cleanup(r.Stop)
	if _, err := r.Record(entry("before")); err != nil {
		t.Fatal(err)
	}
	su := pgtest.Conn(t, url, "postgres")
	for _, sql := range []string{"ALTER TABLE audit_head DISABLE TRIGGER USER", "CREATE TEMP TABLE kept AS TABLE audit_head", "DELETE FROM audit_head"} {
		if _, err := su.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if e, err := r.Record(entry("lost")); !errors.Is(err, audit.ErrUnavailable) {
		t.Errorf("recorded as %+v, error %v", e, err)
	}
	if h := d.CheckHealth(t.Context()); h.Writable == nil {
		t.Error("the log is said to be writable")
	}
	if _, err := su.Exec(t.Context(), "INSERT INTO audit_head TABLE kept"); err != nil {
		t.Fatal(err)
	}
	if e, err := r.Record(entry("after")); err != nil || e.ID != 2 {
		t.Errorf("with the head back: %+v, error %v", e, err)
	}
}
