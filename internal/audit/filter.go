package audit

import (
	"context"
	"errors"
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
}

// Empty reports whether f selects every entry.
func (f Filter) Empty() bool { return f == Filter{} }

// Query asks for a page of entries, newest first.
type Query struct {
	Filter  Filter
	Limit   int   // entries at most, MinLimit to MaxLimit; 0 = none are asked for
	Offset  int64 // entries to pass over, 0 and up
	Counted bool  // whether Page.Total is wanted
}

// Page is an answer to a Query. Entries and Total are of one moment.
type Page struct {
	Total   int64 // all entries that the filter selects, exact; 0 if not Counted
	Entries []Entry
}

// Reader reads the log. It is safe for concurrent use.
type Reader interface {
	// List answers q. An offset past the end is no error.
	List(ctx context.Context, q Query) (Page, error)
	// Get returns one entry, or ErrNotFound.
	Get(ctx context.Context, id int64) (Entry, error)
}
