package db_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
	"halite/internal/synthetic"
)

// BenchmarkWindow reads pages of 50 entries of a log of 300,000 rows by offset and by
// cursor, from either end, in its middle and at its ends, by turns. The figures are
// medians in milliseconds, without totals.
//
//	go test -run '^$' -bench Window -benchtime 1x ./db
func BenchmarkWindow(b *testing.B) {
	const rows, limit, rounds = 300_000, 50, 200
	u := pgtest.URL(b)
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
	d := pgtest.OpenURL(b, u)
	user := func(n int) *uuid.UUID { id := synthetic.UserID(n); return &id }
	deny, action := audit.Deny, synthetic.Action(0)
	for b.Loop() {
		fmt.Printf("\n%-24s %-8s %10s %10s %10s\n", "filter", "place", "offset", "after", "before")
		for _, f := range []struct {
			name string
			audit.Filter
		}{
			{"none", audit.Filter{}},
			{"deny", audit.Filter{Decision: &deny}},
			{"top user", audit.Filter{UserID: user(0)}},
			{"rarest user", audit.Filter{UserID: user(synthetic.Users - 1)}},
			{"top user, action, deny", audit.Filter{UserID: user(0), Action: &action, Decision: &deny}},
		} {
			all, err := d.List(b.Context(), audit.Query{Filter: f.Filter, Counted: true})
			if err != nil {
				b.Fatal(err)
			}
			for place, offset := range map[string]int64{"newest": 1, "middle": all.Total / 2, "oldest": max(1, all.Total-limit)} {
				at, err := d.List(b.Context(), audit.Query{Filter: f.Filter, Limit: 1, Offset: offset - 1})
				if err != nil {
					b.Fatal(err)
				}
				id := at.Entries[0].ID
				var took [3][]time.Duration
				for range rounds {
					for i, read := range []func() error{
						func() error {
							_, err := d.List(b.Context(), audit.Query{Filter: f.Filter, Limit: limit, Offset: offset})
							return err
						},
						func() error {
							_, err := d.Window(b.Context(), audit.Window{Filter: f.Filter, Limit: limit, Below: id})
							return err
						},
						func() error {
							_, err := d.Window(b.Context(), audit.Window{Filter: f.Filter, Limit: limit, Above: id, Oldest: true})
							return err
						},
					} {
						start := time.Now()
						if err := read(); err != nil {
							b.Fatal(err)
						}
						took[i] = append(took[i], time.Since(start))
					}
				}
				fmt.Printf("%-24s %-8s", f.name, place)
				for i := range took {
					slices.Sort(took[i])
					fmt.Printf(" %10.2f", float64(took[i][rounds/2])/float64(time.Millisecond))
				}
				fmt.Println()
			}
		}
	}
}
