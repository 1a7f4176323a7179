package audit

import (
	"context"
	"errors"
)

// Bounds of a page, in entries.
const (
	MinLimit     = 1
	MaxLimit     = 500
	DefaultLimit = 50
)

// ErrNotFound says that no entry has the id asked for.
var ErrNotFound = errors.New("audit entry not found")

// Query asks for a page of entries, newest first.
type Query struct {
	Filter  Filter
	Limit   int   // entries at most, MinLimit to MaxLimit; 0 = none are asked for
	Offset  int64 // entries to pass over, 0 and up
	Counted bool  // whether Page.Total is wanted
	Brief   bool  // whether it is enough to have the fields that Halite's log has: those from Username on are empty then
}

// Check says which rule a page asked for breaks, or nil, its filter included. Limit is
// checked as a page size: 0 is out of range here. Its error carries the field; what an edge makes of it
// is the edge's business.
func (q Query) Check() error {
	switch {
	case q.Limit < MinLimit || q.Limit > MaxLimit:
		return &RangeError{Field: "limit", Rule: "should be from 1 to 500"}
	case q.Offset < 0:
		return &RangeError{Field: "offset", Rule: "should be 0 or more"}
	}
	return q.Filter.Check()
}

// RangeError is an argument that breaks a rule.
type RangeError struct{ Field, Rule string }

func (e *RangeError) Error() string { return e.Field + ": " + e.Rule }

// Page is an answer to a Query. Entries and Total are of one moment.
type Page struct {
	Total   int64 // all entries that the filter selects; 0 if not Counted
	Entries []Entry
	AsOf    int64 // the last entry of that moment, or the filter's AsOf if that is less; 0 = there is none
	Search
}

// Search says how far a filter was searched for. It is zero where the rank index answers.
type Search struct {
	// Partial says that a number was counted only in what was searched: there may be more.
	Partial bool
	// SearchedTo is the last id that was looked at where the bound of work ended the search;
	// what lies behind it was not. 0 = nothing was left out.
	SearchedTo int64
}

// Reader reads the log. It is safe for concurrent use.
type Reader interface {
	// List answers q. An offset past the end is no error. If the filter is searched for, no
	// more than some number of entries are looked at, the newest first: the page has what was
	// found among them.
	List(ctx context.Context, q Query) (Page, error)
	// Window answers w. If the filter is searched for, from either end, w has what was found
	// as List says, and Newer and Older say only that there may be more. SearchedTo is then a
	// bound for the next window.
	Window(ctx context.Context, w Window) (Windowed, error)
	// Bounds is the range of ids, first to last, that the filter's times and its AsOf select,
	// as the log is now: all entries of the filter are in it, and if nothing else is set, all
	// ids in it are entries of the filter. last < first says that there are none.
	Bounds(ctx context.Context, f Filter) (first, last int64, err error)
	// Ascend returns the oldest entries, limit at most, that f selects among the ids from
	// first to last, oldest first. It searches for as long as it takes.
	Ascend(ctx context.Context, f Filter, first, last int64, limit int) ([]Entry, error)
	// Stats counts the entries of f by time. Without a step it is the shortest one that makes
	// no more than FineBuckets of the times that f selects. A step that makes too many is a
	// RangeError.
	Stats(ctx context.Context, f Filter, step Step) (Stats, error)
	// Facets counts the entries of f by a value, and returns limit values at most.
	Facets(ctx context.Context, f Filter, by Facet, limit int) (Facets, error)
	// Actions are the actions that the log holds, in their order, MaxActions at most.
	Actions(ctx context.Context) ([]string, error)
	// Get returns one entry, or ErrNotFound.
	Get(ctx context.Context, id int64) (Entry, error)
}
