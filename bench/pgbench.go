package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed sql/*.sql
var scripts embed.FS

// script writes one of the embedded files where a program can read it.
func (s *stack) script(name string) (string, error) {
	text, err := scripts.ReadFile("sql/" + name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.dir, name)
	return path, os.WriteFile(path, text, 0o600)
}

// psql runs an embedded file.
func (s *stack) psql(ctx context.Context, name string) error {
	path, err := s.script(name)
	if err != nil {
		return err
	}
	u, err := s.superuser("")
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, s.programs["psql"], "-Xq", "-v", "ON_ERROR_STOP=1", "-d", u, "-f", path).CombinedOutput(); err != nil {
		return fmt.Errorf("psql: %w: %s", err, out)
	}
	return nil
}

var (
	benchRate    = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)
	benchLatency = regexp.MustCompile(`(?m)^latency average = ([0-9.]+) ms`)
	benchCount   = regexp.MustCompile(`(?m)^number of transactions actually processed: ([0-9]+)`)
)

// parseBench reads what pgbench prints at its end. It tells no quantiles; its mean stands
// for the median.
func parseBench(text string) (r round, err error) {
	var v [3]float64
	for i, pattern := range []*regexp.Regexp{benchRate, benchLatency, benchCount} {
		m := pattern.FindStringSubmatch(text)
		if m == nil {
			return r, fmt.Errorf("not what pgbench prints: %.500s", text)
		}
		n, perr := strconv.ParseFloat(m[1], 64)
		v[i], err = n, errors.Join(err, perr)
	}
	if err != nil || v[0] == 0 {
		return r, errors.Join(err, errors.New("pgbench did nothing"))
	}
	return round{Requests: int(v[2]), Seconds: v[2] / v[0], P50: v[1], P99: v[1]}, nil
}

// runBench runs a script with so many clients, for as many seconds as the slot has, one
// at least.
func (s *stack) runBench(ctx context.Context, path string, clients int) (round, error) {
	u, err := s.superuser(s.planning)
	if err != nil {
		return round{}, err
	}
	seconds := max(1, int(s.slot.Seconds()+0.5))
	before := processes()
	cmd := exec.CommandContext(ctx, s.programs["pgbench"], "-n", "-M", "prepared", "-c", strconv.Itoa(clients), "-j", strconv.Itoa(min(clients, 2)),
		"-T", strconv.Itoa(seconds), "-f", path, u)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return round{}, fmt.Errorf("pgbench: %w: %s", err, out)
	}
	r, err := parseBench(string(out))
	r.DBCPU = (cpuOf(processes(), s.postgres) - cpuOf(before, s.postgres)).Seconds()
	r.LoadCPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	return r, err
}

// capture returns the SQL that REST sends for a case, with its values: what a request that
// is not the first of its kind makes PostgreSQL do. It keeps what the planner is told on
// the connections that send it, without which the same SQL is not the same work.
func (s *stack) capture(ctx context.Context, cases []pageCase) (map[string]string, error) {
	path := filepath.Join(s.dir, "postgres/server.log")
	read := func(from int64) (string, int64, error) {
		time.Sleep(100 * time.Millisecond) // what PostgreSQL says is written down by another goroutine
		f, err := os.ReadFile(path)
		if err != nil || int64(len(f)) < from {
			return "", 0, errors.Join(err, errors.New("the log of PostgreSQL is another"))
		}
		return string(f[from:]), int64(len(f)), nil
	}
	_, at, err := read(0)
	if err != nil {
		return nil, err
	}
	u, err := s.superuser("-c log_statement=all")
	if err != nil {
		return nil, err
	}
	h, err := s.startHaliteOn(ctx, u, "AUDIT_AUDIT_READS=false")
	if err != nil {
		return nil, err
	}
	defer h.end()
	if h.admin, err = signIn(ctx, h.addr, "admin"); err != nil {
		return nil, err
	}
	text, at, err := read(at)
	if err != nil {
		return nil, err
	}
	if s.planning = plannerOptions(text); s.planning == "" {
		return nil, errors.New("halite told the planner nothing")
	}
	// What is said without a request is of the tasks behind it.
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	text, at, err = read(at)
	if err != nil {
		return nil, err
	}
	background := map[string]bool{}
	for _, st := range parseStatements(text) {
		background[st.sql] = true
	}
	out := map[string]string{}
	for _, c := range cases {
		t := newTarget(h.addr, "GET", c.path(), h.admin, "")
		if _, err := once(ctx, t); err != nil {
			return nil, err
		}
		if _, at, err = read(at); err != nil {
			return nil, err
		}
		if _, err := once(ctx, t); err != nil {
			return nil, err
		}
		if text, at, err = read(at); err != nil {
			return nil, err
		}
		var script strings.Builder
		for _, st := range parseStatements(text) {
			if !background[st.sql] && !strings.HasPrefix(st.sql, "UPDATE ") { // a page writes nothing
				script.WriteString(st.literal() + ";\n")
			}
		}
		if script.Len() == 0 {
			return nil, errors.New("a request without a statement")
		}
		out[c.name()] = filepath.Join(s.dir, "rest-"+strconv.Itoa(len(out))+".sql")
		if err := os.WriteFile(out[c.name()], []byte(script.String()), 0o600); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// plannerOptions are the planner's settings that a log of statements shows, as options of
// a connection.
func plannerOptions(text string) string {
	var options []string
	for _, m := range planner.FindAllStringSubmatch(text, -1) {
		options = append(options, "-c "+m[1]+"="+m[2])
	}
	slices.Sort(options)
	return strings.Join(slices.Compact(options), " ")
}

// statement is one that PostgreSQL has logged, with its parameters as it prints them.
type statement struct {
	sql    string
	params []string // literals
}

var (
	logLine   = regexp.MustCompile(`^\d{4}-\d\d-\d\d [0-9:.]+ \S+ \[\d+\] (\w+): +(.*)$`)
	executed  = regexp.MustCompile(`^execute [^:]+: (.*)$`)
	parameter = regexp.MustCompile(`\$\d+ = (NULL|'(?:[^']|'')*')`)
	planner   = regexp.MustCompile(`SET (enable_\w+|jit|plan_cache_mode) = (\w+)`)
	place     = regexp.MustCompile(`\$\d+`)
)

// parseStatements reads the statements that were executed with the extended protocol out
// of PostgreSQL's log.
func parseStatements(text string) (out []statement) {
	var kind, body string
	flush := func() {
		if m := executed.FindStringSubmatch(strings.ReplaceAll(body, "\n", "\x00")); kind == "LOG" && m != nil {
			out = append(out, statement{sql: strings.ReplaceAll(m[1], "\x00", "\n")})
		} else if kind == "DETAIL" && len(out) > 0 && strings.HasPrefix(body, "parameters: ") {
			for _, m := range parameter.FindAllStringSubmatch(body, -1) {
				out[len(out)-1].params = append(out[len(out)-1].params, m[1])
			}
		}
		kind, body = "", ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := logLine.FindStringSubmatch(line); m != nil {
			flush()
			kind, body = m[1], m[2]
		} else {
			body += "\n" + strings.TrimPrefix(line, "\t")
		}
	}
	flush()
	return out
}

// literal is the statement with its parameters in their places. pgbench takes a colon and
// a word for a variable, in a text too, so colons of values are escaped.
func (st statement) literal() string {
	return place.ReplaceAllStringFunc(st.sql, func(p string) string {
		i, err := strconv.Atoi(p[1:])
		if err != nil || i < 1 || i > len(st.params) {
			return p
		}
		v := st.params[i-1]
		if strings.ContainsAny(v, `:\`) {
			v = "E" + strings.ReplaceAll(strings.ReplaceAll(v, `\`, `\\`), ":", `\x3a`)
		}
		return v
	})
}
