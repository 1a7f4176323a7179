package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sampleReport is a run with figures that are made up: we are so many times as fast.
func sampleReport(times int) *report {
	r := &report{
		Began: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), Rows: 1_000_000, Rounds: 2, Slot: time.Second, Processes: 1,
		Machine: machine{CPU: "a processor", Cores: 2, System: "a system", Load: 0.1, Versions: map[string]string{"Go": "go1"}},
		Memory:  map[string]int64{haliteGraphQL: 60e6}, StartUp: map[string][]float64{haliteGraphQL: {100}},
	}
	for _, c := range pageCases(r.Rows, r.Began.AddDate(-1, 0, 0), r.Began) {
		for server, n := range map[string]int{haliteGraphQL: 100 * times, haliteREST: 50 * times, postGraphile: 100, mercurius: 100, pgBench: 200} {
			s := rated(n, n)
			s.Case, s.Server, s.Callers = c.name(), server, c.Callers
			r.add(c.Group, []*series{s})
		}
	}
	s := rated(1000)
	s.Case, s.Server, s.Callers = "8", "denied", 8
	r.add("decisions", []*series{s})
	return r
}

// TestGoals: each goal is told with what was measured, and whether it is met.
func TestGoals(t *testing.T) {
	t.Parallel()
	for times, met := range map[int]int{100: 12, 3: 8, 1: 5} {
		text := sampleReport(times).markdown()
		if got := strings.Count(text, "| yes |"); got != met {
			t.Errorf("%d times as fast: %d goals are met, want %d\n%s", times, got, met, text)
		}
	}
	r := sampleReport(1)
	r.Memory[haliteGraphQL] = 101e6
	if !strings.Contains(r.markdown(), "| 101 MB | **no** |") {
		t.Error("too much memory was not told")
	}
	r = sampleReport(1)
	for _, s := range r.Groups[byFilter] {
		if s.Server == mercurius && s.Case == "denied" {
			s.Rounds = rated(150, 150).Rounds
		}
	}
	if !strings.HasSuffix(r.markdown(), "\nWhere a peer answers more requests than halite:\n\n- Mercurius, page without total, denied: 1.50 x\n") {
		t.Error("that a peer is better was not told")
	}
	if deep := sampleReport(1).deep(); deep != "offset 999,950" {
		t.Errorf("the depth of a million is %q", deep)
	}
}

// TestPublish: the tables go between the marks and nowhere else, the plots are XML, and
// figures of a busy machine are refused.
func TestPublish(t *testing.T) {
	t.Parallel()
	docs := t.TempDir()
	path := filepath.Join(docs, "performance.md")
	r := sampleReport(3)
	if err := os.WriteFile(path, []byte("before\n"+beginMark+"old\n"+endMark+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.publish(docs); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if want := "before\n" + beginMark + "\n" + r.markdown() + pictures + "\n" + endMark + "after\n"; err != nil || string(text) != want {
		t.Errorf("%v\n%s", err, text)
	}
	for name := range r.plots() {
		f, err := os.Open(filepath.Join(docs, "benchmark", name))
		if err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(f)
		var elements int
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if _, ok := token.(xml.StartElement); ok {
				elements++
			}
		}
		if err := f.Close(); err != nil || elements < 10 {
			t.Errorf("%s: %d elements, %v", name, elements, err)
		}
	}
	r.Machine.Load = quietLoad
	if err := r.publish(docs); err == nil || !strings.Contains(err.Error(), "busy") {
		t.Errorf("a busy machine: %v", err)
	}
	r.Machine.Load = 0
	if err := os.WriteFile(path, []byte("no marks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.publish(docs); err == nil || !strings.Contains(err.Error(), "marks") {
		t.Errorf("no marks: %v", err)
	}
}

// TestKept: a run that was written down is read as it was.
func TestKept(t *testing.T) {
	t.Parallel()
	r := sampleReport(3)
	path := filepath.Join(t.TempDir(), "results", "r.json")
	if err := r.save(path); err != nil {
		t.Fatal(err)
	}
	again, err := readReport(path)
	if err != nil || again.markdown() != r.markdown() {
		t.Errorf("%v\n%s", err, again.markdown())
	}
}

// TestPlot: a value stands where its logarithm does, and what has none is left out.
func TestPlot(t *testing.T) {
	t.Parallel()
	p := plot{Title: "a < b", Unit: "ms", X: []string{"1", "2", "3"}, Lines: []plotLine{{Name: mercurius, Y: []float64{1, 100, 0}}}}
	text := p.svg()
	for _, want := range []string{"a &lt; b", `cy="376.0"`, `cy="76.0"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if n := strings.Count(text, "<circle"); n != 2 {
		t.Errorf("%d points, want 2", n)
	}
}
