package db_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
)

const denied = "42501"

// as takes a connection in one of the ways in which somebody can hold one.
var as = map[string]struct {
	login string
	setup string
}{
	"serving role":          {"halite", "SET ROLE halite_app"},
	"owner":                 {"halite", ""},
	"superuser":             {"postgres", ""},
	"replicating superuser": {"postgres", "SET session_replication_role = replica"},
}

func exec(t *testing.T, c *pgx.Conn, sql string) {
	t.Helper()
	if _, err := c.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func wantDenied(t *testing.T, c *pgx.Conn, sql string) {
	t.Helper()
	if _, err := c.Exec(t.Context(), sql); db.SQLState(err) != denied {
		t.Errorf("%s: %v, want SQLSTATE %s", sql, err, denied)
	}
}

// texts returns the one column of a query.
func texts(t *testing.T, c *pgx.Conn, sql string, args ...any) []string {
	t.Helper()
	rows, err := c.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func partitions(t *testing.T, c *pgx.Conn) []string {
	t.Helper()
	return texts(t, c, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_log'::regclass ORDER BY 1")
}

func record(t *testing.T, d *db.DB, e audit.Entry) audit.Entry {
	t.Helper()
	if err := d.Append(t.Context(), []*audit.Entry{&e}); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestAppendOnly is law 5 for everybody, on the table and on each partition, with rows
// and without.
func TestAppendOnly(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	d := pgtest.OpenURL(t, u)
	record(t, d, entry("a.b"))
	record(t, d, entry("a.b"))
	sealAll(t, d)
	look := pgtest.Conn(t, u, "postgres")
	const everything = "SELECT l::text FROM audit_log AS l UNION ALL SELECT h::text FROM audit_head AS h " +
		"UNION ALL SELECT t::text FROM tree_tile AS t UNION ALL SELECT t::text FROM tree_head AS t UNION ALL SELECT c::text FROM checkpoint AS c UNION ALL SELECT g::text FROM pg_trigger AS g ORDER BY 1"
	before := texts(t, look, everything)
	tables := append(partitions(t, look), "audit_log")
	if len(tables) < 5 {
		t.Fatalf("tables of the log: %q", tables)
	}
	for who, how := range as {
		t.Run(who, func(t *testing.T) {
			c := pgtest.Conn(t, u, how.login)
			if how.setup != "" {
				exec(t, c, how.setup)
			}
			for _, table := range tables {
				for _, sql := range []string{
					"UPDATE $t SET action = 'x'", "UPDATE ONLY $t SET action = 'x'", "UPDATE $t SET at = at + interval '1 month'",
					"UPDATE $t SET action = 'x' WHERE false", "DELETE FROM $t", "DELETE FROM ONLY $t", "DELETE FROM $t WHERE false",
					"TRUNCATE $t", "TRUNCATE ONLY $t", "TRUNCATE $t CASCADE", "TRUNCATE users, $t CASCADE",
					"INSERT INTO $t SELECT * FROM audit_log ON CONFLICT (id, at) DO UPDATE SET action = 'x'",
					"WITH gone AS (DELETE FROM $t RETURNING id) SELECT count(*) FROM gone",
				} {
					if sql = strings.ReplaceAll(sql, "$t", table); sql == "TRUNCATE ONLY audit_log" {
						continue // a partitioned table has nothing of its own; PostgreSQL calls it an error of another kind
					}
					wantDenied(t, c, sql)
				}
			}
			for _, sql := range []string{
				"UPDATE audit_head SET last_id = last_id - 1", "UPDATE audit_head SET last_id = 0, last_at = 'epoch'",
				"UPDATE audit_head SET last_id = last_id", "UPDATE audit_head SET last_at = last_at + interval '1 day'",
				"UPDATE audit_head SET last_id = last_id + 1, last_at = last_at - interval '1 microsecond'",
				"DELETE FROM audit_head", "TRUNCATE audit_head", "INSERT INTO audit_head (last_id, last_at) VALUES (0, 'epoch')",
				"INSERT INTO audit_head VALUES (true, 0, 'epoch') ON CONFLICT (singleton) DO UPDATE SET last_id = 0",
				"UPDATE tree_tile SET hashes = substring(hashes FROM 1 FOR 32)", "UPDATE tree_tile SET hashes = hashes", "UPDATE tree_tile SET n = n + 1",
				"UPDATE tree_tile SET hashes = sha256('x') || hashes", "UPDATE tree_tile SET hashes = sha256('x') || sha256('y') || sha256('z')",
				"INSERT INTO tree_tile SELECT * FROM tree_tile ON CONFLICT (level, n) DO UPDATE SET hashes = sha256('x')",
				"DELETE FROM tree_tile", "TRUNCATE tree_tile", "UPDATE tree_head SET size = size - 1", "UPDATE tree_head SET size = size",
				"UPDATE tree_head SET size = size + 1, last_at = last_at - interval '1 second'", "DELETE FROM tree_head", "TRUNCATE tree_head",
				"INSERT INTO tree_head (size, root, last_at) VALUES (0, sha256(''), 'epoch')",
				"UPDATE checkpoint SET note = ''", "DELETE FROM checkpoint", "DELETE FROM checkpoint WHERE size = 2", "TRUNCATE checkpoint",
				"INSERT INTO checkpoint (size, root, note) VALUES (1, sha256(''), '')",
			} {
				wantDenied(t, c, sql)
			}
		})
	}
	t.Run("schema", func(t *testing.T) {
		c := pgtest.Conn(t, u, "halite")
		exec(t, c, "SET ROLE halite_app")
		for _, sql := range []string{
			"CREATE TABLE audit_log_1999_01 PARTITION OF audit_log FOR VALUES FROM ('1999-01-01') TO ('1999-02-01')",
			"DROP TABLE $p", "ALTER TABLE audit_log DETACH PARTITION $p", "DROP TABLE audit_log", "ALTER TABLE audit_log RENAME TO x",
			"ALTER TABLE audit_log DISABLE TRIGGER ALL", "ALTER TABLE $p DISABLE TRIGGER audit_log_no_change", "ALTER TABLE audit_head DISABLE TRIGGER ALL",
			"DROP TRIGGER audit_log_no_change ON audit_log", "DROP FUNCTION audit_log_refuse_change() CASCADE",
			"CREATE OR REPLACE FUNCTION audit_log_refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
			"CREATE RULE r AS ON INSERT TO audit_log DO INSTEAD NOTHING", "SET session_replication_role = replica",
			"CREATE TRIGGER t BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_refuse_change()",
			"UPDATE halite_migrations SET sha256 = ''",
			"UPDATE audit_rank SET allowed = 0", "DELETE FROM audit_rank", "TRUNCATE audit_rank", "DROP TABLE audit_rank",
			"INSERT INTO leases VALUES ('x', gen_random_uuid(), now())", "UPDATE leases SET task = 'x'", "DELETE FROM leases", "TRUNCATE leases",
		} {
			wantDenied(t, c, strings.ReplaceAll(sql, "$p", tables[0]))
		}
	})
	if diff := cmp.Diff(before, texts(t, look, everything)); diff != "" {
		t.Errorf("something changed:\n%s", diff)
	}
}

// TestCheckHealth weakens the log in one way each.
func TestCheckHealth(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ harm, want string }{
		"none":                       {"SELECT", "ok"},
		"row trigger dropped":        {"DROP TRIGGER audit_log_no_change ON audit_log", "error: triggers missing or disabled on audit_log"},
		"partition trigger dropped":  {"DROP TRIGGER audit_log_no_statement ON $p", "error: triggers missing or disabled on $p"},
		"partition trigger disabled": {"ALTER TABLE $p DISABLE TRIGGER audit_log_no_change", "error: triggers missing or disabled on $p"},
		"trigger not for replicas":   {"ALTER TABLE $p ENABLE TRIGGER audit_log_no_statement", "error: triggers missing or disabled on $p"},
		"all triggers disabled":      {"ALTER TABLE audit_log DISABLE TRIGGER ALL", "error: triggers missing or disabled on audit_log"},
		"head trigger disabled":      {"ALTER TABLE audit_head DISABLE TRIGGER audit_head_forward", "error: triggers missing or disabled on audit_head"},
		"head trigger dropped":       {"DROP TRIGGER audit_head_no_truncate ON audit_head", "error: triggers missing or disabled on audit_head"},
		"update granted":             {"GRANT UPDATE ON audit_log TO halite_app", "error: the serving role may change audit_log"},
		"truncate granted to all":    {"GRANT TRUNCATE ON $p TO public", "error: the serving role may change $p"},
		"update of a column granted": {"GRANT UPDATE (reason) ON audit_log TO halite_app", "error: the serving role may change audit_log"},
		"delete of a partition":      {"GRANT DELETE ON $p TO halite_app", "error: the serving role may change $p"},
		"tile trigger disabled":      {"ALTER TABLE tree_tile DISABLE TRIGGER tree_tile_grow", "error: triggers missing or disabled on tree_tile"},
		"tree head trigger dropped":  {"DROP TRIGGER tree_head_forward ON tree_head", "error: triggers missing or disabled on tree_head"},
		"checkpoint trigger gone":    {"DROP TRIGGER checkpoint_grow ON checkpoint", "error: triggers missing or disabled on checkpoint"},
		"delete of tiles granted":    {"GRANT DELETE ON tree_tile TO halite_app", "error: the serving role may change tree_tile"},
		"insert of tree head":        {"GRANT INSERT ON tree_head TO halite_app", "error: the serving role may change tree_head"},
		"update of checkpoints":      {"GRANT UPDATE ON checkpoint TO halite_app", "error: the serving role may change checkpoint"},
		"delete of the head granted": {"GRANT DELETE ON audit_head TO halite_app", "error: the serving role may change audit_head"},
		"trigger privilege granted":  {"GRANT TRIGGER ON audit_log TO halite_app", "error: the serving role may change audit_log"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := pgtest.URL(t)
			d := pgtest.OpenURL(t, u)
			c := pgtest.Conn(t, u, "postgres")
			first := partitions(t, c)[0]
			exec(t, c, strings.ReplaceAll(tt.harm, "$p", first))
			h := d.CheckHealth(t.Context())
			want := strings.ReplaceAll(tt.want, "$p", first)
			if h.AppendOnly != want && !strings.HasPrefix(h.AppendOnly, want+", ") {
				t.Errorf("append_only is %q, want %q", h.AppendOnly, want)
			}
			if h.Writable != nil || h.Durable != "ok" || h.ClockLag != 0 {
				t.Errorf("health: %s", h)
			}
		})
	}
}

// TestGrantsHeal: what the serving role was given beyond its due is taken back at the
// next start.
func TestGrantsHeal(t *testing.T) {
	t.Parallel()
	for _, grant := range []string{
		"GRANT UPDATE ON audit_log TO halite_app", "GRANT UPDATE (reason) ON audit_log TO halite_app",
		"GRANT DELETE ON audit_head TO halite_app", "GRANT TRIGGER ON audit_log TO halite_app", "REVOKE ALL ON sessions FROM halite_app",
		"GRANT UPDATE ON audit_rank TO halite_app", "REVOKE INSERT ON audit_rank FROM halite_app", "GRANT DELETE ON leases TO halite_app",
		"GRANT DELETE ON tree_tile TO halite_app", "GRANT INSERT ON tree_head TO halite_app", "GRANT UPDATE ON checkpoint TO halite_app",
	} {
		t.Run(grant, func(t *testing.T) {
			t.Parallel()
			u := pgtest.URL(t)
			exec(t, pgtest.Conn(t, u, "halite"), grant)
			d := pgtest.OpenURL(t, u)
			if h := d.CheckHealth(t.Context()); h.AppendOnly != "ok" {
				t.Errorf("append_only is %q", h.AppendOnly)
			}
			if _, err := d.PurgeSessions(t.Context()); err != nil {
				t.Error(err)
			}
			c := pgtest.Conn(t, u, "halite")
			exec(t, c, "SET ROLE halite_app")
			exec(t, c, "INSERT INTO audit_rank VALUES (0, gen_random_uuid(), '', 1, now(), 1, 0)")
			wantDenied(t, c, "UPDATE audit_rank SET allowed = 2")
			wantDenied(t, c, "DELETE FROM leases")
		})
	}
}

// TestDurable: no setting of a role or a database makes an answered row less durable.
func TestDurable(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	name := strings.TrimPrefix(parse(t, u).Path, "/")
	admin := pgtest.Conn(t, u, "postgres")
	exec(t, admin, "ALTER DATABASE "+name+" SET synchronous_commit = off")
	exec(t, admin, "ALTER ROLE halite IN DATABASE "+name+" SET synchronous_commit = off")
	if h := pgtest.OpenURL(t, u).CheckHealth(t.Context()); h.Durable != "ok" {
		t.Errorf("durable is %q", h.Durable)
	}
}

func parse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// asLogin makes a login and an empty database that it owns, and returns the URL. Both
// go with the test.
func asLogin(t *testing.T, login string) string {
	t.Helper()
	u := pgtest.URL(t)
	admin := pgtest.Conn(t, u, "postgres")
	exec(t, admin, "CREATE ROLE "+login+" LOGIN")
	exec(t, admin, "CREATE DATABASE "+login+" OWNER "+login)
	t.Cleanup(func() {
		for _, sql := range []string{"DROP DATABASE " + login + " WITH (FORCE)", "DROP ROLE " + login} {
			if _, err := admin.Exec(context.Background(), sql); err != nil {
				t.Error(err)
			}
		}
	})
	own := parse(t, u)
	own.User, own.Path = url.User(login), "/"+login
	return own.String()
}

// TestTriggerOnly: an owner who may neither make the serving role nor take it serves
// all the same.
func TestTriggerOnly(t *testing.T) {
	t.Parallel()
	u := asLogin(t, "lonely_owner")
	d := pgtest.OpenURL(t, u)
	if h := d.CheckHealth(t.Context()); h.AppendOnly != "trigger only" || h.Writable != nil {
		t.Errorf("health: %s", h)
	}
	if e := record(t, d, entry("a.b")); e.ID != 1 {
		t.Errorf("the first row is %d", e.ID)
	}
	c, err := pgx.Connect(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	wantDenied(t, c, "DELETE FROM audit_log")
}

// TestAppURL: a login for serving gets what the serving role has, and no more.
func TestAppURL(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	app := parse(t, asLogin(t, "serving_login"))
	app.Path = parse(t, u).Path
	d, err := db.Open(t.Context(), db.Config{URL: u, AppURL: app.String(), Logger: pgtest.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	if h := d.CheckHealth(t.Context()); h.AppendOnly != "ok" || h.Writable != nil {
		t.Errorf("health: %s", h)
	}
	if e := record(t, d, entry("a.b")); e.ID != 1 {
		t.Errorf("the first row is %d", e.ID)
	}
	c := pgtest.Conn(t, u, "serving_login")
	wantDenied(t, c, "DELETE FROM audit_log")
	wantDenied(t, c, "UPDATE audit_head SET last_id = 0, last_at = 'epoch'")
	d.Close()
	exec(t, pgtest.Conn(t, u, "halite"), "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM serving_login; REVOKE ALL ON SCHEMA public FROM serving_login")
}
