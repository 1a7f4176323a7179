package db_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
	"halite/internal/synthetic"
)

// TestRankPlans runs the statement behind every filter of the contract, of frequent and
// of rare values, by ranges and offsets, with the plan that serves requests, and counts
// what it reads: of indexes no more than two blocks for the edges, three and a page for the page,
// and the tail, and the entries of the page. What is frequent is read from few
// partitions.
func TestRankPlans(t *testing.T) {
	t.Parallel()
	const rows, block, limit = 30_000, 64, 50
	d, c := ranked(t, pgtest.URL(t), rows, 6, block)
	db.SetBounds(d, 1_000_000, 500, block)
	user := func(n int) *uuid.UUID { id := synthetic.UserID(n); return &id }
	action := func(n int) *string { a := synthetic.Action(n); return &a }
	allow, deny := audit.Allow, audit.Deny
	users := map[string]*uuid.UUID{"any": nil, "top": user(0), "middle": user(12), "rarest": user(synthetic.Users - 1)}
	actions := map[string]*string{"any": nil, "top": action(0), "middle": action(9), "rarest": action(synthetic.Actions() - 1)}
	decisions := map[string]*audit.Decision{"any": nil, "allow": &allow, "deny": &deny}
	most := 0
	for decision, dec := range decisions {
		for user, u := range users {
			for action, a := range actions {
				f := audit.Filter{UserID: u, Action: a, Decision: dec}
				if f.Empty() {
					continue
				}
				for _, q := range [][3]int64{ // first id, last id, offset
					{1, rows, 0}, {1, rows, 3_000}, {1, rows, 15_000}, {1, 21_234, 300}, {21_234, rows, 0}, {12_345, 24_321, 1_000}, {20_000, 20_100, 1},
				} {
					sql, args, err := d.Lookup(t.Context(), f, q[0], q[1], q[2], limit)
					if err != nil {
						t.Fatal(err)
					}
					read := entriesRead(t, texts(t, c, explained+sql, args...), limit)
					if read > 6*block+limit { // the sixth is the tail, which no block has closed
						t.Errorf("user %s, action %s, decision %s, ids and offset %d: %d entries read", user, action, decision, q, read)
					}
					most = max(most, read)
					frequent := (user == "any" || user == "top") && (action == "any" || action == "top") && decision != "deny"
					if tables := strings.Count(sql, "FROM public.audit_log_"); frequent && (tables == 0 || tables > 2*5+3) {
						t.Errorf("user %s, action %s, decision %s, ids and offset %d: %d ranges of partitions read", user, action, decision, q, tables)
					}
				}
			}
		}
	}
	t.Logf("%d entries read at most, blocks of %d", most, block)
}

// ranked returns the log of u with made-up rows with blocks of some size, and a connection that plans
// as those that serve requests.
func ranked(t *testing.T, u string, rows int64, months int, block int64) (*db.DB, *pgx.Conn) {
	t.Helper()
	if err := openOwner(t, u).Generate(t.Context(), db.Generation{Rows: rows, Seed: 1, Months: months}); err != nil {
		t.Fatal(err)
	}
	d := pgtest.OpenURL(t, u)
	if err := db.NewRankBuilder(d, block, 64*block, nil).Rebuild(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	c := pgtest.Conn(t, u, "halite")
	exec(t, c, "SET plan_cache_mode = force_generic_plan")
	return d, c
}

// explained stands before a statement that is to be run and explained.
const explained = "EXPLAIN (ANALYZE, TIMING off, FORMAT json) "

// plan is a node of what EXPLAIN says.
type plan struct {
	Type      string `json:"Node Type"`
	Table     string `json:"Relation Name"`
	Index     string `json:"Index Name"`
	Rows      int    `json:"Actual Rows"`
	Filtered  int    `json:"Rows Removed by Filter"`
	Loops     int    `json:"Actual Loops"`
	Rechecked int    `json:"Rows Removed by Index Recheck"`
	Plans     []plan `json:"Plans"`
}

// entriesRead is how many entries of the log a plan has read from indexes. It fails if it has read
// more than a page otherwise, or not by their ids.
func entriesRead(t *testing.T, answer []string, page int) int {
	t.Helper()
	var out struct{ Plan plan }
	unwrap(t, answer, &out)
	var read, whole int
	var walk func(plan)
	walk = func(p plan) {
		if n := (p.Rows + p.Filtered) * p.Loops; strings.HasPrefix(p.Table, "audit_log_") && n > 0 {
			switch {
			case p.Type == "Index Only Scan":
				read += n
			case p.Type == "Index Scan" && strings.HasSuffix(p.Index, "_pkey"):
				whole += n
			default:
				t.Fatalf("%s on %s", p.Type, p.Table)
			}
		}
		for _, q := range p.Plans {
			walk(q)
		}
	}
	walk(out.Plan)
	if whole > page {
		t.Errorf("%d entries read, for a page of %d", whole, page)
	}
	return read
}

// unwrap reads the one plan of an answer of EXPLAIN.
func unwrap(t *testing.T, answer []string, into *struct{ Plan plan }) {
	t.Helper()
	var out []struct{ Plan plan }
	if err := json.Unmarshal([]byte(answer[0]), &out); err != nil {
		t.Fatal(err)
	}
	*into = out[0]
}
