package intake

import (
	"bufio"
	"bytes"
	"cmp"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"unicode/utf8"
)

// maxLine is how long a line may be: well beyond a page of 500 entries, each with the
// longest arguments.
const maxLine = 64 << 20

// lines reads NDJSON: on each line an entry, or a page of entries as GET /api/audit
// answers it. Empty lines are passed over.
type lines struct {
	scan *bufio.Scanner
	line int64
}

func newLines(name string, r io.Reader, close func()) *Source {
	l := &lines{scan: bufio.NewScanner(r)}
	l.scan.Buffer(make([]byte, 0, 256<<10), maxLine)
	return &Source{Name: name, next: l.next, close: close}
}

// next reads a line. Its values are taken by expand.
func (l *lines) next(r *row) error {
	for l.scan.Scan() {
		l.line++
		text := l.scan.Bytes()
		if l.line == 1 {
			text = bytes.TrimPrefix(text, []byte("\uFEFF"))
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			r.line, r.text = l.line, string(text)
			return nil
		}
	}
	err := l.scan.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("line %d is longer than %d bytes", l.line+1, maxLine)
	}
	return cmp.Or(err, io.EOF)
}

// expand is r itself, or what is on the line that it stands for.
func (r *row) expand() iter.Seq[row] {
	return func(yield func(row) bool) {
		if r.text == "" {
			yield(*r)
			return
		}
		var found entryOrPage
		if whole := r.read([]byte(r.text), &found); found.Entries == nil {
			yield(whole)
			return
		}
		for n, text := range *found.Entries {
			var entry entryOrPage
			one := r.read(text, &entry)
			one.nth = int64(n) + 1
			if entry.Entries != nil {
				one.text, one.problem = string(text), "a page inside a page"
			}
			if !yield(one) {
				return
			}
		}
	}
}

// read returns the entry in text, which is on the line of r. What is wrong with it is
// in what it returns.
func (r *row) read(text []byte, into *entryOrPage) row {
	out := row{line: r.line}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields() // what is not understood would be lost
	err := d.Decode(into)
	if err == nil && d.InputOffset() != int64(len(text)) {
		err = errors.New("more than one JSON value")
	}
	if err != nil {
		into.Entries = nil
		out.text, out.problem = string(text), "not an entry: "+err.Error()
		return out
	}
	for c, v := range into.columns() {
		out.values[c] = sql.NullString(*v)
	}
	return out
}

// entryOrPage is what a line may hold. The order of the first keys is that of the columns.
type entryOrPage struct {
	ID         scalar `json:"id"`
	At         scalar `json:"at"`
	UserID     scalar `json:"user_id"`
	Action     scalar `json:"action"`
	Resource   scalar `json:"resource"`
	Args       anyOf  `json:"args_json"`
	SaltJID    scalar `json:"salt_jid"`
	Decision   scalar `json:"decision"`
	ResultCode scalar `json:"result_code"`
	DurationMS scalar `json:"duration_ms"`
	Username   scalar `json:"username"`
	Verb       scalar `json:"verb"`
	Reason     scalar `json:"reason"`
	RequestID  scalar `json:"request_id"`
	SourceIP   scalar `json:"source_ip"`
	UserAgent  scalar `json:"user_agent"`

	Entries *[]json.RawMessage `json:"entries"`
	Total   int64              `json:"total"`
}

func (e *entryOrPage) columns() [columns]*scalar {
	return [...]*scalar{
		&e.ID, &e.At, &e.UserID, &e.Action, &e.Resource, (*scalar)(&e.Args), &e.SaltJID, &e.Decision, &e.ResultCode, &e.DurationMS,
		&e.Username, &e.Verb, &e.Reason, &e.RequestID, &e.SourceIP, &e.UserAgent,
	}
}

// scalar is a JSON string, without its quotes, or a number as it is written; null is none.
type scalar sql.NullString

// UnmarshalJSON is called by encoding/json.
func (s *scalar) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case 'n':
		*s = scalar{}
		return nil
	case '"':
		s.Valid = true
		if inside := b[1 : len(b)-1]; bytes.IndexByte(inside, '\\') < 0 && utf8.Valid(inside) {
			s.String = string(inside) // as it stands
			return nil
		}
		return json.Unmarshal(b, &s.String)
	case '{', '[', 't', 'f':
		return errors.New("a text or a number is wanted instead of " + quote(string(b)))
	}
	*s = scalar{String: string(b), Valid: true}
	return nil
}

// anyOf is any JSON value as it is written; null is none.
type anyOf sql.NullString

// UnmarshalJSON is called by encoding/json.
func (a *anyOf) UnmarshalJSON(b []byte) error {
	*a = anyOf{String: string(b), Valid: b[0] != 'n'}
	return nil
}
