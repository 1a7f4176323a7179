package db_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
)

// BenchmarkWatched lets servers, each with callers of its own, write to one database while
// each of them watches the head of the log, and while none does. Both by turns in the same
// run; the ratio is the median of the rounds' ratios.
//
//	go test -run '^$' -bench Watched -benchtime 1x -timeout 30m ./db
func BenchmarkWatched(b *testing.B) {
	const rounds = 25
	url := pgtest.URL(b)
	servers := []int{1, 2, 4}
	var stores []*db.DB
	var recorders []*audit.Recorder
	for range slices.Max(servers) {
		d := pgtest.OpenURL(b, url)
		r := audit.NewRecorder(d, audit.DefaultQueue, pgtest.Quiet)
		b.Cleanup(r.Stop)
		stores, recorders = append(stores, d), append(recorders, r)
	}
	for b.Loop() {
		fmt.Printf("\n%8s %8s %14s %14s %8s\n", "servers", "callers", "unwatched/s", "watched/s", "ratio")
		for _, callers := range []int{1, 64} {
			for _, n := range servers {
				write := func() result {
					var next atomic.Int64
					return load(b, n*callers, 250*time.Millisecond, func() error {
						_, err := recorders[next.Add(1)%int64(n)].Record(typical)
						return err
					})
				}
				watched := func() result {
					for _, d := range stores[:n] {
						defer d.WatchHead().Stop()
					}
					return write()
				}
				var without, with []result
				for i := range rounds {
					if i%2 == 0 {
						without, with = append(without, write()), append(with, watched())
					} else {
						with, without = append(with, watched()), append(without, write())
					}
				}
				fmt.Printf("%8d %8d %14.0f %14.0f %8.2f\n", n, callers, median(without).rate, median(with).rate, ratio(with, without))
			}
		}
	}
}

// ratio is the median of the rates' ratios, round by round.
func ratio(a, b []result) float64 {
	v := make([]float64, len(a))
	for i := range a {
		v[i] = a[i].rate / b[i].rate
	}
	slices.Sort(v)
	return v[len(v)/2]
}
