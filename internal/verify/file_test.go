package verify_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/audit"
	"halite/internal/export"
	"halite/internal/merkle"
	"halite/internal/verify"
)

// testLog is a log in memory, with its tree and its key.
type testLog struct {
	key     *merkle.Key
	entries []audit.Entry
	stored  []tlog.Hash
}

func newKey(t testing.TB, name string) *merkle.Key {
	t.Helper()
	secret, err := merkle.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	k, err := merkle.ParseKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newLog(t testing.TB, n int64) *testLog {
	t.Helper()
	l := &testLog{key: newKey(t, "example.org/log")}
	l.grow(t, n)
	return l
}

func (l *testLog) ReadHashes(indexes []int64) (out []tlog.Hash, err error) {
	for _, i := range indexes {
		out = append(out, l.stored[i])
	}
	return out, nil
}

func (l *testLog) grow(t testing.TB, n int64) {
	t.Helper()
	for range n {
		id := int64(len(l.entries)) + 1
		l.add(t, audit.Entry{
			ID: id, At: time.Unix(1_700_000_000+id, 123_456_000).UTC(), Action: "salt.run", Resource: "salt:test.ping", Decision: audit.Allow, ResultCode: 202,
			Username: fmt.Sprintf("user-%d", id%7), Verb: "execute", Reason: "allowed by role operator: execute salt:*", RequestID: fmt.Sprintf("r-%d", id), SourceIP: "192.0.2.7",
			Args: json.RawMessage(fmt.Sprintf(`{"fun": "test.ping", "n": %d}`, id)),
		})
	}
}

func (l *testLog) add(t testing.TB, e audit.Entry) {
	t.Helper()
	var h merkle.Hasher
	hashes, err := tlog.StoredHashesForRecordHash(int64(len(l.entries)), h.Leaf(&e), l)
	if err != nil {
		t.Fatal(err)
	}
	l.entries, l.stored = append(l.entries, e), append(l.stored, hashes...)
}

func (l *testLog) checkpoint(t testing.TB, size int64) merkle.Checkpoint {
	t.Helper()
	root, err := tlog.TreeHash(size, l)
	if err != nil {
		t.Fatal(err)
	}
	return merkle.Checkpoint{Origin: l.key.Name(), Tree: merkle.Tree{N: size, Hash: root}}
}

func (l *testLog) signed(t testing.TB, size int64) string {
	t.Helper()
	text, err := merkle.SignCheckpoint(l.checkpoint(t, size), l.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// export is an export of the ids from first to last, proven at a size; 0: not proven.
func (l *testLog) export(t testing.TB, first, last, size int64) string {
	t.Helper()
	var b bytes.Buffer
	w := export.NewWriter(&b, export.NDJSON)
	if err := w.Write(l.entries[first-1 : last]); err != nil {
		t.Fatal(err)
	}
	f := export.Footer{FirstID: first, LastID: last}
	if size > 0 {
		p, err := merkle.ProveRange(first-1, last, size, l)
		if err != nil {
			t.Fatal(err)
		}
		f.Proof = &export.Proof{Checkpoint: l.signed(t, size), Before: p.Before, Behind: p.Behind}
	}
	if err := w.Close(f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (l *testLog) known() []note.Verifier { return []note.Verifier{l.key.Verifier()} }

func (l *testLog) file(text string, seen *merkle.Checkpoint) (verify.Report, error) {
	return verify.File(strings.NewReader(text), l.known(), seen, nil)
}

// TestFile: exports that are as they were written, and what is known of them.
func TestFile(t *testing.T) {
	t.Parallel()
	l := newLog(t, 300)
	at := func(size int64) *merkle.Checkpoint { c := l.checkpoint(t, size); return &c }
	for _, c := range []struct {
		first, last, size int64
		seen              *merkle.Checkpoint
		proven            int64
		held              bool
	}{
		{1, 300, 300, nil, 300, false},
		{1, 300, 300, at(300), 300, true},
		{1, 300, 300, at(100), 300, true},
		{1, 300, 300, at(1), 300, true},
		{17, 201, 290, at(150), 185, true},
		{17, 201, 290, at(290), 185, true},
		{17, 201, 290, at(201), 185, true},
		{17, 201, 290, at(202), 185, false}, // its end is not among the entries
		{17, 201, 290, at(16), 185, false},
		{17, 201, 290, at(300), 185, false},
		{300, 300, 300, nil, 1, false},
		{5, 9, 0, nil, 0, false},
	} {
		got, err := l.file(l.export(t, c.first, c.last, c.size), c.seen)
		if err != nil || got.Proven != c.proven || got.Entries != c.last-c.first+1 || got.First != c.first || got.Last != c.last || (got.Seen != nil) != c.held {
			t.Errorf("%+v: %+v, %v", c, got, err)
		}
		if c.size > 0 && got.Checkpoint.Tree != l.checkpoint(t, c.size).Tree {
			t.Errorf("%+v: %+v", c, got.Checkpoint)
		}
	}
}

// reseal makes the footer true of the lines before it, as who changes a file would.
func reseal(text string) string {
	at := strings.LastIndex(strings.TrimSuffix(text, "\n"), "\n") + 1
	lines, footer := text[:at], text[at:]
	footer = regexp.MustCompile(`"sha256":"[0-9a-f]*"`).ReplaceAllString(footer, `"sha256":"`+sum(lines)+`"`)
	return lines + regexp.MustCompile(`"count":[0-9]*`).ReplaceAllString(footer, fmt.Sprintf(`"count":%d`, strings.Count(lines, "\n")))
}

// TestFileIsWrong: whatever was done to a file is found, and the first bad entry is named.
func TestFileIsWrong(t *testing.T) {
	t.Parallel()
	l, other := newLog(t, 40), newLog(t, 40)
	good := l.export(t, 11, 30, 40)
	line := func(id int) string { return strings.SplitAfter(good, "\n")[id-11] }
	change := func(old, new string) func(string) string {
		return func(s string) string {
			if strings.Count(s, old) != 1 {
				t.Fatalf("%q is there %d times", old, strings.Count(s, old))
			}
			return strings.Replace(s, old, new, 1)
		}
	}
	// changed is an entry with another field, and the leaf that goes with it.
	changed := func(id int64) string {
		m := &testLog{key: l.key}
		m.grow(t, 40)
		m.entries[id-1].Username = "mallory"
		return strings.SplitAfter(m.export(t, 11, 30, 0), "\n")[id-11]
	}
	fork := &testLog{key: l.key}
	fork.grow(t, 5)
	fork.add(t, l.entries[6]) // the sixth is left out
	fork.grow(t, 34)
	forked, elsewhere := fork.checkpoint(t, 20), other.checkpoint(t, 20)
	elsewhere.Origin = "example.org/other"
	for name, c := range map[string]struct {
		change   func(string) string
		resealed bool
		seen     *merkle.Checkpoint
		want     string
	}{
		"a field":                     {change: change(`"request_id":"r-17"`, `"request_id":"r-71"`), want: "entry 17 (line 7): its fields do not hash to its leaf: it was changed"},
		"a field, resealed":           {change: change(`"request_id":"r-17"`, `"request_id":"r-71"`), resealed: true, want: "entry 17 (line 7): its fields do not hash to its leaf: it was changed"},
		"the arguments' spaces":       {change: change(`"n": 17}`, `"n":17}`), want: "entry 17 (line 7): its fields do not hash to its leaf: it was changed"},
		"a field and its leaf":        {change: change(line(17), changed(17)), resealed: true, want: "the entries 11 to 30 do not lead to the signed root: some of them were changed, together with the hashes of their leaves"},
		"an entry is gone":            {change: change(line(17), ""), want: "entry 17: it is missing: it was taken out of the file"},
		"an entry is gone, resealed":  {change: change(line(17), ""), resealed: true, want: "entry 17: it is missing: it was taken out of the file"},
		"the first is gone":           {change: change(line(11), ""), resealed: true, want: "entry 11: it is missing: it was taken out of the file"},
		"the last is gone":            {change: change(line(30), ""), resealed: true, want: "entry 30: it is missing: it was taken out of the file"},
		"an entry twice":              {change: change(line(17), line(17)+line(17)), resealed: true, want: "entry 17 (line 8): it is there twice"},
		"two change places":           {change: change(line(17)+line(18), line(18)+line(17)), resealed: true, want: "entry 17 (line 8): it stands behind entry 18"},
		"cut in a line":               {change: func(s string) string { return s[:1000] }, want: "the file was cut: it has no footer"},
		"cut behind a line":           {change: func(s string) string { return strings.Join(strings.SplitAfter(s, "\n")[:5], "") }, want: "the file was cut: it has no footer"},
		"empty":                       {change: func(string) string { return "" }, want: "the file was cut: it has no footer"},
		"more behind it":              {change: func(s string) string { return s + "{}\n" }, want: "line 21: the footer is not the last line"},
		"another form":                {change: change(`{"id":17,`, `{"id": 17,`), want: "entry 17 (line 7): it is not an entry as an export has it: there are blanks between its parts"},
		"another order":               {change: change(`{"id":17,"at"`, `{"at":17,"id"`), want: `line 7: it is not an entry as an export has it: "at" is not where it belongs`},
		"not JSON":                    {change: change(`{"id":17,`, `{"id":17;`), want: "line 7: it is not JSON: "},
		"no leaf":                     {change: func(s string) string { return regexp.MustCompile(`,"leaf":"[^"]*"`).ReplaceAllString(s, "") }, want: `entry 11 (line 1): it is not an entry as an export has it: "leaf" is missing`},
		"a value of another type":     {change: change(`"request_id":"r-17"`, `"request_id":17`), want: "entry 17 (line 7): request_id has no value that an export writes"},
		"the range is told otherwise": {change: change(`"first_id":11,"last_id":30`, `"first_id":11,"last_id":29`), want: "entry 30: it is not in the range that the footer tells"},
		"another's checkpoint":        {change: change(mustJSON(t, l.signed(t, 40)), mustJSON(t, other.signed(t, 40))), want: "the checkpoint of the export: none of the known keys signed the checkpoint"},
		"another checkpoint":          {change: change(mustJSON(t, l.signed(t, 40)), mustJSON(t, l.signed(t, 39))), want: "the proof of the export: not a range of the tree: "},
		"the log was forked":          {change: func(s string) string { return s }, seen: &forked, want: "the log was forked: at the size 20 its root was "},
		"another log was seen":        {change: func(s string) string { return s }, seen: &elsewhere, want: "the export is of the log example.org/log, and the checkpoint that was kept of example.org/other"},
	} {
		text := c.change(good)
		if c.resealed {
			text = reseal(text)
		}
		report, err := l.file(text, c.seen)
		if p, ok := errors.AsType[*verify.Problem](err); !ok || !strings.HasPrefix(p.Error(), c.want) {
			t.Errorf("%s: %v, %+v\n want %s", name, err, report, c.want)
		}
	}
}
