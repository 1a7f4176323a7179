// Package export writes entries of the log to a file that can be kept, read elsewhere and
// checked: NDJSON or CSV, oldest first, with every column of the log, and a last line, the
// footer, that says what the file holds. A file without one was cut.
package export

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/audit"
	"halite/internal/jsontext"
	"halite/internal/merkle"
)

// Format is how entries are written.
type Format string

// The formats.
const (
	NDJSON Format = "ndjson" // an object a line
	CSV    Format = "csv"    // RFC 4180, with a header
)

// Check says which rule a format asked for breaks, or nil.
func (f Format) Check() error {
	if f != NDJSON && f != CSV {
		return &audit.RangeError{Field: "format", Rule: "should be ndjson or csv"}
	}
	return nil
}

// ContentType is the media type of what is written.
func (f Format) ContentType() string {
	if f == CSV {
		return "text/csv; charset=utf-8; header=present"
	}
	return "application/x-ndjson"
}

// columns are the names of what is written of each entry, in this order: those of the REST
// contract, then the others. NDJSON has `leaf` behind them.
var columns = []string{
	"id", "at", "user_id", "action", "resource", "args_json", "salt_jid", "decision", "result_code", "duration_ms",
	"username", "verb", "reason", "request_id", "source_ip", "user_agent",
}

// Footer is what the last line says of the lines before it.
type Footer struct {
	Count   int64          `json:"count"`    // entries
	FirstID int64          `json:"first_id"` // of the range that was asked for; all entries of the filter are in it
	LastID  int64          `json:"last_id"`  // below FirstID if there was nothing to ask for
	Filter  map[string]any `json:"filter"`   // what selected the entries; empty = all of the range
	Missing []IDs          `json:"missing,omitempty"`
	At      time.Time      `json:"exported_at"`
	SHA256  string         `json:"sha256"`          // of all bytes before this line, in hex
	Proof   *Proof         `json:"proof,omitempty"` // that the entries are the log's, if they are all of the range
}

// IDs are entries that a range should have and that were not there: the retention dropped
// them while the range was read, or somebody took them out of the log.
type IDs struct {
	First int64 `json:"first_id"`
	Last  int64 `json:"last_id"`
}

// Proof joins all entries of a range to the root of a signed checkpoint, as
// merkle.RangeProof has it.
type Proof struct {
	Checkpoint string      `json:"checkpoint"` // a signed note
	Before     []tlog.Hash `json:"before"`
	Behind     []tlog.Hash `json:"behind"`
}

// Writer writes entries in a format. Close ends it. It is for one goroutine.
type Writer struct {
	format Format
	out    io.Writer
	sum    hash.Hash
	lines  Lines
	count  int64
	buf    []byte
}

// NewWriter returns a writer to out, which should be buffered.
func NewWriter(out io.Writer, format Format) *Writer {
	sum := sha256.New()
	w := &Writer{format: format, out: io.MultiWriter(out, sum), sum: sum}
	if format == CSV {
		w.buf = appendHeader(w.buf)
	}
	return w
}

// Count is how many entries were written.
func (w *Writer) Count() int64 { return w.count }

// Write writes entries.
func (w *Writer) Write(entries []audit.Entry) error {
	for i := range entries {
		if w.format == CSV {
			w.buf = appendRow(w.buf, &entries[i])
		} else {
			w.buf = append(w.lines.Append(w.buf, &entries[i]), '\n')
		}
	}
	w.count += int64(len(entries))
	return w.flush()
}

func (w *Writer) flush() error {
	_, err := w.out.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

// Close writes the footer, with Count and SHA256 filled in: a line of its own with the one
// key `footer`, in CSV one cell that begins with `#footer `.
func (w *Writer) Close(f Footer) error {
	if err := w.flush(); err != nil {
		return err
	}
	f.At = f.At.UTC().Truncate(time.Microsecond)
	f.Count, f.SHA256 = w.count, hex.EncodeToString(w.sum.Sum(nil))
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("footer: %w", err)
	}
	if w.format == CSV {
		w.buf = append(appendCell(w.buf, "#footer "+string(text)), '\r', '\n')
	} else {
		w.buf = append(append(append(w.buf, `{"footer":`...), text...), '}', '\n')
	}
	return w.flush()
}

