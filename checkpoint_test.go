package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"

	"halite/internal/merkle"
	"halite/internal/pgtest"
)

// latestCheckpoint is the latest checkpoint of a database, and the log's last id.
func latestCheckpoint(t *testing.T, c *pgx.Conn) (signed []byte, lastID int64) {
	t.Helper()
	if err := c.QueryRow(t.Context(), "SELECT (SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1), last_id FROM audit_head").Scan(&signed, &lastID); err != nil {
		t.Fatal(err)
	}
	return signed, lastID
}

func verifier(t *testing.T, secret string) note.Verifier {
	t.Helper()
	k, err := merkle.ParseKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k.Verifier()
}

// newKeyHere is a key as the command makes it.
func newKeyHere(t *testing.T, name string) string {
	t.Helper()
	code, out, said := runHere(t, "", "checkpoint", "key", name)
	secret := strings.TrimSpace(out)
	if code != 0 || strings.Contains(said, secret) {
		t.Fatalf("%d %s", code, said)
	}
	if k, err := merkle.ParseKey(secret); err != nil || !strings.Contains(said, k.VerifierText()) {
		t.Fatalf("%s: %v", said, err)
	}
	return secret
}

// TestCheckpointAtShutdown: the last row of a server that was stopped is under a signed
// checkpoint, and so is every one before.
func TestCheckpointAtShutdown(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	c := pgtest.Conn(t, database, "halite")
	server := start(t, database)
	if got := readyAt(t, server); !strings.Contains(got, `"tree":"ok","checkpoint":"ok"`) {
		t.Errorf("/readyz: %s", got)
	}
	signIn(t, server.URL, "admin", adminPassword)
	server.stop(t)
	signed, lastID := latestCheckpoint(t, c)
	cp, err := merkle.OpenCheckpoint(signed, verifier(t, testKey))
	if err != nil || cp.N != lastID || cp.Origin != "example.org/log" {
		t.Errorf("%+v of %d rows, %v", cp, lastID, err)
	}
	if !strings.Contains(server.out.String(), "example.org/log+4e933303+") || strings.Contains(server.out.String(), "PRIVATE") {
		t.Errorf("it said: %s", server.out)
	}
	code, out, said := runHere(t, "", "--database-url", database, "--cookie-secret", testSecret, "--checkpoint-key", testKey, "checkpoint", "show")
	if code != 0 || out != string(signed) || strings.Contains(said, "PRIVATE") {
		t.Errorf("checkpoint show: %d\n%s\n%s", code, out, said)
	}
}

// TestCheckpointWithoutKey: it is sealed, and said that nothing is signed.
func TestCheckpointWithoutKey(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	server := start(t, database, "CHECKPOINT_KEY=")
	if got := readyAt(t, server); !strings.Contains(got, `"status":"degraded"`) || !strings.Contains(got, `"tree":"ok","checkpoint":"error: nothing is signed, CHECKPOINT_KEY is not set"`) {
		t.Errorf("/readyz: %s", got)
	}
	server.stop(t)
	c := pgtest.Conn(t, database, "halite")
	signed, lastID := latestCheckpoint(t, c)
	var size int64
	if err := c.QueryRow(t.Context(), "SELECT size FROM tree_head").Scan(&size); err != nil || signed != nil || size != lastID || size == 0 {
		t.Errorf("%d rows, %d sealed, signed %q, %v", lastID, size, signed, err)
	}
	if !strings.Contains(server.out.String(), "nothing is signed, CHECKPOINT_KEY is not set") {
		t.Errorf("it said: %s", server.out)
	}
}

// TestCheckpointKeyReplaced: both keys sign for a while; a key that nobody vouches for
// signs nothing; and each change has its row.
func TestCheckpointKeyReplaced(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	c := pgtest.Conn(t, database, "halite")
	first, second, third := testKey, newKeyHere(t, "example.org/log"), newKeyHere(t, "example.org/log")
	serve := func(env ...string) *instance {
		t.Helper()
		s := start(t, database, env...)
		signIn(t, s.URL, "admin", adminPassword)
		return s
	}
	serve("CHECKPOINT_KEY=" + first).stop(t)
	serve("CHECKPOINT_KEY="+second, "CHECKPOINT_KEY_PREVIOUS="+first).stop(t)
	signed, lastID := latestCheckpoint(t, c)
	for _, k := range []string{first, second} {
		if cp, err := merkle.OpenCheckpoint(signed, verifier(t, k)); err != nil || cp.N < lastID-1 { // the row of the change came after it
			t.Errorf("%+v of %d rows, %v", cp, lastID, err)
		}
	}

	s := serve("CHECKPOINT_KEY=" + third)
	if got := readyAt(t, s); !strings.Contains(got, `"checkpoint":"error: the latest checkpoint was signed by another key: set CHECKPOINT_KEY_PREVIOUS to it"`) {
		t.Errorf("/readyz: %s", got)
	}
	s.stop(t)
	if again, _ := latestCheckpoint(t, c); string(again) != string(signed) {
		t.Errorf("signed by a key that nobody vouches for: %s", again)
	}

	k, err := merkle.ParseKey(second)
	if err != nil {
		t.Fatal(err)
	}
	s = serve("CHECKPOINT_KEY="+third, "CHECKPOINT_KEY_PREVIOUS="+k.VerifierText())
	if got := readyAt(t, s); !strings.Contains(got, `"tree":"ok","checkpoint":"ok"`) {
		t.Errorf("/readyz: %s", got)
	}
	s.stop(t)
	signed, _ = latestCheckpoint(t, c)
	if _, err := merkle.OpenCheckpoint(signed, verifier(t, third)); err != nil {
		t.Error(err)
	}
	var rows int
	var before, after string
	err = c.QueryRow(t.Context(), `SELECT count(*), min(args_json->>'before'), max(args_json->>'after') FROM audit_log
		WHERE action = 'checkpoint.key' AND username = 'system' AND decision = 'allow'`).Scan(&rows, &before, &after)
	if err != nil || rows != 2 || !strings.Contains(before, "example.org/log+4e933303") {
		t.Errorf("%d rows, from %s to %s, %v", rows, before, after, err)
	}
}

