package graph_test

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"halite/internal/audit"
	"halite/internal/guard"
	"halite/internal/httpapi/apitest"
	"halite/internal/synthetic"
)

// BenchmarkPage answers pages of entries with ten fields each, by the generated way and
// by the lists that write themselves, by turns in the same run: in-process with entries
// that are at hand, and over HTTP from PostgreSQL, beside the same page by REST. The
// figures are the process's own CPU time an answer, the client's side included and
// PostgreSQL's not, and how long an answer took, as the median over the rounds.
//
//	go test -run '^$' -bench Page -benchtime 1x ./graph
func BenchmarkPage(b *testing.B) {
	const fields = "id at userId action resource argsJson saltJid decision resultCode durationMs"
	var all []audit.Entry
	source := synthetic.New(1)
	for i := range 500 {
		e := source.Next()
		e.ID, e.At = int64(i)+1, time.Date(2026, 1, 2, 3, 4, 5, i*1000, time.UTC)
		all = append(all, e)
	}
	var log audit.Reader
	s := apitest.Start(b, apitest.Options{
		SilentReads: true, Reader: func(r audit.Reader) audit.Reader { log = r; return r },
		GraphQL: func(*guard.Guard) http.Handler { return twoWaysHandler(log, unasked) },
	})
	batch := make([]*audit.Entry, len(all))
	for i := range all {
		e := all[i]
		batch[i] = &e
	}
	if err := s.DB.Append(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
	cookie, h := s.Cookie(b, "admin"), twoWaysHandler(kept{all: all}, unasked)
	inProcess := func(query string) func() string { return func() string { return askDirectly(b, h, query) } }
	overHTTP := func(path string) func() string {
		return func() string { return s.Do(b, http.MethodGet, path, "", "Cookie", cookie).Body }
	}
	for b.Loop() {
		fmt.Printf("\n%-24s %10s %10s %10s %7s %10s %10s %10s %7s %13s\n", "page", "CPU us", "written", "REST", "ratio", "took us", "written", "REST", "ratio", "allocations")
		for _, limit := range []int{50, 500} {
			for _, sel := range []string{"entries { " + fields + " }", "edges { cursor node { " + fields + " } }"} {
				query := func(way string) string { return fmt.Sprintf("{ way: %s(limit: %d) { %s } }", way, limit, sel) }
				list, _, _ := strings.Cut(sel, " ")
				name := fmt.Sprintf("%d %s", limit, list)
				compare(b, name+", in-process", inProcess(query("generated")), inProcess(query("written")), nil)
				compare(b, name+", HTTP", overHTTP("/graphql?query="+url.QueryEscape(query("generated"))),
					overHTTP("/graphql?query="+url.QueryEscape(query("written"))), overHTTP(fmt.Sprintf("/api/audit?limit=%d", limit)))
			}
		}
	}
}

// BenchmarkProofs answers a page of 500 entries with ten fields each over HTTP without and
// with their leaves, proofs and checkpoints: entries that follow one another, and entries
// each of which is in another tile.
//
//	go test -run '^$' -bench Proofs -benchtime 1x ./graph
func BenchmarkProofs(b *testing.B) {
	const rows, fields = 200_000, "id at userId action resource argsJson saltJid decision resultCode durationMs"
	const proved = fields + " leaf { data hash } inclusionProof { leafIndex treeSize hashes checkpoint { note } }"
	s := apitest.Start(b, apitest.Options{SilentReads: true})
	source := synthetic.New(1)
	for n := 0; n < rows; {
		var batch []*audit.Entry
		for range 1000 {
			e := source.Next()
			if n++; n%300 == 0 {
				e.Action = "test.rare"
			}
			batch = append(batch, &e)
		}
		if err := s.DB.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	s.Sign(b)
	cookie := s.Cookie(b, "admin")
	for b.Loop() {
		fmt.Printf("\n%-24s %10s %10s %10s %12s\n", "page of 500", "CPU us", "took us", "bytes", "allocations")
		for _, of := range []struct{ name, filter string }{{"following", ""}, {"spread", `filter: {action: "test.rare"}`}} {
			for _, sel := range []struct{ name, fields string }{{"bare", fields}, {"proved", proved}} {
				path := "/graphql?query=" + url.QueryEscape("{ auditEntries(limit: 500 "+of.filter+") { entries { "+sel.fields+" } } }")
				var w way
				var body string
				for range 12 {
					w.measure(b, 10, func() string { body = s.Do(b, http.MethodGet, path, "", "Cookie", cookie).Body; return body })
				}
				if strings.Contains(body, `"errors"`) || strings.Count(body, `"id"`) != 500 {
					b.Fatalf("%.300s", body)
				}
				fmt.Printf("%-24s %10.0f %10.0f %10d %12d\n", of.name+", "+sel.name, w.cpu(), w.median(), len(body), w.allocations)
			}
		}
	}
}

// compare prints what an answer costs by each way, after it has looked at the answers.
func compare(b *testing.B, name string, generated, written, rest func() string) {
	b.Helper()
	if want, got := generated(), written(); want != got || !strings.HasPrefix(got, `{"data":{"way":{"e`) {
		b.Fatalf("the answers are not the same: %.300s\n%.300s", want, got)
	}
	const rounds, each = 12, 20
	var cost [3]way
	for range rounds {
		for i, ask := range []func() string{generated, written, rest} {
			if ask != nil {
				cost[i].measure(b, each, ask)
			}
		}
	}
	fmt.Printf("%-24s", name)
	for _, figure := range []func(way) float64{way.cpu, way.median} {
		for _, w := range cost {
			fmt.Printf(" %10.0f", figure(w))
		}
		fmt.Printf(" %7.1f", figure(cost[0])/figure(cost[1]))
	}
	fmt.Printf(" %6d %6d\n", cost[0].allocations, cost[1].allocations)
}

// way is what answers by one way have cost.
type way struct {
	used        time.Duration // CPU
	asked       int
	took        []time.Duration // an answer, by rounds
	allocations uint64          // an answer, in the last round
}

func (w *way) measure(b *testing.B, n int, ask func() string) {
	b.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	used, start := cpuTime(b), time.Now()
	for range n {
		ask()
	}
	w.took = append(w.took, time.Since(start)/time.Duration(n))
	w.used += cpuTime(b) - used
	w.asked += n
	runtime.ReadMemStats(&after)
	w.allocations = (after.Mallocs - before.Mallocs) / uint64(n)
}

// cpu is microseconds of CPU an answer.
func (w way) cpu() float64 { return micros(w.used) / float64(max(w.asked, 1)) }

// median is the microseconds that an answer took.
func (w way) median() float64 {
	if len(w.took) == 0 {
		return 0
	}
	return micros(slices.Sorted(slices.Values(w.took))[len(w.took)/2])
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// cpuTime is what this process has used so far.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
