package main

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"halite/internal/pgtest"
)

// haliteOnSQLite makes a database of Halite's, and returns what its own REST route says
// of it, newest first, with the documented changes: a zone, our ids, our mark.
func haliteOnSQLite(t *testing.T) (path, rest string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "halite.db")
	d, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	for _, q := range []string{
		`CREATE TABLE audit_log (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, at DATETIME NOT NULL, user_id CHAR(32), action VARCHAR(128) NOT NULL,
			resource VARCHAR(255) NOT NULL, args_json JSON, salt_jid VARCHAR(64), decision VARCHAR(16) NOT NULL, result_code INTEGER NOT NULL, duration_ms INTEGER NOT NULL)`,
		`INSERT INTO audit_log VALUES
			(11, '2025-06-01 12:34:56.789012', '550e8400e29b41d4a716446655440000', 'salt.run', 'salt:test.ping', '{"target": "web-*", "args": [], "kwargs": {"n": 1.5}}', '20250601123456789012', 'allow', 202, 0),
			(12, '2025-06-01 12:30:00.000000', NULL, 'auth.login', 'user:mallory', '{"username": "mallory", "password": "[REDACTED]"}', NULL, 'deny', 401, 0),
			(14, '2025-09-30 23:59:59.999999', '550e8400e29b41d4a716446655440000', 'key.accept', 'key:web-01', 'null', NULL, 'allow', 204, 0)`,
	} {
		if _, err := d.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	return path, `{"total":3,"entries":[
		{"id":3,"at":"2025-09-30T23:59:59.999999Z","user_id":"550e8400-e29b-41d4-a716-446655440000","action":"key.accept","resource":"key:web-01","args_json":null,"salt_jid":null,"decision":"allow","result_code":204,"duration_ms":0},
		{"id":2,"at":"2025-06-01T12:34:56.789012Z","user_id":"550e8400-e29b-41d4-a716-446655440000","action":"salt.run","resource":"salt:test.ping","args_json":{"args":[],"kwargs":{"n":1.5},"target":"web-*"},"salt_jid":"20250601123456789012","decision":"allow","result_code":202,"duration_ms":0},
		{"id":1,"at":"2025-06-01T12:30:00Z","user_id":null,"action":"auth.login","resource":"user:mallory","args_json":{"password":"<redacted>","username":"mallory"},"salt_jid":null,"decision":"deny","result_code":401,"duration_ms":0}]}`
}

// TestImport: what was imported is served like anything else, the import has its row
// behind it, and there is no second one. What the route answers can be imported again.
func TestImport(t *testing.T) {
	t.Parallel()
	path, want := haliteOnSQLite(t)
	var answer string
	for _, from := range []string{path, "-"} {
		database := []string{"--database-url=" + pgtest.URL(t), "--cookie-secret=" + testSecret}
		code, out, said := runHere(t, answer, append(database, "import", from)...)
		if code != 0 || !strings.HasPrefix(out, "imported 3 entries, from 2025-06-01T12:30:00Z to 2025-09-30T23:59:59Z, as the ids 1 to 3\n3 rows were read; 0 were rejected") {
			t.Fatalf("exit status %d, %s, %s", code, out, said)
		}
		if code, _, said := runHere(t, answer, append(database, "import", from)...); code != 1 || !strings.Contains(said, "the log has its import already") {
			t.Errorf("once more: exit status %d, %s", code, said)
		}
		url, stop := serveHere(t, append(database, "--bootstrap-admin-password="+adminPassword)...)
		res, body, err := get(t.Context(), url+"/api/audit?until=2025-12-31T00:00:00Z", signIn(t, url, "admin", adminPassword))
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%v, %v", res, err)
		}
		if diff := cmp.Diff(parsed(t, want), parsed(t, body)); diff != "" {
			t.Errorf("imported from %s, -want +got\n%s", from, diff)
		}
		answer = body
		stop()
		rows := logged(t, pgtest.Conn(t, strings.TrimPrefix(database[0], "--database-url="), "halite"))
		row := regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllString(rows[3], "?")
		source := map[string]string{path: path, "-": "standard input"}[from]
		if row != `4 - cli:`+osUser()+` audit.import audit:* allow 200 {"rows": 3, "sha256": "?", "source": "`+source+`", "altered": 0, "entries": 3, `+
			`"last_at": "2025-09-30T23:59:59.999999Z", "last_id": 3, "complete": true, "first_at": "2025-06-01T12:30:00Z", "first_id": 1, "redacted": 0, "rejected": 0, "repeated": 0} command line` {
			t.Errorf("the import's row: %s", row)
		}
	}
}

