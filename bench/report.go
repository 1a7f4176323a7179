package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// report is what was measured in a run.
type report struct {
	Began     time.Time
	Machine   machine
	Rows      int64
	Rounds    int
	Slot      time.Duration
	Processes int                  // of each peer
	StartUp   map[string][]float64 // milliseconds, by server
	Memory    map[string]int64     // bytes at most, by server
	Groups    map[string][]*series
}

func (r *report) add(group string, s []*series) {
	if r.Groups == nil {
		r.Groups = map[string][]*series{}
	}
	r.Groups[group] = append(r.Groups[group], s...)
}

// find returns what a server did in a case; nil if it had no part in it.
func (r *report) find(group, name, server string) *series {
	for _, s := range r.Groups[group] {
		if s.Case == name && s.Server == server {
			return s
		}
	}
	return nil
}

// answered is how many requests some servers answered in a case.
func (r *report) answered(group, name string, servers ...string) (n int64) {
	for _, server := range servers {
		if s := r.find(group, name, server); s != nil {
			for _, round := range s.Rounds {
				n += int64(round.Requests)
			}
		}
	}
	return n
}

// cases are the names of a group's cases, as they were measured.
func (r *report) cases(group string) (names []string) {
	for _, s := range r.Groups[group] {
		if !slices.Contains(names, s.Case) {
			names = append(names, s.Case)
		}
	}
	return names
}

func readReport(path string) (*report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &report{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func (r *report) save(path string) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	say("everything is in %s", path)
	return os.WriteFile(path, b, 0o600)
}

// Where the tables stand in docs/performance.md.
const (
	beginMark = "<!-- bench: begin -->\n"
	endMark   = "<!-- bench: end -->\n"
)

// pictures shows the plots in the documentation.
const pictures = `
![Milliseconds of a page by depth](benchmark/depth.svg)
![Pages a second with their total](benchmark/totals.svg)
![Durable decisions a second by callers](benchmark/decisions.svg)
`

// publish writes the plots and puts the tables into the documentation.
func (r *report) publish(docs string) error {
	if r.Machine.Load >= quietLoad {
		return fmt.Errorf("the machine was busy (load %.2f, %.1f at most): these figures are not for the documentation", r.Machine.Load, quietLoad)
	}
	path := filepath.Join(docs, "performance.md")
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := between(string(b), r.markdown()+pictures)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	folder := filepath.Join(docs, "benchmark")
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // of the documentation
		return err
	}
	for name, svg := range r.plots() {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(svg), 0o644); err != nil { //nolint:gosec // of the documentation
			return err
		}
	}
	return os.WriteFile(path, []byte(text), 0o644) //nolint:gosec // of the documentation
}

// between replaces what stands between the marks.
func between(text, part string) (string, error) {
	head, rest, ok := strings.Cut(text, beginMark)
	_, foot, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return "", errors.New("the marks are missing: " + strings.TrimSpace(beginMark) + ", " + strings.TrimSpace(endMark))
	}
	return head + beginMark + "\n" + part + "\n" + endMark + foot, nil
}

// markdown is the report as tables.
func (r *report) markdown() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	m := r.Machine
	p("%s, %s rows, %d rounds of %s, %d process(es) a peer. %d cores (%s), %s, load %.2f before. %s.\n", r.Began.UTC().Format(time.DateOnly), grouped(r.Rows), r.Rounds, r.Slot, r.Processes,
		m.Cores, m.CPU, m.System, m.Load, versions(m.Versions))
	r.goals(p)
	servers := []string{haliteGraphQL, haliteREST, postGraphile, mercurius, pgBench}
	for _, t := range []struct {
		group, title string
		servers      []string
	}{
		{byDepth, "Pages by depth, without a total (REST always has it)", servers},
		{byFilter, "First pages by filter, without a total (REST always has it)", servers},
		{withTotals, "First pages with their total", servers},
		{"recorded", "What it costs to record reads of the log", []string{haliteGraphQL, haliteOn}},
		{"decisions", "Durable decisions by callers, beside plain rows that are committed one by one (Mercurius, pgbench)", []string{"denied", "allowed", mercurius, pgBench}},
	} {
		r.table(p, t.group, t.title, t.servers)
	}
	r.rest(p)
	r.better(p)
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func versions(v map[string]string) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(v)) {
		out = append(out, name+" "+strings.TrimLeft(v[name], "gov"))
	}
	return strings.Join(out, ", ")
}

