package tree_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/every"
	"halite/internal/merkle"
	"halite/internal/pgtest"
	"halite/internal/tree"
)

// BenchmarkSealing: what the tree costs the log. Entries are recorded by turns with a keeper
// beside and without; figures are medians over the rounds. Then a log that was filled
// without one is caught up with, in one go, and all of it is checked.
//
//	go test -run '^$' -bench Sealing -benchtime 1x -timeout 30m ./internal/tree
func BenchmarkSealing(b *testing.B) {
	const rounds, callers = 9, 512
	l := newLog(b)
	r := audit.NewRecorder(l.DB, audit.DefaultQueue, pgtest.Quiet)
	b.Cleanup(r.Stop)
	rate := func() float64 {
		var n atomic.Int64
		var stop atomic.Bool
		var wg sync.WaitGroup
		start := time.Now()
		for range callers {
			wg.Go(func() {
				for !stop.Load() {
					if _, err := r.Record(typical); err != nil {
						b.Error(err)
						return
					}
					n.Add(1)
				}
			})
		}
		time.AfterFunc(2*time.Second, func() { stop.Store(true) })
		wg.Wait()
		return float64(n.Load()) / time.Since(start).Seconds()
	}
	for b.Loop() {
		var without, with []float64
		var sealed, signed []time.Duration
		rate() // warm
		l.work(b)
		for i := range 2 * rounds {
			if i%2 == 0 {
				without = append(without, rate())
				l.work(b) // so that the other does not pay for it
				continue
			}
			k := tree.New(tree.Config{Store: l.DB, Gate: l.guard, Logger: pgtest.Quiet, Keys: []*merkle.Key{l.key}})
			lags := l.lags(b)
			k.Start(context.Background())
			with = append(with, rate())
			k.Stop()
			a, c := lags()
			sealed, signed = append(sealed, a...), append(signed, c...)
		}
		slices.Sort(without)
		slices.Sort(with)
		fmt.Printf("\n%d callers: %.0f entries/s without the tree, %.0f with it: %.2f\n", callers, without[rounds/2], with[rounds/2], with[rounds/2]/without[rounds/2])
		b.ReportMetric(with[rounds/2]/without[rounds/2], "of-the-rate")
		for what, of := range map[string][]time.Duration{"sealed": sealed, "signed": signed} {
			slices.Sort(of)
			fmt.Printf("%s after its commit, the median entry within %v, the 99th percentile within %v, the last within %v\n", what,
				of[len(of)/2].Round(time.Millisecond), of[len(of)*99/100].Round(time.Millisecond), of[len(of)-1].Round(time.Millisecond))
		}
		caughtUp(b)
	}
}

// lags looks at the head of the log every 10 ms, and at how far the tree and the signature
// reach. What it returns ends that, and says how long after each look both had come to the
// head that it saw.
func (l *log) lags(b *testing.B) func() (sealed, signed []time.Duration) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), l.url)
	if err != nil {
		b.Fatal(err)
	}
	type look struct {
		at                   time.Time
		head, sealed, signed int64
	}
	var looks []look
	task := every.Start(10*time.Millisecond, func(ctx context.Context) {
		x := look{at: time.Now()}
		if err := conn.QueryRow(ctx, `SELECT last_id, size, coalesce((SELECT max(size) FROM checkpoint), 0) FROM audit_head, tree_head`).
			Scan(&x.head, &x.sealed, &x.signed); err == nil {
			looks = append(looks, x)
		}
	})
	return func() (sealed, signed []time.Duration) {
		task.Stop()
		_ = conn.Close(context.Background())
		i, j := 0, 0
		for _, x := range looks {
			for i < len(looks) && looks[i].sealed < x.head {
				i++
			}
			for j < len(looks) && looks[j].signed < x.head {
				j++
			}
			if i < len(looks) {
				sealed = append(sealed, max(0, looks[i].at.Sub(x.at)))
			}
			if j < len(looks) {
				signed = append(signed, max(0, looks[j].at.Sub(x.at)))
			}
		}
		return sealed, signed
	}
}

func caughtUp(b *testing.B) {
	b.Helper()
	const rows = 1_000_000
	l := newLog(b)
	owner, err := db.OpenOwner(b.Context(), db.Config{URL: l.url, Logger: pgtest.Quiet})
	if err != nil {
		b.Fatal(err)
	}
	defer owner.Close()
	if err := owner.Generate(b.Context(), db.Generation{Rows: rows, Seed: 1, Months: 12}); err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	l.work(b)
	took := time.Since(start)
	var size int64
	var ratio float64
	if err := l.owner.QueryRow(b.Context(), `SELECT pg_total_relation_size('tree_tile'), pg_total_relation_size('tree_tile')::float8
		/ (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'audit_log'::regclass)`).Scan(&size, &ratio); err != nil {
		b.Fatal(err)
	}
	fmt.Printf("%d entries sealed in %v: %.0f ns an entry; tiles %.1f MB, %.1f bytes an entry, %.2f %% of the log\n",
		rows, took.Round(time.Millisecond), float64(took)/rows, float64(size)/1e6, float64(size)/rows, 100*ratio)
	b.ReportMetric(float64(took)/rows, "ns/sealed")
	start = time.Now()
	if err := l.Whole(b.Context()); err != nil {
		b.Fatal(err)
	}
	took = time.Since(start)
	fmt.Printf("%d entries checked in %v: %.0f ns an entry\n", rows, took.Round(time.Millisecond), float64(took)/rows)
}

var typical = audit.Entry{
	Action: "audit.list", Resource: "audit:*", Args: []byte(`{"limit":50,"offset":0,"filter":{"action":"auth.login"}}`),
	Decision: audit.Allow, ResultCode: 200, DurationMS: 3, Username: "alice", Verb: "view",
	Reason: "allowed by role operator: view *", RequestID: "6298b3a3-c36a-47bd-ab25-a18366048b64", SourceIP: "10.1.2.3",
	UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
}
