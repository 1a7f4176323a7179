package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// bench is a run: what is measured goes into the report.
type bench struct {
	plan
	stack  *stack
	report *report

	cases   []pageCase
	targets map[string]map[string]target // by case and server
	sql     map[string]string            // by case: the script of what REST sends
}

// startUp starts each server anew, by turns: from the start of the program to its first
// right answer. That of the database is not in it.
func (b *bench) startUp(ctx context.Context) error {
	starts := map[string]func() (*server, error){haliteGraphQL: func() (*server, error) { return b.stack.startHalite(ctx, "AUDIT_AUDIT_READS=false") }}
	for name := range b.stack.peers {
		starts[name] = func() (*server, error) { return b.stack.startPeer(ctx, name) }
	}
	b.report.StartUp = map[string][]float64{}
	for range b.rounds {
		for _, name := range slices.Sorted(maps.Keys(starts)) {
			began := time.Now()
			s, err := starts[name]()
			if err != nil {
				return err
			}
			b.report.StartUp[name] = append(b.report.StartUp[name], time.Since(began).Seconds()*1000)
			s.end()
		}
	}
	return nil
}

// servers are who is asked for pages.
func (b *bench) servers() map[string]*server {
	out := map[string]*server{haliteGraphQL: b.stack.off, haliteREST: b.stack.off}
	maps.Copy(out, b.stack.peers)
	return out
}

// pages measures each case: every server in each round, after one that does not count.
func (b *bench) pages(ctx context.Context) error {
	for _, c := range b.cases {
		var lines []line
		for _, name := range []string{haliteGraphQL, haliteREST, postGraphile, mercurius} {
			if t, ok := b.targets[c.name()][name]; ok && (name != haliteREST || c.rest()) {
				lines = append(lines, b.asking(name, b.servers()[name], t, c.Callers))
			}
		}
		if path := b.sql[c.name()]; path != "" {
			lines = append(lines, line{pgBench, c.Callers, func(ctx context.Context) (round, error) { return b.stack.runBench(ctx, path, c.Callers) }})
		}
		if err := b.turns(ctx, c.Group, c.name(), lines); err != nil {
			return err
		}
	}
	b.memory()
	return nil
}

// recorded measures what it costs to record reads of the log.
func (b *bench) recorded(ctx context.Context) error {
	for _, c := range b.cases {
		if c.Group == byDepth || c.Filter.Name != noFilter && (c.Filter.Name != "top user" || !c.Total) {
			continue
		}
		c.Callers = 8
		off := b.targets[c.name()][haliteGraphQL]
		on := b.target(c, haliteGraphQL, b.stack.on)
		off.length, off.holds, on.holds = 0, []byte(`"entries":[{`), []byte(`"entries":[{`) // what is recorded becomes the page
		if err := b.turns(ctx, "recorded", c.name(), []line{
			b.asking(haliteGraphQL, b.stack.off, off, c.Callers), b.asking(haliteOn, b.stack.on, on, c.Callers),
		}); err != nil {
			return err
		}
	}
	return nil
}

