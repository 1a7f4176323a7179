package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"halite/internal/merkle"
	"halite/internal/pgtest"
)

// sealed is a log of made-up rows, and the flags to serve and to verify it.
type sealed struct {
	dbURL    string
	key      *merkle.Key
	flags    []string
	state    string // where what was seen is kept
	superman *pgx.Conn
}

const sealedRows = 600

func newSealed(t *testing.T) *sealed {
	t.Helper()
	dir := t.TempDir()
	code, secret, said := runHere(t, "", "checkpoint", "key", "example.org/log")
	if code != 0 {
		t.Fatal(said)
	}
	secret = strings.TrimSpace(secret)
	key, err := merkle.ParseKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	s := &sealed{dbURL: pgtest.URL(t), key: key, state: filepath.Join(dir, "seen.ndjson")}
	s.flags = []string{"--database-url=" + s.dbURL, "--cookie-secret=" + testSecret, "--checkpoint-key=" + secret}
	if code, _, said := runHere(t, "", append([]string{"generate", "--rows", fmt.Sprint(sealedRows), "--months", "5"}, s.flags...)...); code != 0 {
		t.Fatal(said)
	}
	s.superman = pgtest.Conn(t, s.dbURL, "postgres")
	return s
}

// serve serves the log, and waits until the made-up rows are signed.
func (s *sealed) serve(t *testing.T, flags ...string) (address string, stop func() int) {
	t.Helper()
	address, stop = serveHere(t, append(append(s.flags, "--bootstrap-admin-password="+adminPassword), flags...)...)
	s.signed(t, sealedRows+1)
	return address, stop
}

// signed waits for a checkpoint of that size at least.
func (s *sealed) signed(t *testing.T, size int64) {
	t.Helper()
	eventually(t, "a checkpoint", func() bool {
		var n int64
		err := s.superman.QueryRow(t.Context(), "SELECT coalesce(max(size), 0) FROM checkpoint").Scan(&n)
		return err == nil && n >= size
	})
}

// verify runs halite verify.
func (s *sealed) verify(t *testing.T, stdin string, args ...string) (code int, said string) {
	t.Helper()
	code, out, said := runHere(t, stdin, append([]string{"verify", "--key=" + s.key.VerifierText()}, args...)...)
	return code, out + said
}

func (s *sealed) online(t *testing.T, address string) (code int, said string) {
	t.Helper()
	return s.verify(t, adminPassword, address, "--state="+s.state, "--user=admin", "--password-stdin")
}

// unlocked is what a superuser does first.
const unlocked = "ALTER TABLE audit_log DISABLE TRIGGER USER; ALTER TABLE audit_head DISABLE TRIGGER USER; ALTER TABLE tree_tile DISABLE TRIGGER USER;"

// TestVerifyNamesWhatASuperuserDid: each of it is named, by its first entry, by who
// verifies the server from outside and by the server itself.
func TestVerifyNamesWhatASuperuserDid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ harm, verify, ready string }{
		"a row was changed": {
			"UPDATE audit_log SET username = 'mallory' WHERE id = 300",
			"entry 300: it does not hash to its leaf in the tree: it was changed", "entry 300: ",
		},
		"a row was deleted":  {"DELETE FROM audit_log WHERE id = 300", "entry 300: it is missing in the log", "entry 300: "},
		"the first is gone":  {"DELETE FROM audit_log WHERE id = 1", "entry 1: it is missing in the log, and no entry tells that the retention dropped it", "entry 1: "},
		"a row was inserted": {"INSERT INTO audit_log (id, at, action, resource, decision, result_code) SELECT id, at + interval '1 second', 'x', 'x:y', 'allow', 200 FROM audit_log WHERE id = 300", "entry 300: ", "entry 300: "},
		"two were reordered": {
			"UPDATE audit_log SET id = CASE id WHEN 300 THEN -1 ELSE 300 END WHERE id IN (300, 301); UPDATE audit_log SET id = 301 WHERE id = -1",
			"entry 300: it does not hash to its leaf in the tree: it was changed", "entry 300: ",
		},
		"the head was rewound":      {"UPDATE audit_head SET last_id = 500", "entry 501: ", "entry 501: "},
		"a partition was dropped":   {"DROP TABLE $p", "entry 1: it is missing in the log, and no entry tells that the retention dropped it", "entry 1: "},
		"the hashes were changed":   {"UPDATE tree_tile SET hashes = set_byte(hashes, 39, get_byte(hashes, 39) # 1) WHERE level = 0 AND n = 1", "the hashes that the log keeps do not lead to the root that it signed", "entry 257: "},
		"changed, and its hash too": {"UPDATE audit_log SET username = 'mallory' WHERE id = 300; UPDATE tree_tile SET hashes = overlay(hashes PLACING sha256('x') FROM 1 + 43 * 32) WHERE level = 0 AND n = 1", "the hashes that the log keeps do not lead to the root that it signed", "entry 257: "},
		"the table was replaced": {
			`ALTER TABLE audit_log RENAME TO old; CREATE TABLE audit_log (LIKE old INCLUDING DEFAULTS); CREATE INDEX ON audit_log (id); GRANT SELECT, INSERT ON audit_log TO halite_app;
			INSERT INTO audit_log SELECT * FROM old; UPDATE audit_log SET reason = 'x' WHERE id = 200`,
			"entry 200: it does not hash to its leaf in the tree: it was changed", "entry 200: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSealed(t)
			address, _ := s.serve(t)
			if code, said := s.online(t, address); code != 0 || !strings.Contains(said, "entries, all from 1 to ") {
				t.Fatalf("before: exit status %d, %s", code, said)
			}
			var first string
			if err := s.superman.QueryRow(t.Context(), "SELECT tableoid::regclass::text FROM audit_log ORDER BY id LIMIT 1").Scan(&first); err != nil {
				t.Fatal(err)
			}
			if _, err := s.superman.Exec(t.Context(), unlocked+strings.ReplaceAll(c.harm, "$p", first)); err != nil {
				t.Fatal(err)
			}
			if code, said := s.online(t, address); code != 3 || !strings.Contains(said, "halite: "+c.verify) {
				t.Errorf("exit status %d, %s\nwant %s", code, said, c.verify)
			}
			var body string
			eventually(t, "what /readyz says of it", func() bool {
				res, b, err := get(t.Context(), address+"/readyz", "")
				body = b
				return err == nil && res.StatusCode == http.StatusOK && strings.Contains(b, c.ready)
			})
			if !strings.Contains(body, "nothing is signed over what is wrong") {
				t.Errorf("it may go on signing: %s", body)
			}
		})
	}
}

