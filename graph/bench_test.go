package graph_test

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
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
// figures are medians over the rounds.
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
		GraphQL: func(*guard.Guard) http.Handler { return twoWaysHandler(log) },
	})
	batch := make([]*audit.Entry, len(all))
	for i := range all {
		e := all[i]
		batch[i] = &e
	}
	if err := s.DB.Append(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
	cookie, h := s.Cookie(b, "admin"), twoWaysHandler(kept{all: all})
	inProcess := func(query string) func() string { return func() string { return askDirectly(b, h, query) } }
	overHTTP := func(path string) func() string {
		return func() string { return s.Do(b, http.MethodGet, path, "", "Cookie", cookie).Body }
	}
	for b.Loop() {
		fmt.Printf("\n%-24s %10s %10s %10s %8s %14s %10s\n", "page", "generated", "written", "REST", "ratio", "allocations", "written")
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

// compare prints what an answer costs by each way, after it has looked at the answers.
func compare(b *testing.B, name string, plain, written, rest func() string) {
	b.Helper()
	if want, got := plain(), written(); want != got || !strings.HasPrefix(got, `{"data":{"way":{"e`) {
		b.Fatalf("the answers are not the same: %.300s\n%.300s", want, got)
	}
	const rounds, each = 11, 20
	ways := []func() string{plain, written, rest}
	took, allocations := make([][]time.Duration, len(ways)), make([]uint64, len(ways))
	for round := range rounds {
		for i, ask := range ways {
			if ask == nil {
				continue
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			for range each {
				ask()
			}
			if round == 0 { // to get warm
				continue
			}
			took[i] = append(took[i], time.Since(start)/each)
			runtime.ReadMemStats(&after)
			allocations[i] = (after.Mallocs - before.Mallocs) / each
		}
	}
	us := func(i int) float64 {
		if len(took[i]) == 0 {
			return 0
		}
		slices.Sort(took[i])
		return float64(took[i][len(took[i])/2]) / float64(time.Microsecond)
	}
	fmt.Printf("%-24s %7.0f us %7.0f us %7.0f us %8.2f %14d %10d\n", name, us(0), us(1), us(2), us(0)/us(1), allocations[0], allocations[1])
}
