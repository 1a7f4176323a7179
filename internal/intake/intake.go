// Package intake reads a log that was kept elsewhere and makes entries of it that this
// log can hold: from a database of Halite, on PostgreSQL or SQLite, or from NDJSON.
//
// A source is read once, to its end. Each row is checked, freed of secrets and made
// storable, and all are put in the order of their times, before the first of them is
// handed out: what is wrong with a source is known before anything is written.
package intake

import (
	"context"
	"crypto/sha256"
	"io"
	"time"

	"halite/internal/audit"
)

// Entry is an entry as it is to be written: free of secrets, storable, with its At. Its
// ID is left to the log.
type Entry struct {
	audit.Entry
	SourceID int64 // the id that it had; 0 = none
}

// Options say how a source is read.
type Options struct {
	Now    time.Time // what is later than this has not happened yet
	Reject io.Writer // gets every row that cannot be taken, a line of JSON each; nil: the first one is an error
	Dir    string    // for temporary files; empty = the system's
	Memory int       // bytes of entries that are sorted in memory, the rest in files; 0 = 64 MiB
	// Progress is told now and then how many rows are read; nil: nobody is.
	Progress func(rows int64)
}

const defaultMemory = 64 << 20

// Summary is what was found in a source.
type Summary struct {
	Read        int64 // rows
	Taken       int64 // of them: entries were made of these
	Rejected    int64 // and of these not
	Altered     int64 // of those taken: a value had to be cut or replaced to be storable
	Redacted    int64 // of those taken: a secret was found that the source had kept
	First, Last time.Time
	Digest      []byte // SHA-256 of the entries as they were read: the same for the same source
}

// BadRow is a row of which no entry can be made.
type BadRow struct {
	Where  string // such as "line 3" or "id 17"
	Reason string
}

func (b *BadRow) Error() string { return b.Where + ": " + b.Reason }

// Read reads s to its end and returns its entries in the order of their times, those of
// the same time in the order of their ids. The caller closes the result. Unless there is
// o.Reject, the first row of which no entry can be made is the error, a *BadRow.
func Read(ctx context.Context, s *Source, o Options) (_ *Sorted, err error) {
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	out := &Sorted{}
	sorter := newSorter(o.Dir, o.Memory)
	defer func() {
		if err != nil {
			sorter.close()
		}
	}()
	digest := sha256.New()
	err = s.each(ctx, o.Now, func(m *made) error {
		out.Read++
		if o.Progress != nil && out.Read%progressRows == 0 {
			o.Progress(out.Read)
		}
		switch {
		case m.bad != nil && o.Reject == nil:
			return m.bad
		case m.bad != nil:
			out.Rejected++
			return reject(o.Reject, m)
		}
		digest.Write(m.encoded)
		out.count(m)
		return sorter.add(m.At.UnixMicro(), m.SourceID, m.encoded)
	})
	if err != nil {
		return nil, err
	}
	out.Digest = digest.Sum(nil)
	out.sorter = sorter
	return out, sorter.finish()
}

// progressRows is how often progress is told.
const progressRows = 1000

func (s *Summary) count(m *made) {
	s.Taken++
	if s.Taken == 1 || m.At.Before(s.First) {
		s.First = m.At
	}
	if m.At.After(s.Last) {
		s.Last = m.At
	}
	if m.altered {
		s.Altered++
	}
	if m.redacted {
		s.Redacted++
	}
}

// Sorted is what was read, in order. It is for one goroutine.
type Sorted struct {
	Summary
	Repeated int64 // entries left out so far, because the one before is the same with the same id

	sorter *sorter
	before []byte
}

// Next returns the next entry, io.EOF behind the last one. An entry that is the same as
// the one before, with the same id, is left out: pages that were fetched one after another
// from a log that grew overlap.
func (s *Sorted) Next() (Entry, error) {
	for {
		encoded, err := s.sorter.next()
		if err != nil {
			return Entry{}, err
		}
		e, err := decode(encoded)
		if err != nil {
			return Entry{}, err
		}
		if e.SourceID != 0 && string(encoded) == string(s.before) {
			s.Repeated++
			continue
		}
		s.before = append(s.before[:0], encoded...)
		return e, nil
	}
}

// Close removes the temporary files.
func (s *Sorted) Close() { s.sorter.close() }
