package db_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
)

// watchPatience bounds each wait for the head: what takes longer never comes.
const watchPatience = 30 * time.Second

// awaitHead waits until the head is known to be at id.
func awaitHead(t *testing.T, h *db.Head, id int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), watchPatience)
	defer cancel()
	if last, err := h.Wait(ctx, id-1); err != nil || last != id {
		t.Fatalf("the head is known at %d, want %d, %v", last, id, err)
	}
}

func write(t *testing.T, d *db.DB) int64 {
	t.Helper()
	e := entry("a.b")
	if err := d.Append(t.Context(), []*audit.Entry{&e}); err != nil {
		t.Fatal(err)
	}
	return e.ID
}

// listening is the condition of connections that are listened on, by the time that they do.
const listening = "datname = current_database() AND application_name = 'halite listen' AND query LIKE 'SELECT last_id%'"

// awaitListeners waits until there are n.
func awaitListeners(t *testing.T, admin *pgx.Conn, n int) {
	t.Helper()
	deadline, tick := time.After(watchPatience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		var found int
		if err := admin.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE "+listening).Scan(&found); err != nil {
			t.Fatal(err)
		}
		if found == n {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d connections listen, want %d", found, n)
		}
	}
}

// lines is what a server's log says.
type lines struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// TestHead: what a server writes is known at it, and at all others, in order, however many
// wait; a server that closes without having watched has told the others.
func TestHead(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	one, two := pgtest.OpenURL(t, url), pgtest.OpenURL(t, url)
	write(t, one) // before anybody watches
	heads := []*db.Head{one.WatchNotified(), two.WatchNotified()}
	for _, h := range heads {
		t.Cleanup(h.Stop)
		awaitHead(t, h, 1)
	}
	const rows, waiters = 40, 5
	var wg sync.WaitGroup
	for _, h := range heads {
		for range waiters {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), watchPatience)
				defer cancel()
				for last := int64(1); last < rows; {
					next, err := h.Wait(ctx, last)
					if err != nil || next <= last {
						t.Errorf("behind %d: %d, %v", last, next, err)
						return
					}
					last = next
				}
			})
		}
	}
	for n := int64(2); n <= rows; n++ {
		write(t, []*db.DB{one, two}[n%2])
	}
	wg.Wait()
	for _, h := range heads {
		if h.Last() != rows {
			t.Errorf("the head is known at %d", h.Last())
		}
	}

	verb, err := db.Open(t.Context(), db.Config{URL: url, Logger: pgtest.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	id := write(t, verb)
	verb.Close()
	for _, h := range heads {
		awaitHead(t, h, id)
	}

	// A change tells too, and one that was taken back does not.
	e, err := one.Change(t.Context(), func(context.Context) error { return nil }, func(error) audit.Entry { return entry("a.c") })
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range heads {
		awaitHead(t, h, e.ID)
	}
}

// TestHeadStopped: Stop ends those who wait, and the connection.
func TestHeadStopped(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	d := pgtest.OpenURL(t, url)
	h := d.WatchHead()
	awaitHead(t, h, write(t, d))
	admin := pgtest.Conn(t, url, "postgres")
	awaitListeners(t, admin, 1)
	ended := make(chan error)
	go func() {
		_, err := h.Wait(t.Context(), 1)
		ended <- err
	}()
	h.Stop()
	if err := <-ended; !errors.Is(err, db.ErrHeadStopped) {
		t.Errorf("a wait ended with %v", err)
	}
	awaitListeners(t, admin, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	again := d.WatchHead()
	t.Cleanup(again.Stop)
	if _, err := again.Wait(ctx, 100); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that was given up: %v", err)
	}
}

// TestHeadMissed: an entry that nobody was told of is found all the same.
func TestHeadMissed(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	d := pgtest.OpenURL(t, url)
	id := write(t, d)
	h := d.WatchHead()
	t.Cleanup(h.Stop)
	awaitHead(t, h, id)
	owner := pgtest.Conn(t, url, "halite")
	awaitListeners(t, pgtest.Conn(t, url, "postgres"), 1)
	// As by a server that crashes behind its commit.
	exec(t, owner, "UPDATE audit_head SET last_id = last_id + 1, last_at = clock_timestamp()")
	awaitHead(t, h, 2)
	// Notifications that mean nothing move nothing.
	for range 100 {
		exec(t, owner, "NOTIFY halite_head, '4711'")
	}
	awaitHead(t, h, write(t, pgtest.OpenURL(t, url)))
}

// TestHeadReconnects: the connection is killed; entries written meanwhile are known, and it
// listens again.
func TestHeadReconnects(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	said := &lines{}
	d, err := db.Open(t.Context(), db.Config{URL: url, Logger: slog.New(slog.NewTextHandler(said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	other := pgtest.OpenURL(t, url)
	h := d.WatchHead()
	t.Cleanup(h.Stop)
	awaitHead(t, h, write(t, other))
	admin := pgtest.Conn(t, url, "postgres")
	for range 2 {
		awaitListeners(t, admin, 1)
		if _, err := admin.Exec(t.Context(), "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE "+listening); err != nil {
			t.Fatal(err)
		}
		awaitHead(t, h, write(t, other)) // by looking
	}
	awaitListeners(t, admin, 1)
	if n := strings.Count(said.String(), "not notified of new entries"); n != 2 {
		t.Errorf("told %d times: %s", n, said)
	}
}
