package db_test

import (
	"testing"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
)

// TestPooled
func TestPooled(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	b := pgtest.NewBouncer(t, 4)
	app := b.Login(t, url)
	d, err := db.Open(t.Context(), db.Config{URL: b.URL(t, url, "halite"), AppURL: b.URL(t, url, app), Pooled: true, Logger: pgtest.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	for range 3 {
		if err := d.Append(t.Context(), []*audit.Entry{{Action: "a.b", Resource: "test:x", Decision: audit.Allow}}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := d.List(t.Context(), audit.Query{Limit: 10, Counted: true})
	if err != nil || page.Total != 3 || len(page.Entries) != 3 {
		t.Errorf("%+v, %v", page, err)
	}
	t.Log(d.CheckHealth(t.Context()))
}
