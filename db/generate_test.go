package db_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"halite/db"
	"halite/internal/pgtest"
	"halite/internal/synthetic"
)

// openOwner opens a database as its owner.
func openOwner(t testing.TB, url string) *db.DB {
	t.Helper()
	d, err := db.OpenOwner(t.Context(), db.Config{URL: url, Logger: pgtest.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// TestGenerate: made-up rows keep the laws of the log, are the same for a seed but for
// their times, and go on where the ones before them ended.
func TestGenerate(t *testing.T) {
	t.Parallel()
	const values = `SELECT concat_ws('|', id, user_id, action, resource, args_json, salt_jid, decision, result_code, duration_ms, username, verb,
		reason, request_id, source_ip, user_agent) FROM audit_log ORDER BY id`
	var made [2][]string
	for i := range made {
		u := pgtest.URL(t)
		d, c := openOwner(t, u), pgtest.Conn(t, u, "halite")
		var told []int64
		for _, rows := range []int64{12_000, 500} {
			g := db.Generation{Rows: rows, Seed: 7, Months: 5, Progress: func(n int64) { told = append(told, n) }}
			if err := d.Generate(t.Context(), g); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]int64{10_000, 12_000, 500}, told); diff != "" {
			t.Errorf("progress:\n%s", diff)
		}
		made[i] = texts(t, c, values)
		var ok, early bool
		err := c.QueryRow(t.Context(), `SELECT count(*) = 12500 AND min(id) = 1 AND max(id) = 12500 AND max(at) <= clock_timestamp()
				AND bool_and(at >= before) AND max(id) = (SELECT last_id FROM audit_head) AND max(at) = (SELECT last_at FROM audit_head)
				AND avg((decision = 'deny')::int) BETWEEN 0.06 AND 0.10 AND count(DISTINCT action) = $1 AND count(DISTINCT user_id) > 150
				AND bool_or(user_id IS NULL), min(at) < $2
			FROM (SELECT *, coalesce(lag(at) OVER (ORDER BY id), at) AS before FROM audit_log) AS l`,
			synthetic.Actions(), time.Now().AddDate(0, -4, 0)).Scan(&ok, &early)
		if err != nil || !ok || !early {
			t.Errorf("the log is not as it should be (begins early: %t), error %v", early, err)
		}
	}
	if diff := cmp.Diff(made[0], made[1]); diff != "" {
		t.Errorf("the same seed made other rows:\n%.2000s", diff)
	}
}

// TestGenerateRefuses: no row is made up beside a real one, whichever came first.
func TestGenerateRefuses(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{true, false} {
		u := pgtest.URL(t)
		d, owner := pgtest.OpenURL(t, u), openOwner(t, u)
		g := db.Generation{Rows: 10, Seed: 1, Months: 1}
		if !first {
			if err := owner.Generate(t.Context(), g); err != nil {
				t.Fatal(err)
			}
		}
		last := record(t, d, entry("a.b"))
		if err := owner.Generate(t.Context(), g); !errors.Is(err, db.ErrForeignRows) {
			t.Errorf("beside a row (the first: %t): %v", first, err)
		}
		if next := record(t, d, entry("a.b")); next.ID != last.ID+1 {
			t.Errorf("row %d follows row %d", next.ID, last.ID)
		}
	}
}

// TestGenerateOvertaken: a row that a server writes meanwhile ends it.
func TestGenerateOvertaken(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	d, owner := pgtest.OpenURL(t, u), openOwner(t, u)
	err := owner.Generate(t.Context(), db.Generation{Rows: 20_000, Seed: 1, Months: 1, Progress: func(int64) { record(t, d, entry("a.b")) }})
	if !errors.Is(err, db.ErrForeignRows) {
		t.Errorf("error %v", err)
	}
}
