package httpapi_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/httpapi/apitest"
	"halite/internal/pgtest"
	"halite/internal/synthetic"
)

// BenchmarkDepth asks the server for pages with their totals, by HTTP, at every depth of
// a log of BENCH_ROWS rows (1,000,000): filters by ranges by offsets, in turns, with the
// first page without a filter between them. The figures are of the client's side, and
// the ratio of a case is its median against that of the first pages asked next to it.
//
//	go test -run '^$' -bench Depth -benchtime 1x -timeout 60m ./internal/httpapi
//
// BENCH_ROUNDS (30) is how often each is asked. BENCH_DATABASE_URL names a database of
// made-up rows to use, as its owner, instead of filling a new one.
func BenchmarkDepth(b *testing.B) {
	rows, rounds := number(b, "BENCH_ROWS", 1_000_000), number(b, "BENCH_ROUNDS", 30)
	dbURL := cmp.Or(os.Getenv("BENCH_DATABASE_URL"), pgtest.URL(b))
	fill(b, dbURL, rows)
	// Reads that are recorded end with a commit, which would hide what is measured.
	s := apitest.Start(b, apitest.Options{DBURL: dbURL, SilentReads: true})
	cookie := s.Cookie(b, "admin")
	cases := depthCases(b, s)
	ask := func(c *depthCase) time.Duration {
		start := time.Now()
		a := s.Do(b, http.MethodGet, c.path, "", "Cookie", cookie)
		took := time.Since(start)
		if a.Status != http.StatusOK {
			b.Fatalf("%s: %d %s", c.path, a.Status, a.Body)
		}
		return took
	}
	for b.Loop() {
		first := &depthCase{path: "/api/audit?limit=50"}
		const planning = 3 // rounds until statements are planned on every connection
		for round := range rounds + planning {
			for i := range cases {
				c := &cases[i]
				took, beside := ask(c), ask(first)
				if round >= planning {
					c.took, c.first = append(c.took, took), append(c.first, beside)
				}
			}
		}
		report(cases)
	}
}

type depthCase struct {
	filter, span, offset string
	path                 string
	took, first          []time.Duration // by this case, and by the first page right after it
}

// depthCases are every filter of the contract, of frequent and of rare values, by ranges
// of time, by offsets from the newest entry to the oldest.
func depthCases(b *testing.B, s *apitest.Server) (cases []depthCase) {
	b.Helper()
	ends, err := s.DB.List(b.Context(), audit.Query{Limit: 1, Counted: true})
	if err != nil {
		b.Fatal(err)
	}
	oldest, err := s.DB.List(b.Context(), audit.Query{Limit: 1, Offset: ends.Total - 1})
	if err != nil {
		b.Fatal(err)
	}
	from, to := oldest.Entries[0].At, ends.Entries[0].At
	at := func(share float64) *time.Time {
		t := from.Add(time.Duration(share * float64(to.Sub(from))))
		return &t
	}
	user := func(n int) *uuid.UUID { id := synthetic.UserID(n); return &id }
	action := func(n int) *string { a := synthetic.Action(n); return &a }
	allow, deny := audit.Allow, audit.Deny
	for _, f := range []struct {
		name string
		audit.Filter
	}{
		{"none", audit.Filter{}},
		{"allow", audit.Filter{Decision: &allow}},
		{"deny", audit.Filter{Decision: &deny}},
		{"top user", audit.Filter{UserID: user(0)}},
		{"middle user", audit.Filter{UserID: user(20)}},
		{"rarest user", audit.Filter{UserID: user(synthetic.Users - 1)}},
		{"top action", audit.Filter{Action: action(0)}},
		{"rarest action", audit.Filter{Action: action(synthetic.Actions() - 1)}},
		{"top user, top action", audit.Filter{UserID: user(0), Action: action(0)}},
		{"top user, rarest action", audit.Filter{UserID: user(0), Action: action(synthetic.Actions() - 1)}},
		{"rarest user, top action", audit.Filter{UserID: user(synthetic.Users - 1), Action: action(0)}},
		{"top user, deny", audit.Filter{UserID: user(0), Decision: &deny}},
		{"top action, deny", audit.Filter{Action: action(0), Decision: &deny}},
		{"rarest action, deny", audit.Filter{Action: action(synthetic.Actions() - 1), Decision: &deny}},
		{"top user, top action, deny", audit.Filter{UserID: user(0), Action: action(0), Decision: &deny}},
		{"top user, top action, allow", audit.Filter{UserID: user(0), Action: action(0), Decision: &allow}},
	} {
		for _, r := range []struct {
			name         string
			since, until *time.Time
		}{{"all", nil, nil}, {"half", at(0.31), at(0.83)}, {"since", at(0.5), nil}, {"until", nil, at(0.7)}, {"day", at(0.5), at(0.503)}} {
			q := audit.Query{Filter: f.Filter, Counted: true}
			q.Filter.Since, q.Filter.Until = r.since, r.until
			page, err := s.DB.List(b.Context(), q)
			if err != nil {
				b.Fatal(err)
			}
			for name, offset := range map[string]int64{"first": 0, "middle": page.Total / 2, "last": max(0, page.Total-50)} {
				q.Offset = offset
				cases = append(cases, depthCase{filter: f.name, span: r.name, offset: name, path: auditPath(q)})
			}
		}
	}
	return cases
}

