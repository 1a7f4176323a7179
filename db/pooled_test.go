package db_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"halite/db"
	"halite/internal/pgtest"
)

// openPooled opens a database through a pooler, as a login that serves.
func openPooled(t *testing.T, url string, b *pgtest.Bouncer, app string, direct string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{
		URL: b.URL(t, url, "halite"), AppURL: b.URL(t, url, app), DirectURL: direct, Pooled: true, Logger: pgtest.Quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// TestPooledHead: the head is polled through a pooler, and listened to past it. Either way
// it is known what others write, and they know what is written here.
func TestPooledHead(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	b := pgtest.NewBouncer(t, 3)
	app := b.Login(t, url)
	servers := []*db.DB{openPooled(t, url, b, app, ""), openPooled(t, url, b, app, url), pgtest.OpenURL(t, url)}
	var heads []*db.Head
	for _, d := range servers {
		h := d.WatchHead()
		t.Cleanup(h.Stop)
		heads = append(heads, h)
	}
	awaitListeners(t, pgtest.Conn(t, url, "postgres"), 2)
	for range 3 {
		for _, d := range servers {
			id := write(t, d)
			for _, h := range heads {
				awaitHead(t, h, id)
			}
		}
	}
	b.Kill()
	id := write(t, servers[2])
	awaitHead(t, heads[1], id) // its own way
	b.Start(t)
	awaitHead(t, heads[0], id)
	for _, d := range servers {
		if h := d.CheckHealth(t.Context()); h.Writable != nil || h.AppendOnly != "ok" || h.Durable != "ok" {
			t.Errorf("health: %s", h)
		}
	}
}

// TestPooledLogin: what cannot be set behind a pooler has to be there, or the start is
// refused with the setting's name, or the log warns.
func TestPooledLogin(t *testing.T) {
	t.Parallel()
	limits := []string{"statement_timeout = '20s'", "idle_in_transaction_session_timeout = '60s'", "enable_sort = off", "enable_incremental_sort = off"}
	for name, tt := range map[string]struct {
		settings        []string
		refused, warned string
	}{
		"as it should be": {settings: limits},
		"not durable":     {settings: []string{"synchronous_commit = off"}, refused: "synchronous_commit is off"},
		"another schema":  {settings: []string{"search_path = pg_catalog"}, refused: "search_path"},
		"old strings":     {settings: []string{"standard_conforming_strings = off"}, refused: "standard_conforming_strings"},
		"no limits":       {warned: "statement_timeout"},
		"no idle limit":   {settings: limits[:1], warned: "idle_in_transaction_session_timeout"},
		"sorted":          {settings: limits[:3], warned: "enable_incremental_sort"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.URL(t)
			b := pgtest.NewBouncer(t, 3)
			app := b.Login(t, url, tt.settings...)
			said := &lines{}
			d, err := db.Open(t.Context(), db.Config{
				URL: b.URL(t, url, "halite"), AppURL: b.URL(t, url, app), Pooled: true, Logger: slog.New(slog.NewTextHandler(said, nil)),
			})
			if err == nil {
				d.Close()
			}
			if (err != nil) != (tt.refused != "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("opened with %v, want an error about %q", err, tt.refused)
			}
			if got := said.String(); tt.warned == "" != (got == "") || !strings.Contains(got, tt.warned) {
				t.Errorf("the log says %q, want %q", got, tt.warned)
			}
		})
	}
}

// TestPooledRole: without a login of its own the owner serves, which is said; or the pooler
// takes the role.
func TestPooledRole(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{"": "trigger only", "connect_query='SET ROLE halite_app'": "ok"} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			url := pgtest.URL(t)
			b := pgtest.NewBouncer(t, 3, line)
			said := &lines{}
			d, err := db.Open(t.Context(), db.Config{
				URL: b.URL(t, url, "halite"), DirectURL: url, Pooled: true, Logger: slog.New(slog.NewTextHandler(said, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(d.Close)
			if h := d.CheckHealth(t.Context()); h.AppendOnly != want || h.Writable != nil {
				t.Errorf("health: %s", h)
			}
			if warned := strings.Contains(said.String(), "serving as the owner"); warned != (want != "ok") {
				t.Errorf("the log says %s", said)
			}
			if id := write(t, d); id != 1 {
				t.Errorf("the first row is %d", id)
			}
		})
	}
}

// TestPooledOwner: what the owner does, and its locks, work through a pooler too: several
// servers that start on an empty database, and imports that keep each other out.
func TestPooledOwner(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	owner := pgtest.Conn(t, url, "halite")
	exec(t, owner, "DROP SCHEMA public CASCADE")
	exec(t, owner, "CREATE SCHEMA public")
	b := pgtest.NewBouncer(t, 4)
	cfg := db.Config{URL: b.URL(t, url, "halite"), Pooled: true, Logger: pgtest.Quiet}
	const servers = 3
	opened, errs := make([]*db.DB, servers), make(chan error)
	for i := range opened {
		go func() {
			var err error
			if opened[i], err = db.OpenOwner(context.Background(), cfg); err == nil {
				err = opened[i].Migrate(context.Background())
			}
			errs <- err
		}()
	}
	for range opened {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range opened {
		t.Cleanup(d.Close)
	}
	into, err := opened[0].BeginImport(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opened[1].BeginImport(t.Context()); !errors.Is(err, db.ErrImportRunning) {
		t.Errorf("a second import: %v", err)
	}
	into.Close()
	if into, err = opened[1].BeginImport(t.Context()); err != nil {
		t.Fatalf("when the first has ended: %v", err)
	}
	into.Close()
	if err := opened[0].MigrateDown(t.Context()); err != nil {
		t.Error(err)
	}
	var held int
	err = owner.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&held)
	if err != nil || held != 0 {
		t.Errorf("%d locks are left, %v", held, err)
	}
}

// TestPoolerRefusesParameters: what PgBouncer does not take with the start of a connection
// is not sent, and what is put into the URL is named.
func TestPoolerRefusesParameters(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	b := pgtest.NewBouncer(t, 3)
	_, err := db.Open(t.Context(), db.Config{URL: b.URL(t, url, "halite") + "&search_path=public", Pooled: true, Logger: pgtest.Quiet})
	if err == nil || !strings.Contains(err.Error(), "search_path") || !strings.HasPrefix(err.Error(), "DATABASE_URL: ") {
		t.Errorf("with a parameter in the URL: %v", err)
	}
}