// TestVerifyRestored: an older copy of the database is noticed by who saw the newer one,
// before the log has grown beyond it and after.
func TestVerifyRestored(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	address, stop := s.serve(t)
	port := func() string { u, _ := url.Parse(address); return u.Port() }()
	if stop() != 0 {
		t.Fatal("it did not end well")
	}
	backup := s.copy(t, s.dbURL)
	address, stop = s.serve(t, "--listen-port="+port)
	for range 5 {
		signIn(t, address, "admin", adminPassword)
	}
	s.signed(t, sealedRows+6)

	ctx, cancel := context.WithCancel(t.Context())
	out, watched := newOutput(), make(chan int, 1)
	go func() {
		watched <- run(ctx, []string{"verify", "--key=" + s.key.VerifierText(), "--state=" + s.state, "--watch", "--every=1s", address}, streams{in: strings.NewReader(""), out: out, err: out})
	}()
	t.Cleanup(cancel)
	eventually(t, "the first look", func() bool { return strings.Contains(out.String(), "grown from what was seen before") })
	stop()
	eventually(t, "that the server is gone is said", func() bool { return strings.Contains(out.String(), "not checked: ") })
	select {
	case code := <-watched:
		t.Fatalf("a server that is gone ended it with %d: %s", code, out)
	default:
	}
	seen, err := os.ReadFile(s.state)
	if err != nil {
		t.Fatal(err)
	}
	s.flags[0] = "--database-url=" + backup
	s.superman = pgtest.Conn(t, backup, "postgres")
	address, _ = s.serve(t, "--listen-port="+port)
	if code := receive(t, "the watch ends", watched); code != 3 || !strings.Contains(out.String(), "halite: the log was rolled back: it has ") {
		t.Errorf("exit status %d, %s", code, out)
	}
	for range 40 {
		signIn(t, address, "admin", adminPassword)
	}
	s.signed(t, sealedRows+40)
	if code, said := s.verify(t, "", address, "--state="+s.state); code != 3 || !strings.Contains(said, "halite: the log was forked: at the size ") {
		t.Errorf("grown since: exit status %d, %s", code, said)
	}
	if after, err := os.ReadFile(s.state); err != nil || string(after) != string(seen) {
		t.Errorf("what was seen was changed, %v", err)
	}
}

// copy makes a copy of a database that nobody uses.
func (s *sealed) copy(t *testing.T, dbURL string) string {
	t.Helper()
	u, err := url.Parse(dbURL)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	if err := s.superman.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := pgtest.URL(t) // a server's connection that is not to this database
	admin := pgtest.Conn(t, other, "postgres")
	if _, err := admin.Exec(t.Context(), fmt.Sprintf("CREATE DATABASE %s_copy TEMPLATE %[1]s OWNER halite", name)); err != nil {
		t.Fatal(err)
	}
	s.superman = pgtest.Conn(t, dbURL, "postgres")
	u.Path += "_copy"
	return u.String()
}

