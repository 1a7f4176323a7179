package faults

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"halite/internal/audit"
	"halite/internal/pgtest"
)

// TestSlowCommit cuts the connection during a COMMIT that goes on for as long as the
// server waits for a replica. While it does, the outcome is open: to try again would
// make a second row.
func TestSlowCommit(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	p := newProxy(t, c.url())
	recorder := audit.NewRecorder(pgtest.OpenURL(t, p.through(c.url())), audit.DefaultQueue, pgtest.Quiet)
	t.Cleanup(recorder.Stop)
	l := newTold()
	record := func(name string) {
		e, err := recorder.Record(entry(name))
		l.note(name, e.ID, err)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	admin := c.admin(t)
	do := func(conn *pgx.Conn, sql string) {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	// until asks again and again until the answer is yes.
	until := func(question string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for yes := false; !yes; {
			if err := admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE "+question+")").Scan(&yes); err != nil {
				t.Fatalf("%s: %v", question, err)
			}
		}
	}
	record("before")
	do(admin, "CREATE TABLE probe (n int)")
	do(admin, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
	do(admin, "SELECT pg_reload_conf()")
	probe, probed := c.admin(t), make(chan struct{})
	go func() {
		defer close(probed)
		for tag := int64(0); tag == 0; { // until the setting holds, and that has been seen
			do(probe, "INSERT INTO probe VALUES (1)")
			if err := probe.QueryRow(t.Context(), "SELECT count(*) FROM probe WHERE n = 2").Scan(&tag); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	until("wait_event = 'SyncRep'")
	do(admin, "SET synchronous_commit = local")
	do(admin, "INSERT INTO probe VALUES (2)")
	do(admin, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	receive(t, probed, "the probe")

	p.arm(duringCommit)
	done := make(chan struct{})
	go func() { defer close(done); record("slow") }()
	receive(t, p.hit, "the cut")
	until("wait_event = 'SyncRep'")
	until("query LIKE 'SELECT pg_xact_status%' AND state = 'idle'") // asked and answered
	do(admin, "ALTER SYSTEM RESET synchronous_standby_names")
	do(admin, "SELECT pg_reload_conf()")
	receive(t, done, "the caller to be released")
	record("after")
	l.check(t, c.url(), "action")
}