// table is a group: requests per second, p50 / p99, and what a request costs.
func (r *report) table(p func(string, ...any), group, title string, servers []string) {
	servers = slices.DeleteFunc(slices.Clone(servers), func(name string) bool {
		return !slices.ContainsFunc(r.Groups[group], func(s *series) bool { return s.Server == name })
	})
	if len(servers) == 0 {
		return
	}
	p("### %s\n\nRequests a second (p50 / p99; CPU of a request, the server's and PostgreSQL's together, in ms). Of pgbench, which tells no quantiles, the mean.\n", title)
	p("| | callers | %s |\n|---|---|%s", strings.Join(servers, " | "), strings.Repeat("---|", len(servers)))
	for _, name := range r.cases(group) {
		callers := 0
		var cells []string
		for _, server := range servers {
			s := r.find(group, name, server)
			if s == nil {
				cells = append(cells, "")
				continue
			}
			took := figure(s.p50()) + " / " + figure(s.p99())
			if callers = max(callers, s.Callers); server == pgBench {
				took = figure(s.p50())
			}
			srv, pg := s.perRequest()
			cells = append(cells, fmt.Sprintf("%s (%s; %s)", figure(s.rate()), took, figure(srv+pg)))
		}
		p("| %s | %d | %s |", name, callers, strings.Join(cells, " | "))
	}
	p("")
}

// rest is memory, start-up, and what each request costs.
func (r *report) rest(p func(string, ...any)) {
	p("### Memory, start-up, CPU\n\n| | memory at most, MB | start to first answer, ms | CPU of a first page, server + PostgreSQL, ms | share of whoever asks |\n|---|---|---|---|---|")
	for _, name := range []string{haliteGraphQL, haliteOn, haliteREST, postGraphile, mercurius, pgBench} {
		memory, start, cpu, share := "", "", "", ""
		if n := r.Memory[name]; n > 0 {
			memory = figure(float64(n) / 1e6)
		}
		if v := r.StartUp[name]; len(v) > 0 {
			start = figure(median(v))
		}
		s := r.find(byFilter, noFilter, name)
		if s == nil {
			s = r.find("recorded", noFilter, name)
		}
		if s != nil {
			srv, pg := s.perRequest()
			cpu, share = figure(srv)+" + "+figure(pg), figure(100*s.loadShare())+" %"
		}
		p("| %s | %s | %s | %s | %s |", name, memory, start, cpu, share)
	}
}

// better says where a peer answers more requests than we do.
func (r *report) better(p func(string, ...any)) {
	var out []string
	for _, group := range []string{byDepth, byFilter, withTotals, "decisions"} {
		for _, name := range r.cases(group) {
			for _, peer := range []string{postGraphile, mercurius} {
				us := r.find(group, name, haliteGraphQL)
				if us == nil {
					us = r.find(group, name, "denied")
				}
				if x := r.find(group, name, peer).ratio(us); x > 1 {
					out = append(out, fmt.Sprintf("%s, %s: %s x", peer, strings.TrimSpace(groupNames[group]+name), figure(x)))
				}
			}
		}
	}
	if len(out) == 0 {
		p("\nNo peer answers more requests than halite in any case.")
		return
	}
	p("\nWhere a peer answers more requests than halite:\n\n- %s", strings.Join(out, "\n- "))
}

// groupNames is what is put before a case's name where cases of all groups are listed.
var groupNames = map[string]string{byFilter: "page without total, ", "decisions": "rows committed, callers: "}

// figure writes a number with as many digits as mean something.
func figure(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "-"
	case v >= 100:
		return grouped(int64(v + 0.5))
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
