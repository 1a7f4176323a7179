package live

import (
	"context"
	"errors"
	"slices"
	"time"

	"halite/internal/audit"
)

// Batch is what a stream hands out at a time.
type Batch struct {
	// Gap are ids before the entries that the stream should have looked at and that the
	// retention has dropped; nil: there are none.
	Gap     *Gap
	Entries []audit.Entry // oldest first
	// Seen is the last id that was looked at: behind it the stream goes on, now or when it
	// is opened again.
	Seen int64
}

// Gap is a range of ids.
type Gap struct{ First, Last int64 }

// From is the id behind which the stream begins: what it was opened with, or began.
func (s *Stream) From(began int64) int64 {
	if s.after != nil {
		return *s.after
	}
	return began
}

// Follow calls each with what the stream selects, oldest first, each entry once and none
// left out, as it is written, five times a second at most once it has caught up. Where there
// was nothing for a while each gets a batch without entries. It returns the error of each,
// that of ctx when it ends, or AuditUnavailable where the log cannot be read.
func (s *Stream) Follow(ctx context.Context, began int64, each func(Batch) error) error {
	seen, said := s.From(began), time.Now()
	tell := func(b Batch) error {
		said = time.Now()
		return each(b)
	}
	behind := true // the retention may have been here before
	for {
		last, err := s.wait(ctx, seen, said.Add(s.feed.Beat))
		if err != nil {
			return err
		}
		if last == seen {
			if err := tell(Batch{Seen: seen}); err != nil {
				return err
			}
			continue
		}
		for seen < last {
			b, err := s.read(ctx, seen, last, behind || last-seen > batch)
			if err != nil {
				return err
			}
			seen, behind = b.Seen, false
			if len(b.Entries) > 0 || b.Gap != nil || time.Since(said) >= s.feed.Beat {
				if err := tell(b); err != nil {
					return err
				}
			}
		}
		if err := pause(ctx, rest); err != nil {
			return err
		}
	}
}

// wait returns the last id once it is greater than seen, or seen when it is time to say
// something.
func (s *Stream) wait(ctx context.Context, seen int64, until time.Time) (int64, error) {
	limited, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	last, err := s.feed.Head.Wait(limited, seen)
	switch {
	case err == nil:
		return last, nil
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return seen, nil
	}
	return 0, unreadable(err)
}

// read looks at the ids behind seen, up to last at most. With dropped it asks whether they
// are all still there.
func (s *Stream) read(ctx context.Context, seen, last int64, dropped bool) (Batch, error) {
	entries, err := s.feed.Log.Ascend(ctx, s.filter, seen+1, last, s.limit)
	if err != nil {
		return Batch{}, failed(ctx, err)
	}
	b := Batch{Entries: entries, Seen: last}
	if n := fitting(entries); n < len(entries) {
		b.Entries = slices.Clone(entries[:n]) // lets the others go
		b.Seen, s.limit = entries[n-1].ID, n
	} else if len(entries) == s.limit {
		b.Seen, s.limit = entries[n-1].ID, min(2*s.limit, batch)
	}
	if dropped {
		first, _, err := s.feed.Log.Bounds(ctx, audit.Filter{})
		if err != nil {
			return Batch{}, failed(ctx, err)
		}
		// An entry from before them was read before the drop, and so were those behind it.
		if first > seen+1 && (len(entries) == 0 || entries[0].ID >= first) {
			b.Gap = &Gap{seen + 1, min(first-1, b.Seen)}
		}
	}
	return b, nil
}

// fitting is how many of the entries a stream holds at a time.
func fitting(entries []audit.Entry) int {
	room := bytes
	for i := range entries {
		e := &entries[i]
		room -= len(e.Args) + len(e.Resource) + len(e.Reason) + len(e.UserAgent) // the others are short
		if room < 0 {
			return max(i, 1)
		}
	}
	return len(entries)
}

func failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return unreadable(err)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