func auditPath(q audit.Query) string {
	v := url.Values{"limit": {"50"}, "offset": {strconv.FormatInt(q.Offset, 10)}}
	if q.Filter.UserID != nil {
		v.Set("user_id", q.Filter.UserID.String())
	}
	if q.Filter.Action != nil {
		v.Set("action", *q.Filter.Action)
	}
	if q.Filter.Decision != nil {
		v.Set("decision", string(*q.Filter.Decision))
	}
	if q.Filter.Since != nil {
		v.Set("since", q.Filter.Since.Format(time.RFC3339Nano))
	}
	if q.Filter.Until != nil {
		v.Set("until", q.Filter.Until.Format(time.RFC3339Nano))
	}
	return "/api/audit?" + v.Encode()
}

// fill makes up rows where there are none, and builds the rank index.
func fill(b *testing.B, dbURL string, rows int) {
	b.Helper()
	owner, err := db.OpenOwner(b.Context(), db.Config{URL: dbURL, Logger: pgtest.Quiet})
	if err != nil {
		b.Fatal(err)
	}
	defer owner.Close()
	if os.Getenv("BENCH_DATABASE_URL") != "" {
		return
	}
	start := time.Now()
	if err := owner.Generate(context.Background(), db.Generation{Rows: int64(rows), Seed: 1, Months: 12}); err != nil {
		b.Fatal(err)
	}
	made := time.Since(start)
	start = time.Now()
	if err := owner.RebuildRank(context.Background(), func(int64) {}); err != nil {
		b.Fatal(err)
	}
	fmt.Printf("\n%d rows made up in %s, rank index built in %s\n", rows, made.Round(time.Second), time.Since(start).Round(time.Second))
}

// report prints the slowest case of each filter, and how slow one request in a hundred is
// over all of its cases.
func report(cases []depthCase) {
	var all depthCase
	for _, c := range cases {
		all.took, all.first = append(all.took, c.took...), append(all.first, c.first...)
	}
	fmt.Printf("\nfirst page without a filter, with its total: p50 %.2f ms, p99 %.2f ms\n\n", ms(all.first, 0.5), ms(all.first, 0.99))
	fmt.Printf("%-28s %8s %8s %8s  %s\n", "filter", "p50 ms", "ratio", "p99 ms", "slowest case by the ratio")
	line := func(filter string, cases []depthCase) {
		worst := slices.MaxFunc(cases, func(x, y depthCase) int { return cmp.Compare(x.ratio(), y.ratio()) })
		var took []time.Duration
		for _, c := range cases {
			took = append(took, c.took...)
		}
		fmt.Printf("%-28s %8.2f %8.2f %8.2f  %s: %s, %s\n", filter, ms(worst.took, 0.5), worst.ratio(), ms(took, 0.99), worst.filter, worst.span, worst.offset)
	}
	for begin, i := 0, 0; i < len(cases); i++ {
		if i+1 == len(cases) || cases[i+1].filter != cases[i].filter {
			line(cases[i].filter, cases[begin:i+1])
			begin = i + 1
		}
	}
	line("all", cases)
}

func (c depthCase) ratio() float64 { return ms(c.took, 0.5) / ms(c.first, 0.5) }

// ms is a quantile, in milliseconds.
func ms(took []time.Duration, q float64) float64 {
	sorted := slices.Sorted(slices.Values(took))
	return float64(sorted[int(q*float64(len(sorted)-1))]) / float64(time.Millisecond)
}

func number(b *testing.B, variable string, otherwise int) int {
	b.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv(variable), strconv.Itoa(otherwise)))
	if err != nil || n < 1 {
		b.Fatalf("%s: must be a number from 1 on", variable)
	}
	return n
}
