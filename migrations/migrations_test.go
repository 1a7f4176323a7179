package migrations_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
	"halite/migrations"
)

func TestMain(m *testing.M) { pgtest.Main(m, false) }

func connect(t *testing.T, url string) *sql.DB {
	t.Helper()
	d, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func up(t *testing.T, d *sql.DB) error {
	t.Helper()
	return migrations.Locked(t.Context(), d, func(ctx context.Context) error { return migrations.Up(ctx, d, pgtest.Quiet) })
}

func down(t *testing.T, d *sql.DB) error {
	t.Helper()
	return migrations.Locked(t.Context(), d, func(ctx context.Context) error { return migrations.Down(ctx, d) })
}

// emptied is a database without a schema.
func emptied(t *testing.T) (*sql.DB, string) {
	t.Helper()
	url := pgtest.URL(t)
	d := connect(t, url)
	exec(t, d, "DROP SCHEMA public CASCADE")
	exec(t, d, "CREATE SCHEMA public")
	return d, url
}

func exec(t *testing.T, d *sql.DB, query string) {
	t.Helper()
	if _, err := d.ExecContext(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// schema describes everything in public, but for what the runner keeps for itself.
func schema(t *testing.T, url string) []string {
	t.Helper()
	rows, err := pgtest.Conn(t, url, "halite").Query(t.Context(), `
		SELECT 'relation ' || c.relname || ' ' || c.relkind::text || ' ' || coalesce(c.reloptions::text, '') FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace
		UNION ALL SELECT 'column ' || attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull || ' ' || coalesce(pg_get_expr(adbin, adrelid), '')
			FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
			WHERE c.relnamespace = 'public'::regnamespace AND attnum > 0
		UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
		UNION ALL SELECT 'trigger ' || pg_get_triggerdef(oid) || ' ' || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
		UNION ALL SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
		ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, line := range all {
		if !strings.Contains(line, "halite_migrations") {
			out = append(out, line)
		}
	}
	return out
}

func TestUpDownUp(t *testing.T) {
	t.Parallel()
	d, url := emptied(t)
	empty := schema(t, url)
	if len(empty) > 0 {
		t.Fatalf("not empty at first: %q", empty)
	}
	if err := up(t, d); err != nil {
		t.Fatal(err)
	}
	full := schema(t, url)
	if len(full) < 50 {
		t.Fatalf("the schema: %q", full)
	}
	if err := up(t, d); err != nil {
		t.Errorf("up once more: %v", err)
	}
	if diff := cmp.Diff(full, schema(t, url)); diff != "" {
		t.Errorf("up once more changed the schema:\n%s", diff)
	}
	for range 2 {
		if err := down(t, d); err != nil {
			t.Fatal(err)
		}
		if left := schema(t, url); len(left) > 0 {
			t.Errorf("down left %q", left)
		}
	}
	if err := up(t, d); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full, schema(t, url)); diff != "" {
		t.Errorf("up again made another schema:\n%s", diff)
	}
	s := pgtest.OpenURL(t, url)
	e := audit.Entry{Action: "a.b", Resource: "test:x", Decision: audit.Allow}
	if err := s.Append(t.Context(), []*audit.Entry{&e}); err != nil || e.ID != 1 {
		t.Errorf("afterwards: row %d, %v", e.ID, err)
	}
}

// TestDownRefused: the log is not destroyed by a command that means the schema.
func TestDownRefused(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	s := pgtest.OpenURL(t, url)
	e := audit.Entry{Action: "a.b", Resource: "test:x", Decision: audit.Allow}
	if err := s.Append(t.Context(), []*audit.Entry{&e}); err != nil {
		t.Fatal(err)
	}
	before := schema(t, url)
	if err := s.MigrateDown(t.Context()); !errors.Is(err, migrations.ErrLogNotEmpty) {
		t.Errorf("down with a row: %v, want %v", err, migrations.ErrLogNotEmpty)
	}
	if diff := cmp.Diff(before, schema(t, url)); diff != "" {
		t.Errorf("the refusal changed the schema:\n%s", diff)
	}
	if _, err := s.Get(t.Context(), 1); err != nil {
		t.Errorf("the row: %v", err)
	}
}

// TestRefusedHistory: a database that another program made is left alone.
func TestRefusedHistory(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ harm, want string }{
		"changed":  {"UPDATE halite_migrations SET sha256 = repeat('0', 64) WHERE version_id = 1", "migration 1 was changed after it was applied"},
		"unsigned": {"UPDATE halite_migrations SET sha256 = NULL WHERE version_id = 2", "migration 2 was changed after it was applied"},
		"newer":    {"INSERT INTO halite_migrations (version_id, is_applied, sha256) VALUES (999, true, '')", "migration 999, which this program does not know"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.URL(t)
			d := connect(t, url)
			exec(t, d, tt.harm)
			before := schema(t, url)
			for what, err := range map[string]error{"Up": up(t, d), "Down": down(t, d), "Open": open(t, url)} {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: %v, want %q", what, err, tt.want)
				}
			}
			if diff := cmp.Diff(before, schema(t, url)); diff != "" {
				t.Errorf("the refusal changed the schema:\n%s", diff)
			}
		})
	}
}

func open(t *testing.T, url string) error {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{URL: url, Logger: pgtest.Quiet})
	if err == nil {
		d.Close()
	}
	return err
}

// TestTwoServers has several servers open one empty database at once.
func TestTwoServers(t *testing.T) {
	t.Parallel()
	d, url := emptied(t)
	errs := make(chan error)
	const servers = 6
	for range servers {
		go func() { errs <- open(t, url) }()
	}
	for range servers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	var applied, distinct int
	err := d.QueryRowContext(t.Context(), "SELECT count(*), count(DISTINCT version_id) FROM halite_migrations WHERE version_id > 0 AND sha256 IS NOT NULL").Scan(&applied, &distinct)
	if err != nil || applied < 3 || applied != distinct {
		t.Errorf("%d migrations marked, %d of them different, %v", applied, distinct, err)
	}
}

// TestHalfWay has a migration fail after some of its statements. It leaves nothing and
// is not marked; what is in the way removed, it goes on from there.
func TestHalfWay(t *testing.T) {
	t.Parallel()
	d, url := emptied(t)
	exec(t, d, "CREATE TABLE sessions ()") // the second migration makes others before it
	if err := up(t, d); err == nil || !strings.Contains(err.Error(), "sessions") {
		t.Fatalf("up: %v, want an error about sessions", err)
	}
	var users, log bool
	var version int
	err := d.QueryRowContext(t.Context(), `SELECT to_regclass('users') IS NOT NULL, to_regclass('audit_log') IS NOT NULL,
		(SELECT max(version_id) FROM halite_migrations)`).Scan(&users, &log, &version)
	if err != nil || users || !log || version != 1 {
		t.Errorf("users made: %v, log made: %v, version %d, %v", users, log, version, err)
	}
	exec(t, d, "DROP TABLE sessions")
	if err := up(t, d); err != nil {
		t.Fatal(err)
	}
	whole, other := emptied(t)
	if err := up(t, whole); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(schema(t, other), schema(t, url)); diff != "" {
		t.Errorf("another schema than without the failure:\n%s", diff)
	}
}

// TestLockReleased: the lock of a server that crashed does not keep others out.
func TestLockReleased(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	held, release := make(chan struct{}), make(chan struct{})
	crashing := connect(t, url)
	ended := make(chan error)
	go func() {
		ended <- migrations.Locked(t.Context(), crashing, func(context.Context) error {
			close(held)
			<-release
			return nil
		})
	}()
	<-held
	admin := pgtest.Conn(t, url, "postgres")
	var terminated bool
	err := admin.QueryRow(t.Context(), `SELECT bool_and(pg_terminate_backend(pid)) FROM pg_locks
		WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&terminated)
	if err != nil || !terminated {
		t.Fatalf("end the holder: %v, %v", terminated, err)
	}
	if err := up(t, connect(t, url)); err != nil {
		t.Errorf("after the crash: %v", err)
	}
	close(release)
	<-ended
}