// TestVerifyFile: an export is proven against the key, and against what was seen of the
// server.
func TestVerifyFile(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	address, stop := s.serve(t)
	if code, said := s.verify(t, "", address, "--state="+s.state); code != 0 || !strings.Contains(said, "the entries were not looked at: --user reads them") {
		t.Fatalf("exit status %d, %s", code, said)
	}
	signIn(t, address, "admin", adminPassword)
	signIn(t, address, "admin", adminPassword)
	s.signed(t, sealedRows+4)
	file, march := filepath.Join(t.TempDir(), "log.ndjson"), filepath.Join(t.TempDir(), "month.ndjson")
	var from, to time.Time
	if err := s.superman.QueryRow(t.Context(), "SELECT (SELECT at FROM audit_log WHERE id = 100), (SELECT at FROM audit_log WHERE id = 501)").Scan(&from, &to); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"export", "-o", file},
		{"export", "-o", march, "--since", from.Format(time.RFC3339Nano), "--until", to.Format(time.RFC3339Nano)},
	} {
		if code, _, said := runHere(t, "", append(args, s.flags...)...); code != 0 {
			t.Fatal(said)
		}
	}
	stop()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	part, err := os.ReadFile(march)
	if err != nil {
		t.Fatal(err)
	}
	other, err := merkle.GenerateKey(strings.NewReader(strings.Repeat("x", 64)), "example.org/log")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := merkle.ParseKey(other)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		stdin string
		args  []string
		code  int
		says  string
	}{
		{string(text), []string{"-", "--checkpoint=" + s.state}, 0, "which has grown from the log example.org/log at the size "},
		{"", []string{file}, 0, "proven to be in the log example.org/log at the size "},
		{string(part), []string{"-"}, 0, "401 entries, all from 100 to 500: the file is as it was written\nproven to be in "},
		{string(part), []string{"-", "--checkpoint=" + s.state}, 1, "not held against the log example.org/log at the size "},
		{strings.Replace(string(text), `"id":17,`, `"id":71,`, 1), []string{"-"}, 3, "entry 71 (line 17): its fields do not hash to its leaf: it was changed"},
		{string(text[:len(text)/2]), []string{"-"}, 3, "the file was cut: it has no footer"},
		{"", []string{file, "--key=nonsense"}, 1, "--key nonsense: not a verifier key"},
		{"", []string{filepath.Join(file, "none")}, 1, "not a directory"},
		{"", []string{file, "--watch"}, 2, "--watch, --user and --state are for a server"},
		{"", []string{"http://127.0.0.1:1", "--checkpoint=x"}, 2, "--checkpoint is for a file"},
		{"", []string{"http://127.0.0.1:1", "--watch", "--every=1ms"}, 2, "--every must be 1s or more"},
		{"", []string{"http://127.0.0.1:1", "--state=" + s.state}, 1, "connection refused"},
	} {
		if code, said := s.verify(t, c.stdin, c.args...); code != c.code || !strings.Contains(said, c.says) {
			t.Errorf("%q: exit status %d, %s", c.args, code, said)
		}
	}
	if code, out, said := runHere(t, "", "verify", "--key="+stranger.VerifierText(), file); code != 3 || !strings.Contains(said, "none of the known keys signed the checkpoint") {
		t.Errorf("by another key: exit status %d, %s%s", code, out, said)
	}
}

// TestVerifyAfterRetention: months that the retention dropped are no gap, the rest verifies,
// and so do their archives and an older checkpoint.
func TestVerifyAfterRetention(t *testing.T) {
	t.Parallel()
	s := newSealed(t)
	address, stop := s.serve(t)
	if code, said := s.online(t, address); code != 0 {
		t.Fatalf("before: exit status %d, %s", code, said)
	}
	stop()
	dir := t.TempDir()
	address, _ = s.serve(t, "--audit-retention-days=45", "--audit-archive-dir="+dir)
	var through, size int64
	eventually(t, "what is old is dropped", func() bool {
		err := s.superman.QueryRow(t.Context(), `SELECT coalesce(max(last_id), 0), (SELECT last_id FROM audit_head) FROM audit_retention
			HAVING NOT EXISTS (SELECT FROM audit_log WHERE date_trunc('month', at, 'UTC') + interval '1 month' < now() - interval '45 days')`).Scan(&through, &size)
		return err == nil
	})
	s.signed(t, size)
	if code, said := s.online(t, address); code != 0 || !strings.Contains(said, fmt.Sprintf("the entries up to %d were dropped by the retention, as the log tells", through)) {
		t.Errorf("exit status %d, %s", code, said)
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.zst"))
	if err != nil || len(archives) < 2 {
		t.Fatal(archives, err)
	}
	for _, a := range archives {
		if code, said := s.verify(t, "", a); code != 0 || !strings.Contains(said, "proven to be in the log example.org/log at the size ") {
			t.Errorf("%s: exit status %d, %s", a, code, said)
		}
	}
	if _, err := s.superman.Exec(t.Context(), unlocked+fmt.Sprintf("DELETE FROM audit_log WHERE id = %d", through+1)); err != nil {
		t.Fatal(err)
	}
	if code, said := s.online(t, address); code != 3 || !strings.Contains(said, fmt.Sprintf("entry %d: it is missing in the log, and no entry tells", through+1)) {
		t.Errorf("exit status %d, %s", code, said)
	}
}
