package intake_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"halite/internal/intake"
)

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// entryWith is a good line, but for one key: value replaces it, or takes it away if it is empty.
func entryWith(key, value string) string {
	fields := []string{"id", "7", "at", `"2025-01-01T00:00:00Z"`, "action", `"a.b"`, "resource", `"r:x"`, "decision", `"allow"`, "result_code", "200"}
	var out []string
	done := false
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == key {
			fields[i+1], done = value, true
		}
		if fields[i+1] != "" {
			out = append(out, fmt.Sprintf("%q:%s", fields[i], fields[i+1]))
		}
	}
	if !done {
		out = append(out, fmt.Sprintf("%q:%s", key, value))
	}
	return "{" + strings.Join(out, ",") + "}"
}

// TestBadRows: each is told by its line with the reason, ends the reading, or is put
// aside whole.
func TestBadRows(t *testing.T) {
	t.Parallel()
	good := entryWith("id", "1")
	for line, reason := range map[string]string{
		entryWith("at", ""):                                       "at is missing",
		entryWith("at", "null"):                                   "at is missing",
		entryWith("action", ""):                                   "action is missing",
		entryWith("resource", "null"):                             "resource is missing",
		entryWith("decision", ""):                                 "decision is missing",
		entryWith("result_code", ""):                              "result_code is missing",
		entryWith("id", `"x"`):                                    `id is not a number from 1 up: "x"`,
		entryWith("id", "0"):                                      `id is not a number from 1 up: "0"`,
		entryWith("at", `"yesterday"`):                            `at is no time: "yesterday"`,
		entryWith("at", `"2026-01-01T00:00:00.1Z"`):               "at is in the future: 2026-01-01T00:00:00.1Z",
		entryWith("at", `"1969-12-31T23:59:59Z"`):                 "at is before 1970: 1969-12-31T23:59:59Z",
		entryWith("user_id", `"me"`):                              `user_id is no UUID: "me"`,
		entryWith("user_id", `""`):                                `user_id is no UUID: ""`,
		entryWith("decision", `"ALLOW"`):                          `decision is neither allow nor deny: "ALLOW"`,
		entryWith("result_code", "2e2"):                           `result_code is not a number: "2e2"`,
		entryWith("duration_ms", `"`+strings.Repeat("9", 70)+`"`): `duration_ms is not a number: "` + strings.Repeat("9", 60) + `"...`,
		entryWith("action", "{}"):                                 "not an entry: ",
		entryWith("unknown", "1"):                                 "not an entry: ",
		entryWith("id", "1") + entryWith("id", "2"):               "not an entry: invalid character '{' after top-level value",
		`{"id":1,`: "not an entry: unexpected end of JSON input",
		`[]`:       "not an entry: ",
		`hello`:    "not an entry: ",
	} {
		in := good + "\n\n" + line + "\n" + good
		_, err := intake.Read(t.Context(), open(t, "-", in), intake.Options{Now: now})
		bad, ok := errors.AsType[*intake.BadRow](err)
		if !ok || bad.Where != "line 3" || !strings.HasPrefix(bad.Reason, reason) {
			t.Errorf("%s: error %v, want %q", line, err, reason)
		}
		entries, rejected, sum := read(t, open(t, "-", in), intake.Options{})
		if len(entries) != 1 || sum.Read != 3 || sum.Rejected != 1 || strings.Count(rejected, "\n") != 1 || !strings.HasPrefix(rejected, `{"where":"line 3","reason":`) {
			t.Errorf("%s: %q, %+v, rejected %s", line, entries, sum, rejected)
		}
	}
	_, rejected, _ := read(t, open(t, "-", "hello\n"+`{"total":1,"entries":[`+good+","+entryWith("at", `"x"`)+`,{"entries":[]}]}`), intake.Options{})
	want := `{"where":"line 1","reason":"not an entry: invalid character 'h' looking for beginning of value","text":"hello"}
{"where":"line 2, entry 2","reason":"at is no time: \"x\"","row":{"action":"a.b","at":"x","decision":"allow","id":"7","resource":"r:x","result_code":"200"}}
{"where":"line 2, entry 3","reason":"a page inside a page","text":"{\"entries\":[]}"}
`
	if diff := cmp.Diff(want, rejected); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if _, err := intake.Read(t.Context(), open(t, "-", "x"), intake.Options{Reject: full{}}); !errors.Is(err, errFull) {
		t.Errorf("the file for rejected rows is full: %v", err)
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// TestRedaction: secrets that a source kept are taken out and counted; a mark in the
// place of one is not.
func TestRedaction(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct {
		args  string
		found int64
	}{
		`{"password":"[REDACTED]"}`:                                            {`{"password":"<redacted>"}`, 0},
		`{"password":"<redacted>", "b": 1.0}`:                                  {`{"password":"<redacted>", "b": 1.0}`, 0},
		`{"kwargs":{"password":"**********"}}`:                                 {`{"kwargs":{"password":"<redacted>"}}`, 0},
		`{"client_secret":"x"}`:                                                {`{"client_secret":"<redacted>"}`, 1},
		`{"token":null}`:                                                       {`{"token":"<redacted>"}`, 1},
		`{"args":[{"password":"x"}]}`:                                          {`{"args":[{"password":"<redacted>"}]}`, 1},
		`{"args":["password=hunter2"]}`:                                        {`{"args":["password=<redacted>"]}`, 1},
		`{"url":"https://me:hunter2@x.org"}`:                                   {`{"url":"https://me:<redacted>@x.org"}`, 1},
		`{"n": 12345678901234567890.10, "a": [true, null]}`:                    {`{"n": 12345678901234567890.10, "a": [true, null]}`, 0},
		`{"password": "hunter2"`:                                               {`{"_invalid":22,"sha256":"` + sha256Hex(`{"password": "hunter2"`) + `"}`, 0},
		strings.Repeat(`{"a":`, 70) + `"password=x"` + strings.Repeat("}", 70): {strings.Repeat(`{"a":`, 64) + `"<too deep>"` + strings.Repeat("}", 64), 1},
	} {
		path := sqlite(t, `1, '2025-01-01 00:00:00', NULL, 'a', 'r', '`+in+`', NULL, 'allow', 200, 0`)
		entries, _, sum := read(t, open(t, path, ""), intake.Options{})
		if len(entries) != 1 || !strings.HasSuffix(entries[0], " a r "+want.args+"  allow 200 0") || sum.Redacted != want.found {
			t.Errorf("%s: %s, %d with secrets", in, entries, sum.Redacted)
		}
	}
	entries, _, sum := read(t, open(t, "-", entryWith("resource", `"user:password=hunter2"`)), intake.Options{})
	if len(entries) != 1 || strings.Contains(entries[0], "hunter2") || sum.Redacted != 1 {
		t.Errorf("%s, %d with secrets", entries, sum.Redacted)
	}
}

// TestReadInAnyOrder: the order of a source and the room in memory do not matter, and
// nothing is left of the temporary files. The digest tells sources apart.
func TestReadInAnyOrder(t *testing.T) {
	t.Parallel()
	var lines []string
	for i := range 500 {
		lines = append(lines, fmt.Sprintf(`{"id":%d,"at":"2025-01-01T00:00:%02d.%dZ","action":"a","resource":"r:%d","decision":"deny","result_code":403}`, i+1, i/10, i%10/3, i))
	}
	want, _, first := read(t, open(t, "-", strings.Join(lines, "\n")), intake.Options{})
	if len(want) != 500 || !strings.HasPrefix(want[499], "500 ") {
		t.Fatalf("%d entries, at last %s", len(want), want[len(want)-1])
	}
	_, _, again := read(t, open(t, "-", strings.Join(lines, "\r\n")), intake.Options{Memory: 1})
	rand.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	dir := t.TempDir()
	for _, memory := range []int{1, 1000, 0} {
		got, _, sum := read(t, open(t, "-", strings.Join(lines, "\n")), intake.Options{Memory: memory, Dir: dir})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("with %d bytes, -want +got\n%s", memory, diff)
		}
		if !bytes.Equal(first.Digest, again.Digest) || bytes.Equal(first.Digest, sum.Digest) {
			t.Error("the digest does not tell what was read")
		}
		if !sum.First.Equal(first.First) || !sum.Last.Equal(first.Last) || sum.First.Equal(sum.Last) {
			t.Errorf("from %v to %v", sum.First, sum.Last)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}
