package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"halite/db"
	"halite/internal/pgtest"
)

// TestRetentionOfAServer: a server that is told to drops what is old, after it has archived
// it, and the archives verify at the command line.
func TestRetentionOfAServer(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	owner, err := db.OpenOwner(t.Context(), db.Config{URL: database, Logger: pgtest.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	if err := owner.Generate(t.Context(), db.Generation{Rows: 2000, Seed: 1, Months: 5}); err != nil {
		t.Fatal(err)
	}
	w := &world{store: pgtest.OpenURL(t, database), conn: pgtest.Conn(t, database, "halite")}
	dir := t.TempDir()
	w.instance = w.start(t, database, "AUDIT_RETENTION_DAYS=45", "AUDIT_ARCHIVE_DIR="+dir, "AUDIT_DISK_BYTES=1000")
	// Between 45 days and five months ago some three months have ended.
	eventually(t, "old months are dropped", func() bool { return w.text(t, "SELECT count(*) >= 2 FROM audit_retention") == "true" })
	if r := w.Do(t, http.MethodGet, "/readyz", ""); r.Status != http.StatusOK || !strings.Contains(r.Body, `"status":"degraded"`) || !strings.Contains(r.Body, `"disk":"warning: 100 % in use"`) {
		t.Errorf("/readyz: %d %s", r.Status, r.Body)
	}
	w.stop(t)
	if !strings.Contains(w.out.String(), "the disk under the log fills up") || !strings.Contains(w.out.String(), "old entries were dropped") {
		t.Errorf("it said %s", w.out)
	}
	if got := w.text(t, `SELECT count(*) FILTER (WHERE action = 'audit.retention' AND args_json ? 'sha256') = (SELECT count(*) FROM audit_retention)
		AND min(id) = (SELECT max(last_id) + 1 FROM audit_retention) AND max(id) - min(id) + 1 = count(*)
		AND bool_or(action = 'server.start' AND args_json @> '{"retention_days": 45, "archived": true}') FROM audit_log`); got != "true" {
		t.Error("the rows, the records and what is left do not belong together")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.ndjson.zst"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if code, out, said := runHere(t, "", "archive", "verify", f); code != 0 || !strings.Contains(out, "is whole") {
			t.Errorf("exit status %d, %s%s", code, out, said)
		}
	}
	b := must(os.ReadFile(files[0]))(t)
	if err := os.WriteFile(files[0], b[:len(b)-100], 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, said := runHere(t, "", "archive", "verify", files[0]); code != 1 || out != "" || !strings.Contains(said, files[0]+": line ") {
		t.Errorf("exit status %d, %s%s", code, out, said)
	}
}

// TestBadArchiveDir: found out at the start, not when a month is to be archived.
func TestBadArchiveDir(t *testing.T) {
	t.Parallel()
	code, _, said := runHere(t, "", "--listen-port=0", "--database-url="+pgtest.URL(t), "--cookie-secret="+testSecret,
		"--bootstrap-admin-password="+adminPassword, "--audit-archive-dir="+filepath.Join(t.TempDir(), "none"))
	if code != 1 || !strings.Contains(said, "AUDIT_ARCHIVE_DIR must be a folder") {
		t.Errorf("exit status %d, %s", code, said)
	}
}
