package faults

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"halite/internal/audit"
	"halite/internal/pgembed"
	"halite/internal/pgtest"
)

// cluster is a PostgreSQL that a test may kill.
type cluster struct {
	dir    string
	server *pgembed.Server
}

// newCluster starts a server of its own. It ends with the test.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "halite-faults-") // a short path, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // the server may run as another user
		t.Fatal(err)
	}
	c := &cluster{dir: filepath.Join(dir, "data")}
	c.start(t)
	t.Cleanup(func() { _ = c.server.Stop() })
	return c
}

func (c *cluster) start(t *testing.T) {
	t.Helper()
	server, err := pgembed.Start(t.Context(), pgembed.Config{Dir: c.dir, Logger: pgtest.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	c.server = server
}

func (c *cluster) url() string { return c.server.URL() }

// admin connects as the superuser.
func (c *cluster) admin(t *testing.T) *pgx.Conn {
	t.Helper()
	u, err := url.Parse(c.url())
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User("postgres")
	conn, err := pgx.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// kill ends the postmaster without a chance to do anything and starts it again.
func (c *cluster) kill(t *testing.T) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(c.dir, "postgres", "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(file), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	sigkill(t, pid)
	receive(t, c.server.Done(), "the end of PostgreSQL")
	c.start(t)
}

func sigkill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// TestKillPostgres kills a backend, which makes PostgreSQL end all of them and
// recover, and the postmaster, under load. The server's process stays.
func TestKillPostgres(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	d := pgtest.OpenURL(t, c.url())
	recorder := audit.NewRecorder(d, audit.DefaultQueue, pgtest.Quiet)
	t.Cleanup(recorder.Stop)
	o := opened{url: c.url(), db: d}
	l := startLoad(t, 16, func(caller int, name string) (audit.Entry, error) {
		if caller%4 == 0 {
			return o.change(context.Background(), name)
		}
		return recorder.Record(entry(name))
	})
	l.await(t, 10)
	var pid int
	err := c.admin(t).QueryRow(t.Context(), `SELECT pid FROM pg_stat_activity WHERE application_name = 'halite'
		AND backend_type = 'client backend' ORDER BY query LIKE '%audit_head%' DESC, state = 'active' DESC LIMIT 1`).Scan(&pid)
	if err != nil {
		t.Fatal(err)
	}
	sigkill(t, pid)
	l.await(t, 10)
	c.kill(t)
	l.await(t, 10)
	l.stop(t)
	l.check(t, c.url(), "action")
}

// TestCrashForgetsTransaction: a crash forgets a transaction whose log records had not
// been flushed, its id included. To ask for the id is an error of PostgreSQL's then, or
// it has been given to another transaction meanwhile, whose outcome says nothing.
func TestCrashForgetsTransaction(t *testing.T) {
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
	for _, fate := range []string{"forgotten", "reused"} {
		record("before " + fate) // also flushes the images of whole pages that follow a checkpoint

		release := p.armHeld(beforeCommit)
		done := make(chan struct{})
		go func() { defer close(done); record(fate) }()
		receive(t, p.hit, "the held commit")
		var xid int64
		err := c.admin(t).QueryRow(t.Context(), "SELECT backend_xid::text::bigint FROM pg_stat_activity WHERE backend_xid IS NOT NULL").Scan(&xid)
		if err != nil {
			t.Fatal(err)
		}
		c.kill(t)
		admin := c.admin(t)
		for now := int64(0); fate == "reused" && now <= xid; {
			if err := admin.QueryRow(t.Context(), "SELECT pg_current_xact_id()::text::bigint").Scan(&now); err != nil {
				t.Fatal(err)
			}
		}
		close(release)
		receive(t, done, "the caller to be released")
		record("after " + fate)
	}
	l.check(t, c.url(), "action")
}
