package db_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"halite/internal/audit"
	"halite/internal/pgtest"
)

func BenchmarkNotifyTmp(b *testing.B) {
	const rounds, callers = 24, 64
	url := pgtest.URL(b)
	servers := []int{1, 2, 4}
	kinds := []string{"plain", "watch"}
	recs := map[string][]*audit.Recorder{}
	var heads []func() func()
	for _, k := range kinds[:1] {
		for range slices.Max(servers) {
			d := pgtest.OpenURL(b, url)
			r := audit.NewRecorder(d, audit.DefaultQueue, pgtest.Quiet)
			b.Cleanup(r.Stop)
			recs[k] = append(recs[k], r)
			heads = append(heads, func() func() { return d.WatchHead().Stop })
		}
	}
	recs["watch"] = recs["plain"]
	for b.Loop() {
		for _, c := range []int{1, callers} {
			for _, n := range servers {
				rates := map[string][]result{}
				for r := range rounds {
					for i := range kinds {
						k := kinds[(i+r)%2]
						var stops []func()
						if k == "watch" {
							for _, h := range heads[:n] {
								stops = append(stops, h())
							}
						}
						var next atomic.Int64
						rates[k] = append(rates[k], load(b, n*c, 250*time.Millisecond, func() error {
							_, err := recs[k][next.Add(1)%int64(n)].Record(typical)
							return err
						}))
						for _, s := range stops {
							s()
						}
					}
				}
				for _, k := range kinds {
					m := median(rates[k])
					fmt.Printf("%d servers x %d callers %-14s %8.0f rows/s %.3f  p50 %.2f p99 %.2f\n", n, c, k, m.rate, paired(rates[k], rates["plain"]), m.p50, m.p99)
				}
			}
		}
	}
}

func paired(a, b []result) float64 {
	var v []float64
	for i := range a {
		v = append(v, a[i].rate/b[i].rate)
	}
	slices.Sort(v)
	return v[len(v)/2]
}
