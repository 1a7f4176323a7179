package main

import (
	"math"
	"slices"
	"time"
)

// round is what one server did in one round of a case. Times are in milliseconds, and CPU
// in seconds.
type round struct {
	Requests  int
	Seconds   float64
	P50, P99  float64
	ServerCPU float64 // the server's
	DBCPU     float64 // PostgreSQL's
	LoadCPU   float64 // of whoever asked
}

func (r round) rate() float64 { return float64(r.Requests) / r.Seconds }

// series is what one server did in a case.
type series struct {
	Case    string
	Server  string
	Callers int
	Rounds  []round
}

func newRound(took []time.Duration, all time.Duration) round {
	slices.Sort(took)
	return round{Requests: len(took), Seconds: all.Seconds(), P50: quantile(took, 0.5), P99: quantile(took, 0.99)}
}

// quantile of sorted times, in milliseconds.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	return float64(sorted[int(q*float64(len(sorted)-1))]) / float64(time.Millisecond)
}

// median of some numbers; of an even number of them, the mean of the two in the middle.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// over is the median of something over the rounds.
func (s *series) over(f func(round) float64) float64 {
	if s == nil {
		return math.NaN()
	}
	var v []float64
	for _, r := range s.Rounds {
		v = append(v, f(r))
	}
	return median(v)
}

func (s *series) rate() float64 { return s.over(round.rate) }
func (s *series) p50() float64  { return s.over(func(r round) float64 { return r.P50 }) }
func (s *series) p99() float64  { return s.over(func(r round) float64 { return r.P99 }) }

// perRequest is the CPU of a request in milliseconds: the server's and PostgreSQL's.
func (s *series) perRequest() (server, db float64) {
	var n, srv, pg float64
	if s != nil {
		for _, r := range s.Rounds {
			n, srv, pg = n+float64(r.Requests), srv+r.ServerCPU, pg+r.DBCPU
		}
	}
	return 1000 * srv / n, 1000 * pg / n
}

// loadShare is how much of all CPU that was used went to whoever asked.
func (s *series) loadShare() float64 {
	var load, all float64
	if s != nil {
		for _, r := range s.Rounds {
			load, all = load+r.LoadCPU, all+r.LoadCPU+r.ServerCPU+r.DBCPU
		}
	}
	return load / all
}

// ratio is how many times the rate of the other s has: the median of the ratios of the
// rounds, each of which both did one after the other.
func (s *series) ratio(other *series) float64 {
	if s == nil || other == nil {
		return math.NaN()
	}
	var v []float64
	for i := range min(len(s.Rounds), len(other.Rounds)) {
		v = append(v, s.Rounds[i].rate()/other.Rounds[i].rate())
	}
	return median(v)
}
