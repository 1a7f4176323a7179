package intake_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"halite/internal/intake"
	"halite/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m, false) }

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// open opens a source until the end of the test.
func open(t *testing.T, spec, stdin string) *intake.Source {
	t.Helper()
	s, err := intake.Open(t.Context(), spec, strings.NewReader(stdin))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// read reads a source and words its entries, a line for each, and its rejected rows.
func read(t *testing.T, s *intake.Source, o intake.Options) (entries []string, rejected string, sum intake.Summary) {
	t.Helper()
	var bad bytes.Buffer
	o.Now, o.Reject = now, &bad
	sorted, err := intake.Read(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sorted.Close)
	for {
		e, err := sorted.Next()
		if errors.Is(err, io.EOF) {
			return entries, bad.String(), sorted.Summary
		}
		if err != nil {
			t.Fatal(err)
		}
		user := "-"
		if e.UserID.Valid {
			user = e.UserID.UUID.String()
		}
		entries = append(entries, strings.TrimRight(fmt.Sprintln(e.SourceID, e.At.Format(time.RFC3339Nano), user, e.Action, e.Resource, string(e.Args),
			e.SaltJID, e.Decision, e.ResultCode, e.DurationMS, e.Username, e.Verb, e.Reason, e.RequestID, e.SourceIP, e.UserAgent), " \n"))
	}
}

// sqlite makes a database of Halite's on SQLite with these rows.
func sqlite(t *testing.T, rows ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "halite #1?.db")
	d, err := sql.Open("sqlite", fileURL(path))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	for _, q := range append([]string{`CREATE TABLE audit_log (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, at DATETIME NOT NULL, user_id CHAR(32),
		action VARCHAR(128) NOT NULL, resource VARCHAR(255) NOT NULL, args_json JSON, salt_jid VARCHAR(64), decision VARCHAR(16) NOT NULL,
		result_code INTEGER NOT NULL, duration_ms INTEGER NOT NULL)`, "CREATE INDEX ix_audit_log_at ON audit_log (at)"}, inserts(rows)...) {
		if _, err := d.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	return path
}

// fileURL is how the driver is told of a path with characters that mean something in URLs.
func fileURL(path string) string {
	return "file:" + strings.NewReplacer("#", "%23", "?", "%3f", " ", "%20").Replace(path)
}

// postgres makes a database of Halite's on PostgreSQL with these rows. timestamp is the
// type of its times.
func postgres(t *testing.T, timestamp string, rows ...string) (url string) {
	t.Helper()
	url = pgtest.URL(t)
	c := pgtest.Conn(t, url, "halite")
	for _, q := range append([]string{"SET TimeZone = 'America/New_York'", "DROP TABLE audit_log", `CREATE TABLE audit_log (id BIGSERIAL PRIMARY KEY, at ` + timestamp + ` NOT NULL, user_id UUID,
		action VARCHAR(128) NOT NULL, resource VARCHAR(255) NOT NULL, args_json JSON, salt_jid VARCHAR(64), decision VARCHAR(16) NOT NULL,
		result_code INTEGER NOT NULL, duration_ms INTEGER NOT NULL DEFAULT 0)`}, inserts(rows)...) {
		if _, err := c.Exec(context.Background(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	return url
}

func inserts(rows []string) (out []string) {
	for _, r := range rows {
		out = append(out, "INSERT INTO audit_log (id, at, user_id, action, resource, args_json, salt_jid, decision, result_code, duration_ms) VALUES ("+r+")")
	}
	return out
}
