package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Bounds of a page, in entries.
const (
	MinLimit     = 1
	MaxLimit     = 500
	DefaultLimit = 50
)

// ErrNotFound says that no entry has the id asked for.
var ErrNotFound = errors.New("audit entry not found")

// Filter selects entries; the zero value selects all. What is set combines with AND.
type Filter struct {
	UserID   *uuid.UUID
	Action   *string    // exact, case-sensitive
	Decision *Decision  // exact; a value that no row has selects nothing
	Since    *time.Time // at >= Since
	Until    *time.Time // at < Until
	AsOf     *int64     // id <= AsOf: the log as it was when that was the last entry
}

// Empty reports whether f selects every entry.
func (f Filter) Empty() bool { return len(f.Canonical()) == 0 }

// Canonical returns a text that two filters share if and only if they say the same. It is
// for signing, not for reading. Times are taken to the microsecond, as the log has them.
func (f Filter) Canonical() []byte {
	var b []byte
	if f.UserID != nil {
		b = fmt.Appendf(b, "user %s\n", f.UserID)
	}
	if f.Action != nil {
		b = fmt.Appendf(b, "action %q\n", *f.Action)
	}
	if f.Decision != nil {
		b = fmt.Appendf(b, "decision %q\n", *f.Decision)
	}
	if f.Since != nil {
		b = fmt.Appendf(b, "since %d\n", f.Since.UnixMicro())
	}
	if f.Until != nil {
		b = fmt.Appendf(b, "until %d\n", f.Until.UnixMicro())
	}
	if f.AsOf != nil {
		b = fmt.Appendf(b, "as of %d\n", *f.AsOf)
	}
	return b
}

// Query asks for a page of entries, newest first.
type Query struct {
	Filter  Filter
	Limit   int   // entries at most, MinLimit to MaxLimit; 0 = none are asked for
	Offset  int64 // entries to pass over, 0 and up
	Counted bool  // whether Page.Total is wanted
}

// Check says which rule a page asked for breaks, or nil. Limit is checked as a page
// size: 0 is out of range here. Its error carries the field; what an edge makes of it
// is the edge's business.
func (q Query) Check() error {
	switch {
	case q.Limit < MinLimit || q.Limit > MaxLimit:
		return &RangeError{Field: "limit", Rule: "should be from 1 to 500"}
	case q.Offset < 0:
		return &RangeError{Field: "offset", Rule: "should be 0 or more"}
	}
	return nil
}

// RangeError is an argument that breaks a rule.
type RangeError struct{ Field, Rule string }

func (e *RangeError) Error() string { return e.Field + ": " + e.Rule }

// Page is an answer to a Query. Entries and Total are of one moment.
type Page struct {
	Total   int64 // all entries that the filter selects, exact; 0 if not Counted
	Entries []Entry
	AsOf    int64 // the last entry of that moment, or the filter's AsOf if that is less; 0 = there is none
}

// Reader reads the log. It is safe for concurrent use.
type Reader interface {
	// List answers q. An offset past the end is no error.
	List(ctx context.Context, q Query) (Page, error)
	// Window answers w.
	Window(ctx context.Context, w Window) (Windowed, error)
	// Bounds is the range of ids, first to last, that the filter's times and its AsOf select,
	// as the log is now: all entries of the filter are in it, and if nothing else is set, all
	// ids in it are entries of the filter. last < first says that there are none.
	Bounds(ctx context.Context, f Filter) (first, last int64, err error)
	// Ascend returns the oldest entries, limit at most, that f selects among the ids from
	// first to last, oldest first.
	Ascend(ctx context.Context, f Filter, first, last int64, limit int) ([]Entry, error)
	// Get returns one entry, or ErrNotFound.
	Get(ctx context.Context, id int64) (Entry, error)
}
