// Package retention drops what is older than the log is kept for: whole months, the oldest
// first, each after its archive is on disk and verified, and each with a row in the log.
package retention

import (
	"context"
	"errors"
	"time"

	"halite/internal/audit"
	"halite/internal/guard"
	"halite/internal/proof"
)

// Partition is a month of the log. All ids from FirstID to LastID are in it, and no others.
type Partition struct {
	Name            string // of the table
	Month           time.Time
	FirstID, LastID int64
	FirstAt, LastAt time.Time
}

// Rows is how many entries it holds.
func (p Partition) Rows() int64 { return p.LastID - p.FirstID + 1 }

// Archived names the archive of a partition.
type Archived struct {
	File   string   // without its folder
	SHA256 [32]byte // of the file
}

// Log is what an archive is made of: the entries, and the tree that proves them.
type Log interface {
	audit.Reader
	proof.Source
}

// Store is the log, as its retention needs it. *db.DB is one.
type Store interface {
	Log
	// LeaseRetention takes or renews the right to be the one server that does this, and
	// reports whether it is held. It saves work; nothing stands on it.
	LeaseRetention(ctx context.Context) (bool, error)
	// ReleaseRetention lets another server take over at once.
	ReleaseRetention(ctx context.Context) error
	// OldestPartition is the oldest partition that has rows, if its newest row is older than
	// so many days by the database's clock and by now, and if no row can come into it any
	// more. A partition from which rows are missing is an error, one that is not sealed
	// ErrUnsealed.
	OldestPartition(ctx context.Context, days int, now time.Time) (Partition, bool, error)
	// BeginDrop waits for the moment in which p can be dropped: others wait from then on
	// until the Drop is closed. archive is nil if there is none. Errors are ErrBusy and
	// ErrDropped.
	BeginDrop(ctx context.Context, p Partition, archive *Archived) (Drop, error)
	// Size measures the log.
	Size(ctx context.Context) (Size, error)
}

// Drop is a partition that is about to be dropped. Its Change runs in the transaction of
// the drop and writes, beside the row, what was dropped.
type Drop interface {
	guard.Changer
	// Run drops the partition. It is called by what Change runs.
	Run(ctx context.Context) error
	// Close gives up what was not committed.
	Close()
}

var (
	// ErrBusy says that others did not let go of the log in time: a dump, or a long statement.
	ErrBusy = errors.New("the log is in use for too long by somebody else")
	// ErrDropped says that the partition is not there any more.
	ErrDropped = errors.New("the partition was dropped by somebody else")
	// ErrUnsealed says that the tree has yet to come as far as the partition.
	ErrUnsealed = errors.New("nothing unsealed is dropped")
)
