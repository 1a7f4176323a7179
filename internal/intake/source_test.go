package intake_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"halite/internal/intake"
	"halite/internal/pgtest"
)

const user = "550e8400-e29b-41d4-a716-446655440000"

// common is what all three kinds of source hold in this test, as it comes out: by time,
// not by id.
var common = []string{
	"3 2025-06-01T12:30:00Z - auth.login user:mallory " + `{"password":"<redacted>","username":"mallory"}` + "  deny 401 0",
	"1 2025-06-01T12:34:56.789012Z " + user + " salt.run salt:test.ping " + `{"target": "web-*", "n": 1.50}` + " 20250601123456789012 allow 202 7",
	"2 2025-06-01T12:34:56.789012Z " + user + " key.accept key:web-01   allow 204 0",
	"4 2025-06-02T00:00:00Z - salt.run salt:cmd.run " + `{"args":["mysql","--password","<redacted>"]}` + "  allow 202 0",
}

// TestSources: the same rows come out the same from all kinds of source.
func TestSources(t *testing.T) {
	t.Parallel()
	pg := []string{
		`1, '2025-06-01 12:34:56.789012', '` + user + `', 'salt.run', 'salt:test.ping', '{"target": "web-*", "n": 1.50}', '20250601123456789012', 'allow', 202, 7`,
		`2, '2025-06-01 12:34:56.789012', '` + user + `', 'key.accept', 'key:web-01', 'null', NULL, 'allow', 204, 0`,
		`3, '2025-06-01 12:30:00.000000', NULL, 'auth.login', 'user:mallory', '{"username": "mallory", "password": "[REDACTED]"}', NULL, 'deny', 401, 0`,
		`4, '2025-06-02 00:00:00', NULL, 'salt.run', 'salt:cmd.run', '{"args": ["mysql", "--password", "hunter2"]}', NULL, 'allow', 202, 0`,
	}
	var withZone, hex []string
	for _, r := range pg {
		withZone = append(withZone, strings.Replace(r, "', ", "+00', ", 1))
		hex = append(hex, strings.ReplaceAll(r, user, strings.ReplaceAll(user, "-", "")))
	}
	lines := []string{
		`{"id":1,"at":"2025-06-01T12:34:56.789012Z","user_id":"` + strings.ToUpper(user) + `","action":"salt.run","resource":"salt:test.ping","args_json":{"target": "web-*", "n": 1.50},"salt_jid":"20250601123456789012","decision":"allow","result_code":202,"duration_ms":7}`,
		`{"id":2,"at":"2025-06-01T12:34:56.789012","user_id":"` + user + `","action":"key.accept","resource":"key:web-01","args_json":null,"salt_jid":null,"decision":"allow","result_code":204,"duration_ms":0}`,
		`{"id":3,"at":"2025-06-01T14:30:00+02:00","user_id":null,"action":"auth.login","resource":"user:mallory","args_json":{"username": "mallory", "password": "[REDACTED]"},"decision":"deny","result_code":401}`,
		`{"id":4,"at":"2025-06-02T00:00:00Z","user_id":null,"action":"salt.run","resource":"salt:cmd.run","args_json":{"args": ["mysql", "--password", "hunter2"]},"salt_jid":null,"decision":"allow","result_code":202,"duration_ms":0}`,
	}
	page := func(n ...int) string {
		var in []string
		for _, i := range n {
			in = append(in, lines[i-1])
		}
		return `{"total":4,"entries":[` + strings.Join(in, ",") + "]}"
	}
	file := filepath.Join(t.TempDir(), "export.ndjson")
	if err := os.WriteFile(file, []byte("\uFEFF"+strings.Join(lines, "\r\n\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	sqlitePath, pgURL := sqlite(t, hex...), postgres(t, "TIMESTAMPTZ", withZone...)
	for name, s := range map[string]*intake.Source{
		"PostgreSQL":              open(t, pgURL, ""),
		"PostgreSQL by asyncpg":   open(t, strings.Replace(pgURL, "postgres:", "postgresql+asyncpg:", 1), ""),
		"PostgreSQL without zone": open(t, postgres(t, "TIMESTAMP", pg...), ""),
		"SQLite, a path":          open(t, sqlitePath, ""),
		"SQLite, a URL":           open(t, "sqlite:"+sqlitePath, ""),
		"SQLite by SQLAlchemy":    open(t, "sqlite+aiosqlite:///"+sqlitePath, ""),
		"a file of lines":         open(t, file, ""),
		"lines":                   open(t, "-", strings.Join(lines, "\n")+"\n"),
		"an export":               open(t, "-", strings.Join(lines, "\n")+"\n"+`{"footer":{"count":4}}`+"\n"),
		"pages, newest first":     open(t, "-", page(4, 2)+"\n"+page(1, 3)),
		"pages that overlap":      open(t, "-", page(4, 2, 1)+"\n"+page(2, 1, 3)),
	} {
		entries, rejected, sum := read(t, s, intake.Options{})
		if diff := cmp.Diff(common, entries); diff != "" || rejected != "" {
			t.Errorf("%s: rejected %q, -want +got\n%s", name, rejected, diff)
		}
		if overlap := int64(2 * strings.Count(name, "overlap")); sum.Redacted != 1 || sum.Altered != 0 || sum.Taken != 4+overlap {
			t.Errorf("%s: %+v", name, sum)
		}
	}
}

// TestSQLiteOddities: SQLite holds any value in any column.
func TestSQLiteOddities(t *testing.T) {
	t.Parallel()
	rest := `NULL, 'allow', 200, 0`
	path := sqlite(t,
		`1, 1735689600, NULL, 'a', 'seconds', NULL, `+rest,
		`2, 1735689601123, NULL, 'a', 'milliseconds', NULL, `+rest,
		`3, 1735689602.5, NULL, 'a', 'real', NULL, `+rest,
		`4, '2025-01-01T00:00:03Z', NULL, 'a', 'zone', NULL, `+rest,
		`5, '2025-01-01 02:00:04+02:00', NULL, 'a', 'offset', NULL, `+rest,
		`6, '2025-01-01 00:00:05', x'550e8400e29b41d4a716446655440000', 'a', 'blob', NULL, `+rest,
		`7, '2025-01-01 00:00:06', '550E8400-E29B-41D4-A716-446655440000', 'a', 'upper', NULL, `+rest,
		`8, '2025-01-01 00:00:07', NULL, 'a', 'long '||printf('%.300c', 'x'), NULL, `+rest,
		`9, '2025-01-01 00:00:08', NULL, 'a', 'nul '||char(0)||' byte', NULL, `+rest,
		`10, '2025-01-01 00:00:09', NULL, 'a', 'broken', '{"a": ', `+rest,
		`11, '2025-01-01 00:00:10', NULL, 'a', 'list', '["x"]', `+rest,
		`12, '2025-01-01 00:00:11', NULL, 'a', 'numbers', '{}', '', 'allow', '200', '12'`,
	)
	entries, rejected, sum := read(t, open(t, path, ""), intake.Options{})
	want := []string{
		"1 2025-01-01T00:00:00Z - a seconds   allow 200 0",
		"2 2025-01-01T00:00:01.123Z - a milliseconds   allow 200 0",
		"3 2025-01-01T00:00:02.5Z - a real   allow 200 0",
		"4 2025-01-01T00:00:03Z - a zone   allow 200 0",
		"5 2025-01-01T00:00:04Z - a offset   allow 200 0",
		"6 2025-01-01T00:00:05Z " + user + " a blob   allow 200 0",
		"7 2025-01-01T00:00:06Z " + user + " a upper   allow 200 0",
		"8 2025-01-01T00:00:07Z - a long " + strings.Repeat("x", 249) + "…   allow 200 0",
		"9 2025-01-01T00:00:08Z - a nul \uFFFD byte   allow 200 0",
		`10 2025-01-01T00:00:09Z - a broken {"_invalid":6,"sha256":"` + sha256Hex(`{"a": `) + `"}  allow 200 0`,
		`11 2025-01-01T00:00:10Z - a list {"_value":["x"]}  allow 200 0`,
		`12 2025-01-01T00:00:11Z - a numbers {}  allow 200 12`,
	}
	if diff := cmp.Diff(want, entries); diff != "" || rejected != "" {
		t.Errorf("rejected %q, -want +got\n%s", rejected, diff)
	}
	if sum.Altered != 4 {
		t.Errorf("%d rows altered", sum.Altered)
	}
}

// TestSQLiteWAL: what is in the write-ahead log alone is read too, and nothing is changed.
func TestSQLiteWAL(t *testing.T) {
	t.Parallel()
	path := sqlite(t)
	d, err := sql.Open("sqlite", fileURL(path)+"?_pragma=journal_mode(wal)&_pragma=wal_autocheckpoint(0)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	for _, q := range inserts([]string{`1, '2025-01-01 00:00:00', NULL, 'a', 'r', NULL, NULL, 'allow', 200, 0`}) {
		if _, err := d.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadFile(path)
	if err != nil || bytes.Contains(before, []byte("2025-01-01")) {
		t.Fatalf("the row is in the file itself, error %v", err)
	}
	entries, _, _ := read(t, open(t, path, ""), intake.Options{})
	if len(entries) != 1 {
		t.Errorf("%d entries", len(entries))
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed, error %v", err)
	}
}

// TestPostgresOddities: JSON that jsonb refuses, and a log with our own columns.
func TestPostgresOddities(t *testing.T) {
	t.Parallel()
	u := postgres(t, "TIMESTAMPTZ",
		`1, '2025-01-01 00:00:00Z', NULL, 'a', 'nul', '{"a": "x\u0000y", "n": 1e999999}', NULL, 'allow', 200, 0`,
		`2, '2025-01-01 00:00:01Z', NULL, 'a', 'null', 'null', NULL, 'allow', 200, 0`,
		`3, 'infinity', NULL, 'a', 'for ever', NULL, NULL, 'allow', 200, 0`)
	c := pgtest.Conn(t, u, "halite")
	for _, q := range []string{
		"ALTER TABLE audit_log ADD username text, ADD verb text, ADD reason text, ADD request_id text, ADD source_ip inet, ADD user_agent text, ADD more text",
		"UPDATE audit_log SET username = 'ada', verb = 'view', reason = 'because', request_id = 'r', source_ip = '::1', user_agent = 'curl' WHERE id = 2",
	} {
		if _, err := c.Exec(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	entries, rejected, _ := read(t, open(t, u, ""), intake.Options{})
	want := []string{
		`1 2025-01-01T00:00:00Z - a nul {"a": "x\ufffdy", "n": "1e999999"}  allow 200 0`,
		`2 2025-01-01T00:00:01Z - a null   allow 200 0 ada view because r ::1/128 curl`,
	}
	if diff := cmp.Diff(want, entries); diff != "" || !strings.HasPrefix(rejected, `{"where":"id 3","reason":"at is no time: \"infinity\"","row":{`) {
		t.Errorf("rejected %s, -want +got\n%s", rejected, diff)
	}
}

// TestOpenRefuses: what is no source is told before anything else, and no credentials are.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	if _, err := pgtest.Conn(t, u, "halite").Exec(t.Context(), "DROP TABLE audit_log"); err != nil {
		t.Fatal(err)
	}
	half := postgres(t, "TIMESTAMPTZ")
	if _, err := pgtest.Conn(t, half, "halite").Exec(t.Context(), "ALTER TABLE audit_log DROP decision"); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty.db")
	if err := os.WriteFile(empty, append([]byte("SQLite format 3\x00"), make([]byte, 100)...), 0o600); err != nil {
		t.Fatal(err)
	}
	for spec, says := range map[string]string{
		filepath.Join(t.TempDir(), "none"):             "no such file",
		"sqlite:" + filepath.Join(t.TempDir(), "none"): "unable to open",
		empty: "database",
		u:     "there is no table audit_log",
		half:  "has no column decision",
		"postgres://me:hunter2@127.0.0.1:1/x?password=hunter2": "postgres://127.0.0.1:1/x: ",
		"postgres://me:hunter2@[::1/x":                         "not a valid postgres:// URL",
	} {
		_, err := intake.Open(t.Context(), spec, nil)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v, want %q", spec, err, says)
		}
	}
}
