package export_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/audit"
	"halite/internal/export"
	"halite/internal/merkle"
)

// log is a reader over entries that are kept.
type log struct {
	audit.Reader
	entries []audit.Entry
	reads   int
	dropped int64 // the ids up to it are gone from the second read on
}

func (l *log) Ascend(_ context.Context, _ audit.Filter, first, last int64, limit int) (out []audit.Entry, err error) {
	l.reads++
	for _, e := range l.entries {
		if e.ID >= first && e.ID <= last && (l.reads < 2 || e.ID > l.dropped) && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (l *log) Bounds(context.Context, audit.Filter) (first, last int64, err error) {
	first = 1
	if l.reads >= 2 {
		first += l.dropped
	}
	return first, int64(len(l.entries)), nil
}

var at = time.Date(2026, 7, 1, 12, 0, 0, 500_000_000, time.UTC)

func entries(n int) []audit.Entry {
	out := make([]audit.Entry, n)
	for i := range out {
		out[i] = audit.Entry{ID: int64(i) + 1, At: at, Action: "auth.login", Resource: "user:x", Decision: audit.Deny, ResultCode: 401}
	}
	return out
}

var full = audit.Entry{
	ID: 7, At: at, UserID: uuid.NullUUID{UUID: uuid.MustParse("550e8400-e29b-41d4-a716-446655440000"), Valid: true},
	Action: "salt.run", Resource: `salt:"x",<y>`, Args: json.RawMessage(`{"b": 1.50, "a": "ü\u0001"}`), SaltJID: "20260701120000500000",
	Decision: audit.Allow, ResultCode: 202, DurationMS: 3, Username: "=cmd|' /C calc'!A0", Verb: "execute", Reason: "two\nlines",
	RequestID: "-r", SourceIP: "::1", UserAgent: "@agent",
}

func write(t *testing.T, format export.Format, entries ...audit.Entry) string {
	t.Helper()
	var b bytes.Buffer
	w := export.NewWriter(&b, format)
	if err := w.Write(entries); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(export.Footer{FirstID: 1, LastID: 7, Filter: map[string]any{"action": "salt.run"}, At: at}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func leaf(e audit.Entry) string { return tlog.RecordHash(merkle.AppendLeaf(nil, &e)).String() }

// TestNDJSON is the format to the byte.
func TestNDJSON(t *testing.T) {
	t.Parallel()
	lines := `{"id":7,"at":"2026-07-01T12:00:00.500000Z","user_id":"550e8400-e29b-41d4-a716-446655440000","action":"salt.run","resource":"salt:\"x\",<y>",` +
		`"args_json":{"b": 1.50, "a": "ü\u0001"},"salt_jid":"20260701120000500000","decision":"allow","result_code":202,"duration_ms":3,` +
		`"username":"=cmd|' /C calc'!A0","verb":"execute","reason":"two\nlines","request_id":"-r","source_ip":"::1","user_agent":"@agent","leaf":"` + leaf(full) + `"}` + "\n" +
		`{"id":1,"at":"2026-07-01T12:00:00.500000Z","user_id":null,"action":"auth.login","resource":"user:x","args_json":null,"salt_jid":null,` +
		`"decision":"deny","result_code":401,"duration_ms":0,"username":null,"verb":null,"reason":null,"request_id":null,"source_ip":null,"user_agent":null,"leaf":"` + leaf(entries(1)[0]) + `"}` + "\n"
	footer := `{"footer":{"count":2,"first_id":1,"last_id":7,"filter":{"action":"salt.run"},"exported_at":"2026-07-01T12:00:00.5Z","sha256":"` + sum(lines) + `"}}` + "\n"
	if diff := cmp.Diff(lines+footer, write(t, export.NDJSON, full, entries(1)[0])); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestCSV: a reader of CSV gets the values, and a spreadsheet no formula.
func TestCSV(t *testing.T) {
	t.Parallel()
	text := write(t, export.CSV, full, entries(1)[0])
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	records, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	body := text[:strings.LastIndex(strings.TrimSpace(text), "\n")+1]
	want := [][]string{
		{
			"id", "at", "user_id", "action", "resource", "args_json", "salt_jid", "decision", "result_code", "duration_ms",
			"username", "verb", "reason", "request_id", "source_ip", "user_agent",
		},
		{
			"7", "2026-07-01T12:00:00.500000Z", "550e8400-e29b-41d4-a716-446655440000", "salt.run", `salt:"x",<y>`, string(full.Args), "20260701120000500000", "allow", "202", "3",
			"'=cmd|' /C calc'!A0", "execute", "two\nlines", "'-r", "::1", "'@agent",
		},
		{"1", "2026-07-01T12:00:00.500000Z", "", "auth.login", "user:x", "", "", "deny", "401", "0", "", "", "", "", "", ""},
		{`#footer {"count":2,"first_id":1,"last_id":7,"filter":{"action":"salt.run"},"exported_at":"2026-07-01T12:00:00.5Z","sha256":"` + sum(body) + `"}`},
	}
	if diff := cmp.Diff(want, records); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if n := strings.Count(text, "\r\n"); n != 4 {
		t.Errorf("%d line ends of RFC 4180", n)
	}
	for _, c := range []struct{ in, want string }{
		{"=1", "'=1"}, {"+1", "'+1"}, {"-1", "'-1"}, {"@x", "'@x"}, {"\tx", "'\tx"}, {"\rx", "'\rx"}, {"x=1", "x=1"}, {"'x", "'x"}, {" x", " x"},
	} {
		e := entries(1)[0]
		e.UserAgent = c.in
		r := csv.NewReader(strings.NewReader(write(t, export.CSV, e)))
		r.FieldsPerRecord = -1
		records, err := r.ReadAll()
		if err != nil || records[1][15] != c.want {
			t.Errorf("%q: %q, %v", c.in, records[1], err)
		}
	}
}

// TestCopy: a range goes out a batch at a time, and what it lacks is told.
func TestCopy(t *testing.T) {
	t.Parallel()
	const n = 5001
	for _, c := range []struct {
		name    string
		rng     export.Range
		dropped int64
		count   int64
		reads   int
		missing []export.IDs
	}{
		{"all", export.Range{First: 1, Last: n}, 0, n, 3, nil},
		{"a part", export.Range{First: 11, Last: 20}, 0, 10, 1, nil},
		{"nothing", export.Range{First: 1, Last: 0}, 0, 0, 0, nil},
		{"a month is dropped meanwhile", export.Range{First: 1, Last: n}, 3000, n - 1000, 3, []export.IDs{{2001, 3000}}},
		{"and all of it", export.Range{First: 1, Last: n}, n, 2000, 3, []export.IDs{{2001, n}}},
		{"one is not there", export.Range{First: 10, Last: n + 1}, 0, n - 9, 4, []export.IDs{{n + 1, n + 1}}},
		{"and with a filter", export.Range{First: 1, Last: n, Filter: audit.Filter{Action: new("auth.login")}}, 3000, n - 1000, 3, []export.IDs{{2001, 3000}}},
		{"a filter, and nothing is dropped", export.Range{First: 1, Last: n, Filter: audit.Filter{Action: new("auth.login")}}, 0, n, 3, nil},
	} {
		l := &log{entries: entries(n), dropped: c.dropped}
		w := export.NewWriter(&bytes.Buffer{}, export.NDJSON)
		batches := 0
		missing, err := export.Copy(t.Context(), l, c.rng, w, func() error { batches++; return nil })
		if err != nil || !slices.Equal(missing, c.missing) || w.Count() != c.count || l.reads != c.reads || batches > l.reads {
			t.Errorf("%s: %d entries in %d reads, without %v, %v", c.name, w.Count(), l.reads, missing, err)
		}
	}
}
