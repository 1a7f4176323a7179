package metrics_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"halite/internal/audit"
	"halite/internal/metrics"
	"halite/internal/pgtest"
)

// Benchmarks are about durable writes, so they run on a disk.
func TestMain(m *testing.M) {
	flag.Parse()
	pgtest.Main(m, flag.Lookup("test.bench").Value.String() != "")
}

// BenchmarkRecorder: what the metrics of the recorder cost the log. Entries are recorded by
// turns with them and without, into one database; figures are medians over the rounds, the ratio
// that of each round.
//
//	go test -run '^$' -bench Recorder -benchtime 1x ./internal/metrics
func BenchmarkRecorder(b *testing.B) {
	const rounds = 61 // short ones: what else goes on is then the same for both of a round
	d := pgtest.Open(b)
	rate := func(store audit.Appender, callers int) float64 {
		r := audit.NewRecorder(store, audit.DefaultQueue, pgtest.Quiet)
		defer r.Stop()
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
		time.AfterFunc(250*time.Millisecond, func() { stop.Store(true) })
		wg.Wait()
		return float64(n.Load()) / time.Since(start).Seconds()
	}
	for b.Loop() {
		fmt.Printf("\n%8s %14s %14s %8s %20s\n", "callers", "without, /s", "with, /s", "of it", "middle half")
		for _, callers := range []int{1, 64, 512} {
			measured := metrics.New("benchmark").Appender(d)
			rate(d, callers) // warm
			var with, without, ratio []float64
			for i := range rounds {
				var w, o float64
				if i%2 == 0 { // what comes second is not always the same
					o, w = rate(d, callers), rate(measured, callers)
				} else {
					w, o = rate(measured, callers), rate(d, callers)
				}
				with, without, ratio = append(with, w), append(without, o), append(ratio, w/o)
			}
			for _, all := range [][]float64{with, without, ratio} {
				slices.Sort(all)
			}
			fmt.Printf("%8d %14.0f %14.0f %8.3f %12.3f to %.3f\n", callers, without[rounds/2], with[rounds/2], ratio[rounds/2], ratio[rounds/4], ratio[3*rounds/4])
			b.ReportMetric(ratio[rounds/2], fmt.Sprintf("of-the-rate-%d", callers))
		}
	}
}

// BenchmarkBatch is what a batch pays for being counted and timed.
func BenchmarkBatch(b *testing.B) {
	store := metrics.New("benchmark").Appender(nowhere{})
	batch := make([]*audit.Entry, 64)
	b.ReportAllocs()
	for b.Loop() {
		if err := store.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}

// nowhere takes no time, so that what is measured is what is around it.
type nowhere struct{}

func (nowhere) Append(context.Context, []*audit.Entry) error { return nil }

// BenchmarkRequest is what a request pays for being counted and timed.
func BenchmarkRequest(b *testing.B) {
	m := metrics.New("benchmark")
	b.ReportAllocs()
	for b.Loop() {
		m.Request("/api/audit", 200, time.Millisecond, false)
	}
}

var typical = audit.Entry{
	Action: "audit.list", Resource: "audit:*", Args: []byte(`{"limit":50,"offset":0,"filter":{"action":"auth.login"}}`),
	Decision: audit.Allow, ResultCode: 200, DurationMS: 3, Username: "alice", Verb: "view",
	Reason: "allowed by role operator: view *", RequestID: "6298b3a3-c36a-47bd-ab25-a18366048b64", SourceIP: "10.1.2.3",
	UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
}
