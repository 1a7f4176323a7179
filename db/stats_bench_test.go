package db_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
	"halite/internal/synthetic"
)

// BenchmarkStats asks for what an Audit page shows beside its table, of a log of
// BENCH_ROWS rows (300,000): histograms, facets, pages of lists, and searches. The figures
// are medians and the slowest, in milliseconds.
//
//	BENCH_ROWS=10000000 go test -run '^$' -bench Stats -benchtime 1x -timeout 60m ./db
//
// BENCH_DATABASE_URL names a database of made-up rows to use, as its owner, instead of
// filling a new one.
func BenchmarkStats(b *testing.B) {
	const rounds = 15
	rows, err := strconv.ParseInt(cmp.Or(os.Getenv("BENCH_ROWS"), "300000"), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	u := os.Getenv("BENCH_DATABASE_URL")
	if u == "" {
		u = pgtest.URL(b)
		owner, err := db.OpenOwner(b.Context(), db.Config{URL: u, Logger: pgtest.Quiet})
		if err != nil {
			b.Fatal(err)
		}
		defer owner.Close()
		if err := owner.Generate(b.Context(), db.Generation{Rows: rows, Seed: 1, Months: 12}); err != nil {
			b.Fatal(err)
		}
		if err := owner.RebuildRank(context.Background(), func(int64) {}); err != nil {
			b.Fatal(err)
		}
	}
	d := pgtest.OpenURL(b, u)
	for b.Loop() {
		fmt.Printf("\n%-52s %10s %10s\n", fmt.Sprint(rows, " rows"), "median", "slowest")
		for _, c := range statsCases(rows) {
			var took []time.Duration
			for range rounds {
				start := time.Now()
				if err := c.ask(b.Context(), d); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			ms := func(t time.Duration) float64 { return float64(t) / float64(time.Millisecond) }
			fmt.Printf("%-52s %10.1f %10.1f\n", c.name, ms(took[rounds/2]), ms(took[rounds-1]))
		}
	}
}

type statsCase struct {
	name string
	ask  func(context.Context, *db.DB) error
}

func statsCases(rows int64) (cases []statsCase) {
	deny, failed := audit.Deny, int64(500)
	rare, pattern := "no such text", "minion:web-0?"
	var users []*uuid.UUID
	var actions []string
	for i := range 6 {
		id := synthetic.UserID(i * 3)
		users, actions = append(users, &id), append(actions, synthetic.Action(i*5))
	}
	quarter := time.Now().AddDate(0, -3, 0)
	for _, f := range []struct {
		name string
		audit.Filter
	}{
		{"all", audit.Filter{}},
		{"three months", audit.Filter{Since: &quarter}},
		{"deny", audit.Filter{Decision: &deny}},
		{"top user", audit.Filter{UserID: users[0]}},
		{"5 actions", audit.Filter{ActionIn: actions[:5]}},
		{"5 users x 6 actions", audit.Filter{UserIDIn: users[:5], ActionIn: actions}},
		{"code >= 500, searched", audit.Filter{ResultCodeMin: &failed}},
		{"rare text, searched", audit.Filter{Text: &rare}},
		{"rare text of the top user, searched", audit.Filter{Text: &rare, UserID: users[0]}},
		{"rare text of 5 users x 6 actions, searched", audit.Filter{Text: &rare, UserIDIn: users[:5], ActionIn: actions}},
		{"resource pattern, searched", audit.Filter{Resource: &pattern}},
	} {
		page := func(offset int64, counted bool) func(context.Context, *db.DB) error {
			return func(ctx context.Context, d *db.DB) error {
				_, err := d.List(ctx, audit.Query{Filter: f.Filter, Limit: 50, Offset: offset, Counted: counted})
				return err
			}
		}
		stats := func(step audit.Step) func(context.Context, *db.DB) error {
			return func(ctx context.Context, d *db.DB) error { _, err := d.Stats(ctx, f.Filter, step); return err }
		}
		cases = append(
			cases, statsCase{f.name + ": page and total", page(0, true)}, statsCase{f.name + ": page", page(0, false)},
			statsCase{f.name + ": histogram", stats("")},
		)
		if !f.Searched() {
			cases = append(cases, statsCase{f.name + ": page in the middle", page(rows/40, true)})
		}
		if len(f.UserIDIn) == 0 {
			cases = append(cases, statsCase{f.name + ": histogram by day", stats(audit.Day)})
		}
		for _, by := range []audit.Facet{audit.ByUser, audit.ByAction, audit.ByResource} {
			cases = append(cases, statsCase{f.name + ": facets by " + string(by), func(ctx context.Context, d *db.DB) error {
				_, err := d.Facets(ctx, f.Filter, by, 10)
				return err
			}})
		}
	}
	return append(cases, statsCase{"actions", func(ctx context.Context, d *db.DB) error { _, err := d.Actions(ctx); return err }})
}
