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
	"slices"

	"halite/internal/jsontext"
)

// maxLine is how long a line may be: well beyond a page of 500 entries, each with the
// longest arguments.
const maxLine = 64 << 20

// lines reads NDJSON: on each line an entry, or a page of entries as GET /api/audit
// answers it. Empty lines are passed over, and so is the footer of an export.
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
		whole, page := r.read([]byte(r.text))
		if page == nil {
			yield(whole)
			return
		}
		for n, text := range page {
			one, inner := r.read(text)
			one.nth = int64(n) + 1
			if inner != nil {
				one.text, one.problem = string(text), "a page inside a page"
			}
			if !yield(one) {
				return
			}
		}
	}
}

// read returns the entry in text, which is on the line of r, or the entries of the page in
// it, which are not nil then. What is wrong with it is in what it returns.
func (r *row) read(text []byte) (out row, page []json.RawMessage) {
	out.line = r.line
	var err error
	for name, value := range jsontext.Members(text, &err) {
		switch c := slices.Index(columnNames[:], name); {
		case err != nil:
		case c == colArgs:
			out.values[c] = sql.NullString{String: string(value), Valid: value[0] != 'n'}
		case c >= 0:
			out.values[c], err = scalar(name, value)
		case name == "entries":
			page = []json.RawMessage{}
			err = json.Unmarshal(value, &page)
		case name == "footer": // of an export
			page = []json.RawMessage{}
		case name != "total" && name != "leaf":
			err = errors.New("unknown key " + quote(name)) // what is not understood would be lost
		}
	}
	if err != nil {
		return row{line: r.line, text: string(text), problem: "not an entry: " + err.Error()}, nil
	}
	return out, page
}

// scalar is a JSON string without its quotes, or a number as it is written; null is none.
func scalar(name string, value json.RawMessage) (sql.NullString, error) {
	switch value[0] {
	case 'n':
		return sql.NullString{}, nil
	case '"':
		return sql.NullString{String: jsontext.Unquote(value), Valid: true}, nil
	case '{', '[', 't', 'f':
		return sql.NullString{}, errors.New(name + " is neither a text nor a number: " + quote(string(value)))
	}
	return sql.NullString{String: string(value), Valid: true}, nil
}
