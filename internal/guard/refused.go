package guard

import (
	"errors"
	"sync/atomic"

	"halite/internal/audit"
)

// Refused counts what was refused, or is of unknown outcome, because it could not be
// recorded, by the reason.
type Refused struct {
	QueueFull      int64 // too many entries waited already
	Stopped        int64 // the server was about to end
	Unavailable    int64 // the database could not be written to
	Rejected       int64 // the database refused the values
	OutcomeUnknown int64 // the answer of a COMMIT was lost
	Undecided      int64 // there was no decision that could have been recorded
}

// Refused says how often that happened since the start.
func (g *Guard) Refused() Refused {
	r := &g.refused
	return Refused{
		QueueFull: r.queueFull.Load(), Stopped: r.stopped.Load(), Unavailable: r.unavailable.Load(),
		Rejected: r.rejected.Load(), OutcomeUnknown: r.outcomeUnknown.Load(), Undecided: r.undecided.Load(),
	}
}

// refused is Refused as it grows.
type refused struct {
	queueFull, stopped, unavailable, rejected, outcomeUnknown, undecided atomic.Int64
}

// count counts an error of recording.
func (r *refused) count(err error) {
	switch {
	case errors.Is(err, audit.ErrOutcomeUnknown): // first: it may wrap why
		r.outcomeUnknown.Add(1)
	case errors.Is(err, audit.ErrQueueFull):
		r.queueFull.Add(1)
	case errors.Is(err, audit.ErrStopped):
		r.stopped.Add(1)
	case errors.Is(err, audit.ErrRejected):
		r.rejected.Add(1)
	default:
		r.unavailable.Add(1)
	}
}
