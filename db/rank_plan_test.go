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

// TestPlansOfFewValues: where few people do few things, nearly every entry is of the same user and
// action, and to walk by the ids seems as good as to ask an index. What is rare is read
// from its index all the same, whatever PostgreSQL knows of the log.
func TestPlansOfFewValues(t *testing.T) {
	t.Parallel()
	const block, limit = 64, 50
	u := pgtest.URL(t)
	d, c := pgtest.OpenURL(t, u), pgtest.Conn(t, u, "halite")
	exec(t, c, db.ServingSetup)
	db.SetBounds(d, 1_000_000, 500, block)
	builder := db.NewRankBuilder(d, block, 64*block, nil)
	named := func(name string) *string { return &name }
	users := map[string]*uuid.UUID{"any": nil, "frequent": {1}, "rare": {2}, "none": {3}, "nobody": nil}
	actions := map[string]*string{"any": nil, "frequent": named("job.test.ping"), "rare": named("auth.login"), "none": named("key.delete")}
	allow, deny := audit.Allow, audit.Deny
	decisions := map[string]*audit.Decision{"any": nil, "allow": &allow, "deny": &deny}
	last := int64(0)
	write := func(n int) {
		t.Helper()
		for range n {
			batch := make([]*audit.Entry, 100)
			for i := range batch {
				batch[i] = &audit.Entry{UserID: uuid.NullUUID{UUID: *users["frequent"], Valid: true}, Action: *actions["frequent"], Decision: allow}
			}
			if last == 0 {
				batch[0] = &audit.Entry{UserID: uuid.NullUUID{UUID: *users["rare"], Valid: true}, Action: *actions["rare"], Decision: deny}
				batch[1] = &audit.Entry{Action: *actions["frequent"], Decision: allow}
			}
			if err := d.Append(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			last += 100
		}
		for built := int64(1); built > 0; {
			var err error
			if built, err = builder.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(when string) {
		t.Helper()
		var names struct{ Plan plan }
		unwrap(t, texts(t, c, explained+db.NameSQL, []uuid.UUID{*users["frequent"], *users["rare"], *users["none"]}), &names)
		if n := names.Plan.read(); n > 2*3 {
			t.Errorf("%s, names: %d entries read of three users", when, n)
		}
		for decision, dec := range decisions {
			for user, u := range users {
				for action, a := range actions {
					f := audit.Filter{UserID: u, Action: a, Decision: dec}
					if user == "nobody" {
						f.UserIDIn = []*uuid.UUID{nil}
					}
					if f.Empty() {
						continue
					}
					read := func(what, sql string, args []any, err error, page int) {
						t.Helper()
						if err != nil {
							t.Fatal(err)
						}
						if n := entriesRead(t, texts(t, c, explained+sql, args...), page); n > 6*block+page {
							t.Errorf("%s, %s, user %s, action %s, decision %s: %d entries read", when, what, user, action, decision, n)
						}
					}
					sql, args, err := d.Lookup(t.Context(), f, 1, last, 0, limit)
					read("page and total", sql, args, err, limit)
					sql, args, err = d.Next(t.Context(), f, 1, last, limit, false)
					read("newest", sql, args, err, limit)
					sql, args, err = d.Next(t.Context(), f, 1, last, limit, true)
					read("oldest", sql, args, err, limit)
					if u != nil || a != nil || f.UserIDIn != nil {
						key := []any{[]uuid.UUID{{}}, []string{""}, []int64{1}, []int64{last}, 1, last}
						if u != nil {
							key[0] = []uuid.UUID{*u}
						}
						if a != nil {
							key[1] = []string{*a}
						}
						read("tally", db.TallySQL(f), key, nil, 0)
					}
				}
			}
		}
	}
	write(1)
	check("of a hundred entries")
	write(199)
	check("of twenty thousand")
	exec(t, c, "ANALYZE audit_log")
	check("analyzed")
	exec(t, c, "VACUUM audit_log")
	check("vacuumed")
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
	exec(t, c, db.ServingSetup)
	return d, c
}

// explained stands before a statement that is to be run and explained.
const explained = "EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT json) "

// plan is a node of what EXPLAIN says.
type plan struct {
	Type      string `json:"Node Type"`
	Table     string `json:"Relation Name"`
	Index     string `json:"Index Name"`
	Rows      int    `json:"Actual Rows"`
	Filtered  int    `json:"Rows Removed by Filter"`
	Loops     int    `json:"Actual Loops"`
	Rechecked int    `json:"Rows Removed by Index Recheck"`
	Hit       int    `json:"Shared Hit Blocks"`
	Missed    int    `json:"Shared Read Blocks"`
	Fetched   int    `json:"Heap Fetches"`
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
		if n := (p.Rows + p.Filtered) * p.Loops; strings.HasPrefix(p.Table, "audit_log_") && p.Loops > 0 {
			switch {
			case p.Type == "Index Only Scan":
				read += n
				// An index is walked where its condition holds, and there alone.
				if pages := p.Hit + p.Missed - 2*p.Fetched; pages > 8*p.Loops+n/20 {
					t.Errorf("%d pages of %s read for %d entries", pages, p.Index, n)
				}
			case p.Type == "Index Scan" && strings.HasSuffix(p.Index, "_pkey"), p.Type == "Bitmap Heap Scan" && strings.HasSuffix(p.Plans[0].Index, "_pkey"):
				whole += n
			default:
				t.Fatalf("%s on %s by %s: %d entries", p.Type, p.Table, p.Index, n)
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
