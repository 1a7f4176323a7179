package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseBench(t *testing.T) {
	t.Parallel()
	r, err := parseBench(`pgbench (15.14)
transaction type: page.sql
number of clients: 8
number of transactions actually processed: 4000
number of failed transactions: 0 (0.000%)
latency average = 0.997 ms
initial connection time = 12.345 ms
tps = 8000.000000 (without initial connection time)
`)
	if err != nil || r.Requests != 4000 || r.Seconds != 0.5 || r.P50 != 0.997 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range []string{"", "tps = 0.000000\nlatency average = 1.0 ms\nnumber of transactions actually processed: 0\n"} {
		if _, err := parseBench(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestPlannerOptions(t *testing.T) {
	t.Parallel()
	const line = "2026-11-25 19:00:00.001 GMT [12] LOG:  statement: SET search_path = public; SET enable_sort = off; SET jit = off; SET ROLE halite_app\n"
	if got := plannerOptions(line + line); got != "-c enable_sort=off -c jit=off" {
		t.Errorf("got %q", got)
	}
	if got := plannerOptions("SET statement_timeout = '20s'"); got != "" {
		t.Errorf("got %q", got)
	}
}

// TestStatements reads PostgreSQL's log: statements over several lines, their parameters,
// and nothing of what else is said.
func TestStatements(t *testing.T) {
	t.Parallel()
	got := parseStatements(`2026-11-25 19:00:00.001 GMT [12] LOG:  statement: SET ROLE halite_app
2026-11-25 19:00:00.002 GMT [12] LOG:  execute stmtcache_1: SELECT a
	FROM b WHERE c = $1 AND d = $2::bigint AND e = $10
	AND f IS NOT DISTINCT FROM $3
2026-11-25 19:00:00.003 GMT [12] DETAIL:  parameters: $1 = 'it''s $2', $2 = '7', $3 = NULL, $4 = '\x00ff', $5 = '2026-01-02 03:04:05+00'
2026-11-25 19:00:00.004 GMT [13] LOG:  checkpoint starting: time
2026-11-25 19:00:00.005 GMT [13] LOG:  execute <unnamed>: SELECT 1
`)
	want := []statement{
		{"SELECT a\nFROM b WHERE c = $1 AND d = $2::bigint AND e = $10\nAND f IS NOT DISTINCT FROM $3", []string{"'it''s $2'", "'7'", "NULL", `'\x00ff'`, "'2026-01-02 03:04:05+00'"}},
		{"SELECT 1", nil},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(statement{})); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff("SELECT a\nFROM b WHERE c = 'it''s $2' AND d = '7'::bigint AND e = $10\nAND f IS NOT DISTINCT FROM NULL", got[0].literal()); diff != "" {
		t.Error(diff)
	}
	st := statement{"SELECT $4, $5::timestamptz", got[0].params}
	if diff := cmp.Diff(`SELECT E'\\x00ff', E'2026-01-02 03\x3a04\x3a05+00'::timestamptz`, st.literal()); diff != "" {
		t.Error(diff)
	}
}
