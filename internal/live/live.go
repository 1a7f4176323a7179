// Package live hands out the entries of the log as they are written, to each reader at the
// pace of the reader.
//
// A reader waits for the head of the log and then reads the table, from where it was. There
// is nothing in between that could fill up: what writes knows of no readers, whichever
// server it is of, and a reader that stops reading is only behind.
package live

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/limit"
)

// Bounds of the streams of a server.
const (
	MaxStreams = 64 // at once
	MaxPerUser = 4  // of these
)

const (
	rest     = 200 * time.Millisecond // between two looks, however much is written
	beat     = 15 * time.Second       // until a reader hears something, although there is nothing
	patience = 20 * time.Second       // for a client to take what is sent
	batch    = 200                    // entries read at a time; each may have 32 KiB of arguments
)

// Head knows how far the log reaches. *db.Head is one.
type Head interface {
	// Wait returns the last id once it is greater than id.
	Wait(ctx context.Context, id int64) (int64, error)
}

// Config is what a Feed needs. Zero durations have defaults.
type Config struct {
	Log      audit.Reader
	Head     Head
	Beat     time.Duration // how long a stream can be silent
	Patience time.Duration // how long a client may take for what is sent before it is cut off
}

// Feed hands out what is written. It is safe for concurrent use.
type Feed struct {
	Config
	seats *limit.Seats
}

// New returns a feed.
func New(cfg Config) *Feed {
	if cfg.Beat == 0 {
		cfg.Beat = beat
	}
	if cfg.Patience == 0 {
		cfg.Patience = patience
	}
	return &Feed{Config: cfg, seats: limit.NewSeats(MaxStreams, MaxPerUser)}
}

// Streams says how many there are now, and how many there may be.
func (d *Feed) Streams() (n, limit int) { return d.seats.Taken() }

// Stream is one reader's place in the feed.
type Stream struct {
	feed   *Feed
	filter audit.Filter
	after  *int64
	leave  func()
}

// Open makes a stream for a user: the entries of f with ids greater than after, or, without
// after, greater than Follow is told. Close must be called on it. Errors: BadUserInput for an
// after that the log does not reach, and for times and AsOf in f, since the stream says by ids
// where it begins and goes on; RateLimited.
func (d *Feed) Open(ctx context.Context, user uuid.UUID, f audit.Filter, after *int64) (*Stream, error) {
	switch {
	case f.Since != nil:
		return nil, fault.Input("since", "a stream has none: it begins behind an entry")
	case f.Until != nil:
		return nil, fault.Input("until", "a stream has none: it goes on")
	case f.AsOf != nil:
		return nil, fault.Input("asOf", "a stream has none: it goes on")
	}
	if after != nil {
		_, last, err := d.Log.Bounds(ctx, audit.Filter{})
		if err != nil {
			return nil, unreadable(err)
		}
		if *after < 0 || *after > last {
			return nil, fault.Input("after", fmt.Sprintf("should be from 0 to %d, the last entry", last))
		}
	}
	leave, ok := d.seats.Take(user.String())
	if !ok {
		return nil, &fault.Error{
			Code: fault.RateLimited, RetryAfter: 10 * time.Second,
			Message: fmt.Sprintf("A server has %d streams at once, and a user %d of them: try again later", MaxStreams, MaxPerUser),
		}
	}
	return &Stream{d, f, after, leave}, nil
}

// Close gives the place back. It may be called more than once.
func (s *Stream) Close() { s.leave() }

// unreadable is the end of a stream that can be begun anew, where it was.
func unreadable(err error) error {
	return &fault.Error{Code: fault.AuditUnavailable, Message: "The audit log could not be read", RetryAfter: time.Second, Err: err}
}
