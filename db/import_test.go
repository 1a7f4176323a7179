package db_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"halite/db"
	"halite/internal/intake"
	"halite/internal/pgtest"
)

// readSource reads a file to its end.
func readSource(t testing.TB, path string, o intake.Options) *intake.Sorted {
	t.Helper()
	s, err := intake.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	entries, err := intake.Read(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(entries.Close)
	return entries
}

// source writes n rows of NDJSON, ten days apart from each other, three at a time with
// the same `at`, newest first. Every thousandth id is missing, and every seventh row has none.
func source(t *testing.T, n int, salt string) (path string) {
	t.Helper()
	var b strings.Builder
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := n; i > 0; i-- {
		id := fmt.Sprint(i + i/1000)
		if i%7 == 0 {
			id = "null"
		}
		fmt.Fprintf(&b, `{"id":%s,"at":%q,"action":"a.b","resource":"r:%d %s","decision":"allow","result_code":200,"args_json":{"n":%d}}`+"\n",
			id, at.Add(time.Duration(i/3)*time.Hour).Format(time.RFC3339), i, salt, i)
	}
	path = filepath.Join(t.TempDir(), "source.ndjson")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// begin begins or goes on with an import until the end of the test, or until stop.
func begin(t *testing.T, url string) (into *db.Import, stop func()) {
	t.Helper()
	into, err := openOwner(t, url).BeginImport(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if !ended {
			ended = true
			into.Close()
		}
	}
	t.Cleanup(stop)
	return into, stop
}

// checkSums says that the log is in order and holds each of the rows of source once.
const checkSums = `SELECT concat_ws(' ', count(*), min(id), max(id), sum(substring(resource FROM 'r:(\d+) ')::bigint),
	count(DISTINCT resource), bool_and(at >= before), max(id) = (SELECT last_id FROM audit_head), max(at) = (SELECT last_at FROM audit_head))
	FROM (SELECT *, coalesce(lag(at) OVER (ORDER BY id), at) AS before FROM audit_log) AS l`

// sourceIDs is how the id of each entry at its source is found.
const sourceIDs = `SELECT coalesce(r.source_id + l.id - r.id, -1)::text || ' ' || substring(l.resource FROM 'r:(\d+) ') FROM audit_log AS l
	CROSS JOIN LATERAL (SELECT * FROM audit_imported WHERE id <= l.id ORDER BY id DESC LIMIT 1) AS r ORDER BY l.id`

// TestImportResumes: an import that is killed after any batch goes on behind it; no entry
// is there twice, none is lost, and each can be asked for the id that it had.
func TestImportResumes(t *testing.T) {
	t.Parallel()
	const n = 25_000
	path := source(t, n, "")
	u := pgtest.URL(t)
	c := pgtest.Conn(t, u, "halite")
	for batch, want := range []int64{10_000, 20_000, 25_000} {
		into, stop := begin(t, u)
		if into.Imported() != int64(batch)*10_000 {
			t.Fatalf("it begins behind %d", into.Imported())
		}
		entries := readSource(t, path, intake.Options{Now: into.Now(), Memory: 1 << 20, Dir: t.TempDir()})
		if err := into.From("here", entries.Digest); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		killed := func(int64) { // while the second batch of this run is written
			admin := pgtest.Conn(t, u, "postgres")
			if _, err := admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND application_name = 'halite'`); err != nil {
				t.Error(err)
			}
			_ = admin.Close(t.Context())
		}
		err := intake.Write(ctx, entries, into, killed)
		cancel()
		if (err == nil) != (want == n) || into.Imported() != want {
			t.Fatalf("%d are there, error %v", into.Imported(), err)
		}
		stop()
	}
	want := fmt.Sprintf("%d 1 %d %d %d t t t", n, n, n*(n+1)/2, n)
	if got := texts(t, c, checkSums); got[0] != want {
		t.Errorf("%s, want %s", got[0], want)
	}
	had := map[string]bool{}
	for _, line := range texts(t, c, sourceIDs) {
		had[line] = true
	}
	for i := 1; i <= n; i++ {
		id := i + i/1000
		if i%7 == 0 {
			id = -1
		}
		if !had[fmt.Sprint(id, " ", i)] {
			t.Fatalf("row %d does not have the id %d", i, id)
		}
	}
}

// TestImportRefuses: only into an empty log, one at a time, once, and from one source.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	d, owner := pgtest.OpenURL(t, u), openOwner(t, u)
	entries := readSource(t, source(t, 10, ""), intake.Options{Now: time.Now()})
	other := readSource(t, source(t, 10, "other"), intake.Options{Now: time.Now()})
	if err := d.CheckImport(t.Context()); err != nil {
		t.Errorf("no import: %v", err)
	}
	into, stop := begin(t, u)
	if _, err := owner.BeginImport(t.Context()); !errors.Is(err, db.ErrImportRunning) {
		t.Errorf("beside another: %v", err)
	}
	if err := errors.Join(into.From("here", entries.Digest), intake.Write(t.Context(), entries, into, nil)); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := d.CheckImport(t.Context()); !errors.Is(err, db.ErrImportUnfinished) {
		t.Errorf("not finished: %v", err)
	}
	into, stop = begin(t, u)
	if err := into.From("there", other.Digest); !errors.Is(err, db.ErrOtherSource) {
		t.Errorf("another source: %v", err)
	}
	if err := into.From("there", entries.Digest); err != nil || into.Source() != "there" {
		t.Errorf("the same source elsewhere: %v", err)
	}
	stop()
	if err := errors.Join(d.FinishImport(t.Context()), d.CheckImport(t.Context())); err != nil {
		t.Errorf("finished: %v", err)
	}
	if err := d.FinishImport(t.Context()); !errors.Is(err, db.ErrImportFinished) {
		t.Errorf("finished twice: %v", err)
	}
	if _, err := owner.BeginImport(t.Context()); !errors.Is(err, db.ErrImportFinished) {
		t.Errorf("once more: %v", err)
	}
	u = pgtest.URL(t)
	record(t, pgtest.OpenURL(t, u), entry("a.b"))
	if _, err := openOwner(t, u).BeginImport(t.Context()); !errors.Is(err, db.ErrLogNotEmpty) {
		t.Errorf("into a log with a row: %v", err)
	}
}

// TestImportOvertaken: a server that writes meanwhile ends the import, whenever it does;
// its row has the next id, and nothing is put behind it.
func TestImportOvertaken(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{true, false} {
		u := pgtest.URL(t)
		d := pgtest.OpenURL(t, u)
		into, stop := begin(t, u)
		entries := readSource(t, source(t, 20_001, ""), intake.Options{Now: into.Now()})
		if err := into.From("here", entries.Digest); err != nil {
			t.Fatal(err)
		}
		if before {
			record(t, d, entry("a.b"))
		}
		once := false
		err := intake.Write(t.Context(), entries, into, func(int64) {
			if !once {
				once = true
				record(t, d, entry("a.b"))
			}
		})
		if !errors.Is(err, db.ErrOvertaken) {
			t.Errorf("before the first batch: %t, error %v", before, err)
		}
		stop()
		want := []string{"1 1 1 t"}
		if !before {
			want = []string{"10001 1 10001 t"}
		}
		got := texts(t, pgtest.Conn(t, u, "halite"), "SELECT concat_ws(' ', count(*), min(id), max(id), max(id) = (SELECT last_id FROM audit_head)) FROM audit_log")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		again, err := openOwner(t, u).BeginImport(t.Context())
		if again != nil {
			again.Close()
		}
		if refused := map[bool]error{true: db.ErrLogNotEmpty, false: db.ErrOvertaken}[before]; !errors.Is(err, refused) {
			t.Errorf("once more: %v", err)
		}
	}
}

// TestImportRights: the serving role reads where entries come from and opens the log,
// nothing else.
func TestImportRights(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	pgtest.OpenURL(t, u)
	c := pgtest.Conn(t, u, "halite")
	exec(t, c, "SET ROLE halite_app")
	exec(t, c, "SELECT FROM audit_imported, audit_import")
	for _, sql := range []string{
		"INSERT INTO audit_imported (id) VALUES (1)", "UPDATE audit_imported SET id = 2", "DELETE FROM audit_imported", "TRUNCATE audit_imported",
		"INSERT INTO audit_import (source, digest) VALUES ('', '')", "UPDATE audit_import SET imported = 1", "DELETE FROM audit_import", "TRUNCATE audit_import",
	} {
		if _, err := c.Exec(t.Context(), sql); db.SQLState(err) != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
