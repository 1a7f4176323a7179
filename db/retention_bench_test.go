package db_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
)

// BenchmarkDrop drops one month after the other of a log of BENCH_ROWS rows (1,000,000) while
// entries are recorded, changes commit and pages are read, and prints the longest that any
// of them took around a drop; beside that the same without a drop, with a statement that
// holds the log for a second when the drop comes, and the other ways to drop a partition.
//
//	BENCH_ROWS=10000000 go test -run '^$' -bench Drop -benchtime 1x -timeout 60m ./db
func BenchmarkDrop(b *testing.B) {
	rows := int64(1_000_000)
	if s := os.Getenv("BENCH_ROWS"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		rows = n
	}
	const months = 16
	u := pgtest.URL(b)
	owner, err := db.OpenOwner(b.Context(), db.Config{URL: u, Logger: pgtest.Quiet})
	if err != nil {
		b.Fatal(err)
	}
	defer owner.Close()
	if err := owner.Generate(b.Context(), db.Generation{Rows: rows, Seed: 1, Months: months}); err != nil {
		b.Fatal(err)
	}
	if err := owner.RebuildRank(b.Context(), func(int64) {}); err != nil {
		b.Fatal(err)
	}
	l := &dropLoad{d: pgtest.OpenURL(b, u)}
	l.start(b)
	plain := pgtest.Conn(b, u, "halite")
	run := func(sql string) {
		if _, err := plain.Exec(b.Context(), sql); err != nil {
			b.Error(err)
		}
	}
	// How long all others were kept out until the partition was dropped. The row and its commit follow; what
	// COMMIT takes beyond that is the removal of files, for which nobody waits.
	var held time.Duration
	asBuilt := func() {
		p, ok, err := l.d.OldestPartition(b.Context(), 1, time.Now())
		if err != nil || !ok {
			b.Fatal(ok, err)
		}
		x, err := l.d.BeginDrop(b.Context(), p, nil)
		if err != nil {
			b.Fatal(err)
		}
		defer x.Close()
		start := time.Now()
		_, err = x.Change(b.Context(), x.Run, func(error) audit.Entry {
			held = time.Since(start)
			return typical
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	detached := func() {
		p := oldestName(b, l.d)
		run("ALTER TABLE audit_log DETACH PARTITION " + p + " CONCURRENTLY")
		run("DROP TABLE " + p)
	}
	bare := func() { run("DROP TABLE " + oldestName(b, l.d)) }
	beside := func(drop func()) func() { // a statement of a second
		return func() {
			c := pgtest.Conn(b, u, "halite")
			began, done := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(done)
				_ = pgx.BeginFunc(context.Background(), c, func(tx pgx.Tx) error {
					_, err := tx.Exec(context.Background(), "LOCK TABLE audit_log IN ACCESS SHARE MODE")
					close(began)
					if err == nil {
						_, err = tx.Exec(context.Background(), "SELECT pg_sleep(1)")
					}
					return err
				})
			}()
			<-began
			drop()
			<-done
		}
	}
	for b.Loop() {
		fmt.Printf("\n%d rows, longest of each in ms, around a drop\n%-44s %10s %10s %10s %10s %10s\n", rows, "", "drop took", "held", "record", "change", "read")
		for _, w := range []struct {
			name  string
			times int
			drop  func()
		}{
			{"no drop", 5, func() { time.Sleep(time.Second) }},
			{"as built", 5, asBuilt},
			{"as built, beside a statement of 1 s", 2, beside(asBuilt)},
			{"DETACH CONCURRENTLY, DROP", 2, detached},
			{"the same, beside a statement of 1 s", 2, beside(detached)},
			{"DROP alone, without a limit to the wait", 2, beside(bare)},
		} {
			var took [5][]float64
			for range w.times {
				l.reset()
				held = 0
				start := time.Now()
				w.drop()
				took[0], took[1] = append(took[0], ms(time.Since(start))), append(took[1], ms(held))
				time.Sleep(500 * time.Millisecond) // whoever waited has come through
				for i := range l.longest {
					took[i+2] = append(took[i+2], ms(time.Duration(l.longest[i].Load())))
				}
			}
			fmt.Printf("%-44s", w.name)
			for i := range took {
				fmt.Printf(" %10.1f", slices.Max(took[i]))
			}
			fmt.Printf("   each %.0f\n", took)
		}
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func oldestName(b *testing.B, d *db.DB) string {
	p, ok, err := d.OldestPartition(b.Context(), 1, time.Now())
	if err != nil || !ok {
		b.Fatal(ok, err)
	}
	return p.Name
}

// dropLoad records, changes and reads, and keeps the longest that each took.
type dropLoad struct {
	d       *db.DB
	longest [3]atomic.Int64
}

func (l *dropLoad) reset() {
	for i := range l.longest {
		l.longest[i].Store(0)
	}
}

func (l *dropLoad) start(b *testing.B) {
	b.Helper()
	r := audit.NewRecorder(l.d, audit.DefaultQueue, pgtest.Quiet)
	var quit atomic.Bool
	var wg sync.WaitGroup
	b.Cleanup(func() { quit.Store(true); wg.Wait(); r.Stop() })
	again := func(kind, n int, fn func() error) {
		for range n {
			wg.Go(func() {
				for !quit.Load() {
					start := time.Now()
					if err := fn(); err != nil {
						b.Error(err)
						return
					}
					for took := int64(time.Since(start)); ; {
						old := l.longest[kind].Load()
						if took <= old || l.longest[kind].CompareAndSwap(old, took) {
							break
						}
					}
					time.Sleep(5 * time.Millisecond) // a load, not a flood: what is measured is waiting for locks
				}
			})
		}
	}
	again(0, 8, func() error { _, err := r.Record(typical); return err })
	again(1, 2, func() error {
		_, err := l.d.Change(context.Background(), func(context.Context) error { return nil }, func(error) audit.Entry { return typical })
		return err
	})
	again(2, 2, func() error {
		_, err := l.d.List(context.Background(), audit.Query{Limit: 50, Offset: 1000, Counted: true, Filter: audit.Filter{Action: &typical.Action}})
		return err
	})
}