// decisions measures decisions that leave a row, beside single commits of such rows.
func (b *bench) decisions(ctx context.Context) error {
	b.memory()
	if p := b.stack.peers[postGraphile]; p != nil {
		p.end()
	}
	b.stack.off.end()
	if err := b.stack.psql(ctx, "plain.sql"); err != nil {
		return err
	}
	insert, err := b.stack.script("insert.sql")
	if err != nil {
		return err
	}
	on := b.stack.on
	denied := newTarget(on.addr, http.MethodPost, "/graphql", on.other, `{"query": "{ auditEntry(id: \"1\") { id } }"}`)
	denied.holds = []byte("FORBIDDEN")
	allowed := newTarget(on.addr, http.MethodPost, "/graphql", on.admin, `{"query": "{ openIntents(limit: 1) { id } }"}`)
	allowed.holds = []byte(`"openIntents":[]`)
	for _, callers := range []int{1, 8, 64, 512} {
		clients := min(callers, 40) // PostgreSQL takes a hundred connections in all
		before, err := b.total(ctx)
		if err != nil {
			return err
		}
		lines := []line{b.asking("denied", on, denied, callers), b.asking("allowed", on, allowed, callers)}
		if p := b.stack.peers[mercurius]; p != nil {
			record := newTarget(p.addr, http.MethodPost, "/graphql", "", recordBody)
			record.holds = []byte(`"record":"`)
			lines = append(lines, b.asking(mercurius, p, record, callers))
		}
		lines = append(lines, line{pgBench, clients, func(ctx context.Context) (round, error) { return b.stack.runBench(ctx, insert, clients) }})
		if err := b.turns(ctx, "decisions", fmt.Sprint(callers), lines); err != nil {
			return err
		}
		after, err := b.total(ctx)
		if err != nil {
			return err
		}
		// The rounds that do not count have left rows too.
		if got := after - before; got < b.report.answered("decisions", fmt.Sprint(callers), "denied", "allowed") {
			return fmt.Errorf("%d callers: more decisions were answered than there are rows (%d)", callers, got)
		}
	}
	b.memory()
	return nil
}

// recordBody asks Mercurius to write a row of its own.
const recordBody = `{"query": "mutation { record(action: \"audit.get\", resource: \"audit:1\", decision: \"deny\", resultCode: 403) }"}`

// total is how many entries the log has.
func (b *bench) total(ctx context.Context) (int64, error) {
	body, err := once(ctx, newTarget(b.stack.on.addr, http.MethodGet, pageCase{Limit: 1}.path(), b.stack.on.admin, ""))
	if err != nil {
		return 0, err
	}
	a, err := readAnswer(haliteREST, body)
	if err == nil && a.Total == nil {
		err = errors.New("no total")
	}
	if err != nil {
		return 0, err
	}
	return *a.Total, nil
}

// line is one of those that take turns.
type line struct {
	name    string
	callers int
	round   func(context.Context) (round, error)
}

// asking is a server that is asked for the same again and again.
func (b *bench) asking(name string, s *server, t target, callers int) line {
	return line{name, callers, func(ctx context.Context) (round, error) {
		before, own := processes(), ownCPU()
		took, all, err := drive(ctx, t, callers, b.slot)
		if err != nil {
			return round{}, err
		}
		r := newRound(took, all)
		r.LoadCPU = (ownCPU() - own).Seconds()
		after := processes()
		r.ServerCPU = (cpuOf(after, s.cmd.Process.Pid) - cpuOf(before, s.cmd.Process.Pid)).Seconds()
		r.DBCPU = (cpuOf(after, b.stack.postgres) - cpuOf(before, b.stack.postgres)).Seconds()
		return r, nil
	}}
}

// turns has each line do a round, by turns, and keeps all but the first rounds.
func (b *bench) turns(ctx context.Context, group, name string, lines []line) error {
	out := make([]*series, len(lines))
	for i, l := range lines {
		out[i] = &series{Case: name, Server: l.name, Callers: l.callers}
	}
	for n := range b.rounds + 1 {
		for i, l := range lines {
			r, err := l.round(ctx)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", name, l.name, err)
			}
			if n > 0 {
				out[i].Rounds = append(out[i].Rounds, r)
			}
		}
	}
	b.report.add(group, out)
	var texts []string
	for _, s := range out {
		texts = append(texts, fmt.Sprintf("%s %.0f/s", s.Server, s.rate()))
	}
	say("%s, %s: %s", group, name, strings.Join(texts, ", "))
	return nil
}

// memory notes the most memory that each server had so far.
func (b *bench) memory() {
	note := func(name string, s *server) {
		if n := peakMemory(s.cmd.Process.Pid); n > 0 {
			b.report.Memory[name] = max(b.report.Memory[name], n)
		}
	}
	if b.report.Memory == nil {
		b.report.Memory = map[string]int64{}
	}
	note(haliteGraphQL, b.stack.off)
	note(haliteOn, b.stack.on)
	for name, s := range b.stack.peers {
		note(name, s)
	}
}
