package intake

import (
	"context"
	"errors"
	"io"
)

// A batch is what is committed together: so many entries, or fewer if they are long.
const (
	batchEntries = 10_000
	batchBytes   = 8 << 20
)

// Log takes entries. *db.Import is one.
type Log interface {
	// Imported is how many entries it took already.
	Imported() int64
	// Append makes the entries durable behind those that are there, all or none.
	Append(ctx context.Context, entries []Entry) error
}

// Write appends to log the entries of s that it did not take before: after an error it
// can be called again with the same entries from the start. progress is told after each
// batch how many are there. Entries are read ahead while a batch is written.
func Write(ctx context.Context, s *Sorted, log Log, progress func(entries int64)) error {
	ctx, cancel := context.WithCancel(ctx)
	batches, readErr := make(chan []Entry), make(chan error, 1)
	go func() {
		defer close(batches)
		readErr <- s.batches(log.Imported(), func(batch []Entry) bool {
			select {
			case batches <- batch:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	var err error
	for batch := range batches {
		if err = log.Append(ctx, batch); err != nil {
			break
		}
		if progress != nil {
			progress(log.Imported())
		}
	}
	cancel()
	return errors.Join(err, <-readErr) // s is the caller's again
}

// errFewer says that a log took more entries than there are.
var errFewer = errors.New("the log holds more entries than the source")

// batches hands out all entries but the first skip, until yield reports false.
func (s *Sorted) batches(skip int64, yield func([]Entry) bool) error {
	for ; skip > 0; skip-- {
		switch _, err := s.Next(); {
		case errors.Is(err, io.EOF):
			return errFewer
		case err != nil:
			return err
		}
	}
	for {
		var batch []Entry
		for size := 0; len(batch) < batchEntries && size < batchBytes; {
			e, err := s.Next()
			if errors.Is(err, io.EOF) {
				if len(batch) > 0 {
					yield(batch)
				}
				return nil
			}
			if err != nil {
				return err
			}
			batch = append(batch, e)
			size += len(s.before)
		}
		if !yield(batch) {
			return nil
		}
	}
}
