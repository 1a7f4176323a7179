package db_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
	"halite/internal/synthetic"
)

// TestNamedPlans runs the statements that name partitions, with the plan that serves requests:
// they read indexes alone, of the log's entries no more than two blocks for the edges, three
// and a page for the page, and the tail, and nothing of other months.
func TestNamedPlans(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	const rows, block, limit = 30_000, 64, 50
	if err := openOwner(t, u).Generate(t.Context(), db.Generation{Rows: rows, Seed: 1, Months: 6}); err != nil {
		t.Fatal(err)
	}
	d := pgtest.OpenURL(t, u)
	if err := db.NewRankBuilder(d, block, 100*block, nil).Rebuild(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	c := pgtest.Conn(t, u, "halite")
	exec(t, c, "SET plan_cache_mode = force_generic_plan")
	deny := audit.Deny
	user, action := synthetic.UserID(0), synthetic.Action(0)
	few := 0
	for name, f := range map[string]audit.Filter{
		"user": {UserID: &user}, "action": {Action: &action}, "both": {UserID: &user, Action: &action}, "denied": {Decision: &deny},
		"user denied": {UserID: &user, Decision: &deny}, "action denied": {Action: &action, Decision: &deny},
	} {
		for _, q := range [][3]int64{
			{1, rows, 0}, {1, rows, 1_000}, {1, 21_234, 300}, {21_234, rows, 0}, {12_345, 24_321, 1_000}, {20_000, 20_100, 1},
		} {
			sql, args, ok, err := d.Named(t.Context(), f, q[0], q[1], q[2], limit)
			if err != nil || !ok {
				t.Fatalf("%s %d: %v %v", name, q, ok, err)
			}
			rows, err := c.Query(t.Context(), "EXPLAIN (ANALYZE, TIMING off, FORMAT json) "+sql, args...)
			if err != nil {
				t.Fatal(err)
			}
			var explained string
			for rows.Next() {
				if err := rows.Scan(&explained); err != nil {
					t.Fatal(err)
				}
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			if read := entriesRead(t, []string{explained}); read > 6*block+limit {
				t.Errorf("%s, ids and offset %d: %d entries read", name, q, read)
			}
			if strings.Count(sql, "audit_log_") <= 2*3*2 { // three ranges of two months at most, for each decision
				few++
			}
		}
	}
	if few < 30 {
		t.Errorf("only %d statements of 36 name few partitions", few)
	}
}

// TestNamedPartitions asks for totals and pages while partitions come and go, and while one
// may not be read by its name: the answer is that of counting.
func TestNamedPartitions(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	if err := openOwner(t, u).Generate(t.Context(), db.Generation{Rows: 3_000, Seed: 1, Months: 4}); err != nil {
		t.Fatal(err)
	}
	d := pgtest.OpenURL(t, u)
	c := pgtest.Conn(t, u, "halite")
	if err := db.NewRankBuilder(d, 16, 160, nil).Rebuild(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	user := synthetic.UserID(0)
	check := func(when string) {
		t.Helper()
		var want int64
		var ids []int64
		err := c.QueryRow(t.Context(), "SELECT count(*), (array_agg(id ORDER BY id DESC))[11:20] FROM audit_log WHERE user_id = $1", user).Scan(&want, &ids)
		if err != nil {
			t.Fatal(err)
		}
		page, err := d.List(t.Context(), audit.Query{Filter: audit.Filter{UserID: &user}, Counted: true, Offset: 10, Limit: 10})
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		var got []int64
		for _, e := range page.Entries {
			got = append(got, e.ID)
		}
		if page.Total != want || fmt.Sprint(got) != fmt.Sprint(ids) {
			t.Fatalf("%s: %d %v, want %d %v", when, page.Total, got, want, ids)
		}
	}
	check("at first")
	parts := partitions(t, c)
	exec(t, c, "REVOKE SELECT ON "+parts[3]+" FROM halite_app")
	check("one may not be read")
	exec(t, c, "DROP TABLE "+parts[0])
	check("one is gone")
	again := pgtest.OpenURL(t, u) // grants what is missing
	again.Close()
	var all bool
	if err := d.EnsurePartitions(t.Context(), time.Now().AddDate(2, 0, 0)); err != nil {
		t.Fatal(err)
	}
	err := c.QueryRow(t.Context(), "SELECT bool_and(has_table_privilege('halite_app', inhrelid, 'SELECT') AND NOT has_table_privilege('halite_app', inhrelid, 'INSERT, UPDATE, DELETE'))"+
		" FROM pg_inherits WHERE inhparent = 'audit_log'::regclass").Scan(&all)
	if err != nil || !all {
		t.Fatalf("not each partition can be read by its name, and no more: %v", err)
	}
	e := entry("a.b")
	e.UserID = uuid.NullUUID{UUID: user, Valid: true}
	if err := d.Append(t.Context(), []*audit.Entry{&e}); err != nil {
		t.Fatal(err)
	}
	check("one more")
}
