package db_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
	"halite/internal/synthetic"
)

// TestNamedPartitions asks for totals and pages while partitions come and go, and while one
// may not be read by its name: the answer is that of counting.
func TestNamedPartitions(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	d, c := ranked(t, u, 3_000, 4, 16)
	db.SetBounds(d, 1_000_000, 500, 16)
	user := synthetic.UserID(0)
	check := func(when string, d *db.DB) {
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
	check("at first", d)
	parts := partitions(t, c)
	exec(t, c, "DROP TABLE "+parts[0])
	check("one is gone", d)
	late := pgtest.OpenURL(t, u) // has not looked at the partitions yet
	exec(t, c, "REVOKE SELECT ON "+parts[3]+" FROM halite_app")
	check("one may not be read", d)
	check("one may not be read, by another", late)
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
	check("one more", d)
}
