package db_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
)

// BenchmarkPooled compares a server behind PgBouncer in transaction mode with one that
// reaches the same database directly: recording by so many callers, and pages of 50 with
// their total by one. Both by turns in the same run; the ratios are medians of the rounds'.
//
//	go test -run '^$' -bench Pooled -benchtime 1x -timeout 30m ./db
func BenchmarkPooled(b *testing.B) {
	const rounds = 15
	url := pgtest.URL(b)
	bouncer := pgtest.NewBouncer(b, 20)
	app := bouncer.Login(b, url, "statement_timeout = '20s'", "idle_in_transaction_session_timeout = '60s'")
	direct := pgtest.OpenURL(b, url)
	pooled, err := db.Open(b.Context(), db.Config{
		URL: url, AppURL: bouncer.URL(b, url, app), DirectURL: url, Pooled: true, Logger: pgtest.Quiet,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pooled.Close)
	if err := direct.Generate(b.Context(), db.Generation{Rows: 100_000, Seed: 1, Months: 3}); err != nil {
		b.Fatal(err)
	}
	if err := direct.RebuildRank(b.Context(), func(int64) {}); err != nil {
		b.Fatal(err)
	}
	turns := func(what string, callers int, ours, theirs func() error) {
		var o, p []result
		for range rounds {
			o = append(o, load(b, callers, 300*time.Millisecond, ours))
			p = append(p, load(b, callers, 300*time.Millisecond, theirs))
		}
		d, q := median(o), median(p)
		fmt.Printf("%-28s %8d %12.0f %12.0f %8.2f %12.2f / %6.2f %12.2f / %6.2f\n", what, callers, d.rate, q.rate, ratio(p, o), d.p50, d.p99, q.p50, q.p99)
	}
	for b.Loop() {
		fmt.Printf("\n%-28s %8s %12s %12s %8s %21s %21s\n", "", "callers", "direct/s", "pooled/s", "ratio", "direct p50/p99 ms", "pooled p50/p99 ms")
		// Before anything is recorded, which the rank index would have to follow.
		action := "audit.list"
		for _, q := range []struct {
			what  string
			query audit.Query
		}{
			{"first page", audit.Query{Limit: 50, Counted: true}},
			{"page at offset 50,000", audit.Query{Limit: 50, Offset: 50_000, Counted: true}},
			{"first page of an action", audit.Query{Filter: audit.Filter{Action: &action}, Limit: 50, Counted: true}},
		} {
			read := func(d *db.DB) func() error {
				return func() error { _, err := d.List(context.Background(), q.query); return err }
			}
			turns(q.what, 1, read(direct), read(pooled))
			turns(q.what, 8, read(direct), read(pooled))
		}
		record := func(d *db.DB) func() error {
			r := audit.NewRecorder(d, audit.DefaultQueue, pgtest.Quiet)
			b.Cleanup(r.Stop)
			return func() error { _, err := r.Record(typical); return err }
		}
		recordDirect, recordPooled := record(direct), record(pooled)
		for _, callers := range []int{1, 8, 64, 512} {
			turns("record", callers, recordDirect, recordPooled)
		}
	}
}
