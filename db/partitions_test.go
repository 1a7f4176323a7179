package db_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"halite/internal/audit"
	"halite/internal/pgtest"
)

func dropPartitions(t *testing.T, c *pgx.Conn) {
	t.Helper()
	for _, p := range partitions(t, c) {
		exec(t, c, "DROP TABLE "+p)
	}
}

// TestMissingPartition takes all partitions away. The writer makes them, with all that
// belongs to one, and nobody sees it.
func TestMissingPartition(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	d := pgtest.OpenURL(t, u)
	c := pgtest.Conn(t, u, "halite")
	const indexes = `SELECT inhparent::regclass::text FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid
		WHERE indrelid = $1::regclass::oid ORDER BY 1`
	made := partitions(t, c)

	write := map[string]func() (audit.Entry, error){
		"Append": func() (audit.Entry, error) {
			e := entry("a.b")
			return e, d.Append(t.Context(), []*audit.Entry{&e})
		},
		"Change": func() (audit.Entry, error) {
			return d.Change(t.Context(), func(context.Context) error { return nil }, func(error) audit.Entry { return entry("a.b") })
		},
	}
	for name, fn := range write {
		if _, err := fn(); err != nil { // so that the statement is prepared
			t.Fatal(err)
		}
		dropPartitions(t, c)
		if h := d.CheckHealth(t.Context()); h.Writable != nil {
			t.Errorf("without partitions: %v", h.Writable)
		}
		if _, err := fn(); err != nil {
			t.Errorf("%s without partitions: %v", name, err)
		}
		if diff := cmp.Diff(made, partitions(t, c)); diff != "" {
			t.Errorf("%s made other partitions:\n%s", name, diff)
		}
		if h := d.CheckHealth(t.Context()); h.AppendOnly != "ok" {
			t.Errorf("after %s: %s", name, h)
		}
		for _, p := range partitions(t, c) {
			rows, err := c.Query(t.Context(), indexes, p)
			if err != nil {
				t.Fatal(err)
			}
			got, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			want := []string{
				"audit_log_action_allow_idx", "audit_log_action_deny_idx", "audit_log_allow_idx", "audit_log_deny_idx", "audit_log_pkey",
				"audit_log_user_action_allow_idx", "audit_log_user_action_deny_idx", "audit_log_user_allow_idx", "audit_log_user_deny_idx",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("indexes of %s:\n%s", p, diff)
			}
		}
	}
}

// TestPartitionsAhead: this month and the next three, and another by request.
func TestPartitionsAhead(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	d := pgtest.OpenURL(t, u)
	c := pgtest.Conn(t, u, "halite")
	if err := d.EnsurePartitions(t.Context(), time.Date(2019, 12, 31, 23, 59, 59, 999999999, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if err := d.EnsurePartitions(t.Context(), time.Date(2019, 12, 31, 20, 0, 0, 0, time.FixedZone("", -6*3600))); err != nil {
		t.Fatal(err) // 2020 in UTC
	}
	var now time.Time
	if err := c.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&now); err != nil {
		t.Fatal(err)
	}
	now = now.UTC()
	want := []string{"audit_log_2019_12", "audit_log_2020_01"}
	for i := range 4 {
		want = append(want, time.Date(now.Year(), now.Month()+time.Month(i), 1, 0, 0, 0, 0, time.UTC).Format("audit_log_2006_01"))
	}
	if diff := cmp.Diff(want, partitions(t, c)); diff != "" {
		t.Error(diff)
	}
}

// TestClockBehind puts the last row into the future. Rows keep its time, even where
// that has no partition yet, and the health says how far the clock is behind.
func TestClockBehind(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]time.Duration{"an hour": time.Hour, "a year": 365 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := pgtest.URL(t)
			d := pgtest.OpenURL(t, u)
			record(t, d, entry("before"))
			c := pgtest.Conn(t, u, "postgres")
			exec(t, c, "ALTER TABLE audit_head DISABLE TRIGGER USER")
			var last time.Time
			err := c.QueryRow(t.Context(), "UPDATE audit_head SET last_at = clock_timestamp() + $1::float8 * interval '1 second' RETURNING last_at",
				ahead.Seconds()).Scan(&last)
			if err != nil {
				t.Fatal(err)
			}
			for _, trigger := range []string{"forward", "one_row", "no_truncate"} {
				exec(t, c, "ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_"+trigger)
			}
			for want := int64(2); want < 4; want++ {
				if e := record(t, d, entry("behind")); e.ID != want || !e.At.Equal(last) {
					t.Errorf("row %d at %s, want %d at %s", e.ID, e.At, want, last)
				}
			}
			e, err := d.Change(t.Context(), func(context.Context) error { return nil }, func(error) audit.Entry { return entry("behind") })
			if err != nil || e.ID != 4 || !e.At.Equal(last) {
				t.Errorf("a change is row %d at %s (%v), want 4 at %s", e.ID, e.At, err, last)
			}
			h := d.CheckHealth(t.Context())
			if h.ClockLag <= ahead-patience || h.ClockLag > ahead {
				t.Errorf("the clock is behind by %s, want a little less than %s", h.ClockLag, ahead)
			}
			if h.Writable != nil || h.AppendOnly != "ok" {
				t.Errorf("health: %s", h)
			}
		})
	}
}

const patience = 5 * time.Minute
