package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"halite/internal/pgtest"
)

// TestExportAtTheCommandLine: what was exported can be imported elsewhere, a file is not
// written over, and the log tells of each export.
func TestExportAtTheCommandLine(t *testing.T) {
	t.Parallel()
	database := func() []string {
		return []string{"--database-url=" + pgtest.URL(t), "--cookie-secret=" + testSecret}
	}
	here, there := database(), database()
	file := filepath.Join(t.TempDir(), "log.ndjson")
	for _, s := range []struct {
		database, args []string
		code           int
		says           string
	}{
		{here, []string{"generate", "--rows=2500", "--months=2"}, 0, "made up 2500 rows, "},
		{here, []string{"export", "--format=xml"}, 2, "--format must be one of"},
		{here, []string{"export", "--since=yesterday"}, 2, "--since"},
		{here, []string{"export", "-o", filepath.Join(file, "x")}, 1, "no such file"},
		{here, []string{"export", "-o", file}, 0, ""},
		{here, []string{"export", "-o", file}, 1, "file exists"},
		{here, []string{"export", "--format=csv", "--since=2100-01-01T00:00:00Z"}, 0, `,""filter"":{""since"":""2100-01-01T00:00:00Z""},`},
		{there, []string{"import", file}, 0, "imported 2500 entries, "},
	} {
		code, out, said := runHere(t, "", append(s.args, s.database...)...)
		if code != s.code || !strings.Contains(out+said, s.says) {
			t.Errorf("%q: status %d, %s", s.args, code, out+said)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n != 2501 {
		t.Errorf("%d lines", n)
	}
	code, out, said := runHere(t, "", append([]string{"export"}, there...)...)
	if lines := strings.SplitAfter(out, "\n"); code != 0 || len(lines) != 2503 {
		t.Errorf("status %d, %d lines, %s", code, len(lines), said)
	} else if diff := cmp.Diff(strings.SplitAfter(string(text), "\n")[:2500], lines[:2500]); diff != "" {
		t.Errorf("exported, imported, exported, -want +got\n%.2000s", diff)
	}
	var rows []string
	for _, r := range logged(t, pgtest.Conn(t, strings.TrimPrefix(here[0], "--database-url="), "halite")) {
		if strings.Contains(r, "audit.export") {
			rows = append(rows, r)
		}
	}
	want := []string{
		`2501 - cli:` + osUser() + ` audit.export audit:* allow 200 {"format": "ndjson"} command line`,
		`2502 - cli:` + osUser() + ` audit.export.end audit:* allow 200 {"began": 2501, "count": 2500} let through by entry 2501`,
		`2503 - cli:` + osUser() + ` audit.export audit:* allow 200 {"filter": {"since": "2100-01-01T00:00:00Z"}, "format": "csv"} command line`,
		`2504 - cli:` + osUser() + ` audit.export.end audit:* allow 200 {"began": 2503, "count": 0} let through by entry 2503`,
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows, -want +got\n%s", diff)
	}
}
