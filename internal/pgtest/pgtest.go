// Package pgtest gives tests a real PostgreSQL: one private server per test process,
// one fresh database per test, cloned from a migrated template.
package pgtest

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"halite/db"
	"halite/internal/directory"
	"halite/internal/pgembed"
)

// Quiet is a logger that says nothing.
var Quiet = slog.New(slog.DiscardHandler)

const template = "halite_template"

var (
	server *pgembed.Server
	serial atomic.Int64
)

// Main runs a package's tests with a server. Durable asks for one on the disk, for
// tests that kill it or measure it; otherwise its files are in memory, where a flush
// costs nothing.
func Main(m *testing.M, durable bool) {
	os.Exit(run(m, durable))
}

func run(m *testing.M, durable bool) int {
	root := ""
	if _, err := os.Stat("/dev/shm"); err == nil && !durable {
		root = "/dev/shm"
	}
	dir, err := os.MkdirTemp(root, "halite-test-")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil { // the server may run as another user
		return fail(err)
	}
	if err := startServer(dir); err != nil {
		return fail(err)
	}
	defer func() { _ = server.Stop() }()
	if err := prepare(); err != nil {
		return fail(err)
	}
	return m.Run()
}

// Server is the running server, for tests that do harm to it.
func Server() *pgembed.Server { return server }

// URL returns the URL of a fresh, migrated database, as its owner. It is dropped at
// the end of the test, unless that failed: then it is named in the test's log.
func URL(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("t%d_%s", serial.Add(1), clean(tb.Name()))
	admin(tb, fmt.Sprintf("CREATE DATABASE %s OWNER halite TEMPLATE %s STRATEGY file_copy", name, template))
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("database kept while this process runs: %s", withDatabase("halite", name))
			return
		}
		admin(tb, fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", name))
	})
	return withDatabase("halite", name)
}

// Open returns a fresh database, opened. It is closed at the end of the test.
func Open(tb testing.TB) *db.DB {
	tb.Helper()
	return OpenURL(tb, URL(tb))
}

// OpenURL opens a database once more: another server on it.
func OpenURL(tb testing.TB, url string) *db.DB {
	tb.Helper()
	d, err := db.Open(tb.Context(), db.Config{URL: url, Logger: Quiet})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(d.Close)
	return d
}

// Roles finds roles by their names, for making users.
func Roles(tb testing.TB, d *db.DB, names ...string) []directory.RoleRef {
	tb.Helper()
	all, err := d.Roles(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	var refs []directory.RoleRef
	for _, r := range all {
		if slices.Contains(names, r.Name) {
			refs = append(refs, directory.RoleRef{ID: r.ID, Name: r.Name})
		}
	}
	if len(refs) != len(names) {
		tb.Fatalf("roles %q: there are only %v", names, refs)
	}
	return refs
}

// Conn connects to a database as it is, for looking at it. as is the role, such as
// halite or postgres.
func Conn(tb testing.TB, dbURL, as string) *pgx.Conn {
	tb.Helper()
	u, err := url.Parse(dbURL)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := pgx.Connect(tb.Context(), withDatabase(as, strings.TrimPrefix(u.Path, "/")))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// startServer starts a server with room for the pools of many tests side by side.
func startServer(dir string) (err error) {
	cfg := pgembed.Config{Dir: filepath.Join(dir, "data"), Logger: Quiet}
	if server, err = pgembed.Start(context.Background(), cfg); err != nil {
		return err
	}
	if err := execute("ALTER SYSTEM SET max_connections = 500"); err != nil {
		return err
	}
	if err := server.Stop(); err != nil {
		return err
	}
	server, err = pgembed.Start(context.Background(), cfg)
	return err
}

func prepare() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := execute("CREATE DATABASE " + template + " OWNER halite"); err != nil {
		return err
	}
	d, err := db.Open(ctx, db.Config{URL: withDatabase("halite", template), Logger: Quiet})
	if err != nil {
		return err
	}
	d.Close()
	return nil
}

func admin(tb testing.TB, sql string) {
	tb.Helper()
	if err := execute(sql); err != nil {
		tb.Fatal(err)
	}
}

// execute runs a statement as the superuser, outside of the tests' databases.
func execute(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, withDatabase("postgres", "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	if _, err := c.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

func withDatabase(user, name string) string {
	u, err := url.Parse(server.URL())
	if err != nil {
		panic(err)
	}
	u.User, u.Path = url.User(user), "/"+name
	return u.String()
}

// clean makes a test's name fit for a database's.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(s))
	return s[:min(len(s), 40)]
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "pgtest:", err)
	return 1
}