// appendEntry appends e as an object with all columns, and with the hash of its leaf, so
// that an entry that was changed in the file can be named. The arguments stand as the
// database returned them, to the byte: the leaf binds them so.
func appendEntry(b []byte, e *audit.Entry, leaf tlog.Hash) []byte {
	b = strconv.AppendInt(append(b, `{"id":`...), e.ID, 10)
	b = jsontext.AppendTime(append(b, `,"at":`...), e.At)
	b = append(b, `,"user_id":`...)
	if e.UserID.Valid {
		b = jsontext.AppendUUID(b, e.UserID.UUID)
	} else {
		b = append(b, "null"...)
	}
	b = jsontext.AppendString(append(b, `,"action":`...), e.Action)
	b = jsontext.AppendString(append(b, `,"resource":`...), e.Resource)
	b = append(b, `,"args_json":`...)
	if e.Args == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, e.Args...)
	}
	b = jsontext.AppendOptional(append(b, `,"salt_jid":`...), e.SaltJID)
	b = jsontext.AppendString(append(b, `,"decision":`...), string(e.Decision))
	b = strconv.AppendInt(append(b, `,"result_code":`...), int64(e.ResultCode), 10)
	b = strconv.AppendInt(append(b, `,"duration_ms":`...), int64(e.DurationMS), 10)
	b = jsontext.AppendOptional(append(b, `,"username":`...), e.Username)
	b = jsontext.AppendOptional(append(b, `,"verb":`...), e.Verb)
	b = jsontext.AppendOptional(append(b, `,"reason":`...), e.Reason)
	b = jsontext.AppendOptional(append(b, `,"request_id":`...), e.RequestID)
	b = jsontext.AppendOptional(append(b, `,"source_ip":`...), e.SourceIP)
	b = jsontext.AppendOptional(append(b, `,"user_agent":`...), e.UserAgent)
	b = base64.StdEncoding.AppendEncode(append(b, `,"leaf":"`...), leaf[:])
	return append(b, '"', '}')
}

// Lines appends entries as the lines of an NDJSON file, without their ends. It is for one
// goroutine.
type Lines struct{ hasher merkle.Hasher }

// Append appends e.
func (l *Lines) Append(b []byte, e *audit.Entry) []byte {
	return appendEntry(b, e, l.hasher.Leaf(e))
}

// Range is what an export takes from the log: the entries of a filter among a range of ids.
// audit.Reader's Bounds gives the range.
type Range struct {
	Filter      audit.Filter
	First, Last int64
}

// Complete reports whether all ids of the range are exported, so that they can be proven.
func (r Range) Complete() bool {
	f := r.Filter
	f.Since, f.Until, f.AsOf = nil, nil, nil
	return f.Empty() && r.First <= r.Last
}

// batch is how many entries are read at a time.
const batch = 2000

// maxMissing is how many gaps of a range are told.
const maxMissing = 1000

// Copy writes the entries of r. It holds one batch of them at a time, and nothing of log
// while it writes. It returns which ids a complete range lacks, and which were dropped
// before a filter could look at them: those that follow one another together, and of many
// gaps the first 1,000. each, if any, is called after each batch.
func Copy(ctx context.Context, log audit.Reader, r Range, w *Writer, each func() error) (missing []IDs, err error) {
	gap := func(first, last int64) {
		if n := len(missing); n > 0 && missing[n-1].Last == first-1 {
			missing[n-1].Last = last
		} else if first <= last && n < maxMissing {
			missing = append(missing, IDs{first, last})
		}
	}
	for next := r.First; next <= r.Last; {
		entries, err := log.Ascend(ctx, r.Filter, next, r.Last, batch)
		if err != nil {
			return missing, err
		}
		if !r.Complete() { // nothing shows by itself what is not there
			first, _, err := log.Bounds(ctx, audit.Filter{})
			if err != nil {
				return missing, err
			}
			if len(entries) == 0 || entries[0].ID >= first { // else they were read before the drop
				gap(next, min(first-1, r.Last))
			}
			if len(entries) == 0 {
				break
			}
		}
		for _, e := range entries {
			if r.Complete() {
				gap(next, e.ID-1)
			}
			next = max(next, e.ID) + 1
		}
		if len(entries) == 0 { // of a complete range these should be there
			gap(next, min(next+batch-1, r.Last))
			next += batch
		}
		if err := w.Write(entries); err != nil {
			return missing, err
		}
		if each != nil {
			if err := each(); err != nil {
				return missing, err
			}
		}
	}
	return missing, nil
}