// TestCheckpointKeyGenerated: the embedded database's key is made once, and private.
func TestCheckpointKeyGenerated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := &common{}
	secret, err := c.signKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	k, err := merkle.ParseKey(secret)
	if err != nil || !strings.HasPrefix(k.Name(), "halite.local/") {
		t.Errorf("%s, %v", k.Name(), err)
	}
	path := filepath.Join(dir, "checkpoint_key")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if again, err := c.signKey(dir); err != nil || again != secret {
		t.Errorf("another key: %v", err)
	}
	if err := os.WriteFile(path, []byte("PRIVATE+KEY+rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.signKey(dir); err == nil || strings.Contains(err.Error(), "rubbish") || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
	if other, err := (&common{}).signKey(t.TempDir()); err != nil || other == secret {
		t.Errorf("two logs have one key: %v", err)
	}
}

// TestRunningServerNotices: what somebody with all rights does to the log is named while
// the server runs, and once more after it was mended.
func TestRunningServerNotices(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	server := start(t, database)
	for range 5 {
		signIn(t, server.URL, "admin", adminPassword)
	}
	super := pgtest.Conn(t, database, "postgres")
	eventually(t, "the rows are signed", func() bool {
		signed, _ := latestCheckpoint(t, super)
		c, _, err := merkle.ReadCheckpoint(signed)
		return err == nil && c.N >= 4
	})
	change := func(decision string) {
		t.Helper()
		if _, err := super.Exec(t.Context(), "ALTER TABLE audit_log DISABLE TRIGGER USER; UPDATE audit_log SET decision = '"+decision+"' WHERE id = 3; ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_no_change; ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_no_statement"); err != nil {
			t.Fatal(err)
		}
	}
	change("deny")
	eventually(t, "the changed row is named", func() bool {
		return strings.Contains(readyAt(t, server), `"tree":"error: entry 3: the row is not the one that was sealed","checkpoint":"error: nothing is signed over what is wrong"`)
	})
	change("allow")
	eventually(t, "it is mended", func() bool { return strings.Contains(readyAt(t, server), `"tree":"ok","checkpoint":"ok"`) })
	var rows []string
	if err := super.QueryRow(t.Context(), "SELECT array_agg(action || ' ' || resource || ' ' || result_code ORDER BY id) FROM audit_log WHERE action LIKE 'audit.mismatch%'").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if want := []string{"audit.mismatch audit:3 409", "audit.mismatch.end audit:3 200"}; !slices.Equal(rows, want) {
		t.Errorf("rows %q, want %q", rows, want)
	}
}

// TestImportSealed: an import is sealed and signed by the next server, whatever the times
// of its entries.
func TestImportSealed(t *testing.T) {
	t.Parallel()
	const entries = 40_000 // more than are sealed at once
	var lines strings.Builder
	for i := range entries {
		fmt.Fprintf(&lines, `{"at":"%d-03-01T00:00:%02d.5Z","user_id":null,"action":"test.old","resource":"test:%d","args_json":{"b":[%[3]d,"é"],"aa":null},"decision":"allow","result_code":200,"duration_ms":1}`+"\n", 1970+i*50/entries, i%60, i)
	}
	database := pgtest.URL(t)
	args := []string{"--database-url=" + database, "--cookie-secret=" + testSecret}
	if code, _, said := runHere(t, lines.String(), append(args, "import", "-")...); code != 0 {
		t.Fatal(said)
	}
	server := start(t, database)
	c := pgtest.Conn(t, database, "halite")
	eventually(t, "the import is signed", func() bool {
		signed, _ := latestCheckpoint(t, c)
		cp, _, err := merkle.ReadCheckpoint(signed)
		return err == nil && cp.N > entries
	})
	if got := readyAt(t, server); !strings.Contains(got, `"tree":"ok","checkpoint":"ok"`) {
		t.Errorf("/readyz: %s", got)
	}
	server.stop(t)
	signed, lastID := latestCheckpoint(t, c)
	if cp, err := merkle.OpenCheckpoint(signed, verifier(t, testKey)); err != nil || cp.N != lastID || lastID <= entries {
		t.Errorf("%+v of %d rows, %v", cp, lastID, err)
	}
}
