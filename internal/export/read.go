package export

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/audit"
	"halite/internal/jsontext"
)

// maxLine is how long a line may be: an entry has 32 KiB of arguments, and what stands
// beside them can be escaped.
const maxLine = 1 << 20

// Reader reads what Writer wrote as NDJSON, to the byte: a line that was written by
// something else, or changed in its form, is an error. It is for one goroutine.
type Reader struct {
	in     *bufio.Reader
	sum    hash.Hash
	line   int64
	count  int64
	footer *Footer
	done   bool
}

// LineError says what is wrong with a line of a file. ID is the entry's, 0 if it has none.
type LineError struct {
	Line, ID int64
	What     string
}

func (e *LineError) Error() string {
	if e.ID != 0 {
		return fmt.Sprintf("line %d, entry %d: %s", e.Line, e.ID, e.What)
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.What)
}

// ErrCut says that a file has no footer.
var ErrCut = errors.New("the file was cut: it has no footer")

// NewReader returns a reader of in, which need not be buffered.
func NewReader(in io.Reader) *Reader {
	return &Reader{in: bufio.NewReaderSize(in, maxLine), sum: sha256.New()}
}

// Next reads the next entry into e, and returns the hash of its leaf that stands beside it.
// The error is io.EOF behind the footer, if that is true of the lines before it; else a
// *LineError, ErrCut, or that of the input.
func (r *Reader) Next(e *audit.Entry) (leaf tlog.Hash, err error) {
	if r.done {
		return leaf, io.EOF
	}
	line, err := r.read()
	if err != nil {
		return leaf, err
	}
	if text, ok := bytes.CutPrefix(line, []byte(`{"footer":`)); ok {
		return leaf, r.end(text)
	}
	r.sum.Write(line)
	r.count++
	leaf, problem := parse(line, e)
	if problem != "" {
		return leaf, &LineError{Line: r.line, ID: e.ID, What: problem}
	}
	return leaf, nil
}

// Line is the number of the line that was read last, from 1 up.
func (r *Reader) Line() int64 { return r.line }

// Footer is the footer, once it was read; it may not be true.
func (r *Reader) Footer() (f Footer, ok bool) {
	if r.footer == nil {
		return Footer{}, false
	}
	return *r.footer, true
}

// read returns a line with its end.
func (r *Reader) read() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, &LineError{Line: r.line + 1, What: fmt.Sprintf("it is longer than %d bytes", maxLine)}
	case errors.Is(err, io.EOF):
		return nil, ErrCut
	case err != nil:
		return nil, fmt.Errorf("read line %d: %w", r.line+1, err)
	}
	r.line++
	return line, nil
}

// end takes the footer, and holds it against the lines before it. It returns io.EOF if all
// is well.
func (r *Reader) end(text []byte) error {
	f := &Footer{}
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimSuffix(text, []byte("}\n"))))
	dec.DisallowUnknownFields()
	err := dec.Decode(f)
	sum := hex.EncodeToString(r.sum.Sum(nil))
	bad := func(what string) error { return &LineError{Line: r.line, What: "the footer " + what} }
	if err != nil {
		return bad("is none: " + err.Error())
	}
	r.footer, r.done = f, true
	switch {
	case f.Count != r.count:
		return bad(fmt.Sprintf("says that there are %d entries, and there are %d", f.Count, r.count))
	case f.SHA256 != sum:
		return bad("has the SHA-256 " + f.SHA256 + " of the lines before it, and it is " + sum)
	}
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
		if err != nil {
			return fmt.Errorf("read line %d: %w", r.line+1, err)
		}
		return bad("is not the last line")
	}
	return io.EOF
}

// names are the members of a line, in this order.
var names = append(slices.Clone(columns), "leaf")

// before is what stands in a line before the value of each of names.
var before = func() (out [][]byte) {
	first := "{"
	for _, name := range names {
		out = append(out, fmt.Appendf(nil, "%s%q:", first, name))
		first = ","
	}
	return out
}()

// parse reads the line of an entry.
func parse(line []byte, e *audit.Entry) (leaf tlog.Hash, problem string) {
	*e = audit.Entry{}
	var room [32]json.RawMessage
	values := room[:len(names)]
	if !cut(line, values) {
		return leaf, mistake(line, e)
	}
	for n, name := range columns {
		if !set(e, name, values[n]) {
			return leaf, name + " has no value that an export writes"
		}
	}
	leaf, err := tlog.ParseHash(jsontext.Unquote(values[len(columns)]))
	if err != nil {
		return leaf, "leaf is not a hash in base64"
	}
	return leaf, ""
}

// cut cuts a line into the values of names. It takes no line but one that is, beside the
// values, what is written: mistake says why.
func cut(line []byte, values []json.RawMessage) bool {
	for n := range values {
		rest, ok := bytes.CutPrefix(line, before[n])
		end := jsontext.Value(rest)
		if !ok || end == 0 {
			return false
		}
		values[n], line = rest[:end], rest[end:]
	}
	return string(line) == "}\n"
}

// mistake is what is wrong with a line that cannot be cut. It finds the id if there is one.
func mistake(line []byte, e *audit.Entry) string {
	var err error
	n := 0
	for name, value := range jsontext.Members(line, &err) {
		if n == len(names) || name != names[n] {
			return "it is not an entry as an export has it: " + strconv.Quote(name) + " is not where it belongs"
		}
		if n == 0 {
			set(e, name, value)
		}
		n++
	}
	switch {
	case err != nil:
		return "it is not JSON: " + err.Error()
	case n != len(names):
		return "it is not an entry as an export has it: " + strconv.Quote(names[n]) + " is missing"
	}
	return "it is not an entry as an export has it: there are blanks between its parts"
}

// set sets a column to a value as appendEntry writes it, and reports whether it is one.
func set(e *audit.Entry, name string, value json.RawMessage) bool {
	null := string(value) == "null"
	number := func(to *int) bool {
		n, err := strconv.Atoi(string(value))
		*to = n
		return err == nil
	}
	text := func(to *string, optional bool) bool {
		if null || value[0] != '"' {
			return null && optional
		}
		*to = jsontext.Unquote(value)
		return *to != "" || !optional
	}
	switch name {
	case "id":
		n, err := strconv.ParseInt(string(value), 10, 64)
		e.ID = n
		return err == nil
	case "at":
		var s string
		ok := text(&s, false)
		t, err := time.Parse(time.RFC3339Nano, s)
		e.At = t
		return ok && err == nil && t.Nanosecond()%1000 == 0
	case "user_id":
		var s string
		if null {
			return true
		}
		ok := text(&s, false)
		id, err := uuid.Parse(s)
		e.UserID = uuid.NullUUID{UUID: id, Valid: true}
		return ok && err == nil
	case "args_json":
		if !null {
			e.Args = bytes.Clone(value)
		}
		return true
	case "decision":
		var s string
		ok := text(&s, false)
		e.Decision = audit.Decision(s)
		return ok
	case "result_code":
		return number(&e.ResultCode)
	case "duration_ms":
		return number(&e.DurationMS)
	case "action":
		return text(&e.Action, false)
	case "resource":
		return text(&e.Resource, false)
	case "salt_jid":
		return text(&e.SaltJID, true)
	case "username":
		return text(&e.Username, true)
	case "verb":
		return text(&e.Verb, true)
	case "reason":
		return text(&e.Reason, true)
	case "request_id":
		return text(&e.RequestID, true)
	case "source_ip":
		return text(&e.SourceIP, true)
	case "user_agent":
		return text(&e.UserAgent, true)
	}
	return false
}