func parsed(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// TestImportBadRow: it is told by its line, and nothing is written; with --reject the
// others are imported and it is kept in the file, which only its owner can read.
func TestImportBadRow(t *testing.T) {
	t.Parallel()
	const good = `{"id":1,"at":"2025-01-01T00:00:00Z","action":"a","resource":"r:x","decision":"allow","result_code":200}` + "\n"
	database := []string{"--database-url=" + pgtest.URL(t), "--cookie-secret=" + testSecret}
	rejected := filepath.Join(t.TempDir(), "rejected")
	for _, step := range []struct {
		stdin string
		args  []string
		code  int
		says  string
	}{
		{good + "nonsense\n" + good, nil, 1, "halite: line 2: not an entry: invalid character 'o' in literal null (expecting 'u'); nothing was written. Mend it, or go on without such rows: --reject FILE\n"},
		{"", nil, 1, "halite: standard input holds no entries (0 rows, 0 of them rejected)\n"},
		{"nonsense", []string{"--reject=" + rejected}, 1, "halite: standard input holds no entries (1 rows, 1 of them rejected)\n"},
		{good, []string{"--reject=" + rejected + "/none"}, 1, "not a directory\n"},
		{good + "nonsense\n" + good, []string{"--reject=" + rejected}, 0, "3 rows were read; 1 were rejected, 1 left out as repeated\n"},
	} {
		code, out, said := runHere(t, step.stdin, append(append(database, "import", "-"), step.args...)...)
		if code != step.code || !strings.Contains(out+said, step.says) {
			t.Errorf("%q: exit status %d, %s%s", step.stdin, code, out, said)
		}
	}
	text, err := os.ReadFile(rejected)
	if err != nil || string(text) != `{"where":"line 2","reason":"not an entry: invalid character 'o' in literal null (expecting 'u')","text":"nonsense"}`+"\n" {
		t.Errorf("%s, %v", text, err)
	}
	if info, err := os.Stat(rejected); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestImportUnfinished: nothing else writes to the log until the import is finished, or
// is known to be one that cannot be: then it has its row, and the log is open.
func TestImportUnfinished(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	c := pgtest.Conn(t, u, "halite")
	database := []string{"--database-url=" + u, "--cookie-secret=" + testSecret}
	if _, err := c.Exec(t.Context(), `INSERT INTO audit_import (source, digest, imported) VALUES ('elsewhere', '\x00', 5)`); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"serve", "--listen-port=0"}, {"user", "list"}} {
		if code, _, said := runHere(t, "", append(database, args...)...); code != 1 || !strings.Contains(said, "an import that is not finished") {
			t.Errorf("%v: exit status %d, %s", args, code, said)
		}
	}
	if code, _, said := runHere(t, "", append(database, "import", "-")...); code != 1 || !strings.Contains(said, "was written meanwhile") {
		t.Errorf("exit status %d, %s", code, said)
	}
	want := []string{`1 - cli:` + osUser() + ` audit.import audit:* allow 409 {"source": "elsewhere", "entries": 5, "last_id": 5, "complete": false, "first_id": 1} command line`}
	if diff := cmp.Diff(want, logged(t, c)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if code, _, said := runHere(t, "", append(database, "user", "list")...); code != 0 {
		t.Errorf("the log is still closed: %s", said)
	}
}
