package tree

import (
	"context"
	"errors"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/audit"
	"halite/internal/merkle"
)

// Store is where the log and its tree are kept. *db.DB is one.
type Store interface {
	// Ends reads where the log ends, and where its tree does.
	Ends(ctx context.Context) (lastID, size int64, err error)
	// Facts reads how both stand, all of one moment.
	Facts(ctx context.Context) (Facts, error)
	// Rows calls each for the rows with the ids first to last that are not before since, in
	// the order of ids; the zero time asks for all. The row is each's until it returns.
	Rows(ctx context.Context, first, last int64, since time.Time, each func(*Row) error) error
	// Tiles reads tiles. What is not there, or too short, comes back shorter than asked for.
	Tiles(ctx context.Context) tlog.TileReader
	// Grow stores tiles and moves the head of the tree, if it is where it is taken to be. Else
	// the error is ErrOvertaken and nothing is done.
	Grow(ctx context.Context, from, to merkle.Tree, lastAt time.Time, tiles []merkle.Tile) error
	// SaveCheckpoint stores a checkpoint if it is of the tree as it is, and larger than the
	// ones before. Else the error is ErrOvertaken. It takes part in the transaction that ctx
	// carries.
	SaveCheckpoint(ctx context.Context, t merkle.Tree, signed []byte) error
	// ThinCheckpoints removes old checkpoints, and leaves one of each hour and each day.
	ThinCheckpoints(ctx context.Context) error
	// Mismatches are what was found and is still so, by ids. The change of them takes part in
	// the transaction that ctx carries.
	Mismatches(ctx context.Context) ([]Mismatch, error)
	AddMismatch(ctx context.Context, m Mismatch) error
	DropMismatch(ctx context.Context, m Mismatch) error
	// TreeLease is a lease of the tree for this server: Take takes or renews it for ttl, and
	// reports whether it is held.
	TreeLease(ttl time.Duration) Lease
}

// Lease says which server looks after the tree. It saves work; nothing stands on it.
type Lease interface {
	Take(ctx context.Context) (bool, error)
	Release(ctx context.Context) error
}

// ErrOvertaken says that the tree is not where it was taken to be: another server was
// faster.
var ErrOvertaken = errors.New("the tree was moved by another")

// Row is an entry as it stands in the table.
type Row struct {
	audit.Entry
	// Odd says that it holds an empty text where the log writes NULL: both mean nothing, and
	// make the same leaf.
	Odd bool
}

// Facts is how the log and its tree stand.
type Facts struct {
	LastID   int64 // by the head of the log
	First    int64 // the lowest id that there is; 0: there are none
	Beyond   int64 // the lowest id behind LastID; 0: there is none, as it should be
	Tree     merkle.Tree
	LastAt   time.Time     // of the last entry in it
	Stalled  time.Duration // how long nothing was sealed
	Overdue  time.Duration // how long the first entry is there that is not sealed; 0: all are
	Signed   []byte        // the latest checkpoint; nil: there is none
	SignedAt time.Time
	Noted    merkle.Tree // what is stored beside it
}

// Mismatch is something in the log or its tree that is not as it was sealed.
type Mismatch struct {
	Kind   Kind
	ID     int64 // of the first entry that it is about
	Detail string
}

// Kind is what is wrong.
type Kind string

// The kinds. Those above the line are about what the rows are; the others about where log
// and tree end.
const (
	Changed  Kind = "changed"  // the row is not the one that was sealed
	Missing  Kind = "missing"  // the row is gone
	Inserted Kind = "inserted" // there is one row more
	TileKind Kind = "tile"     // the hashes of the row, or those above, are not the tree's

	Beyond     Kind = "beyond"     // a row behind the head of the log, or before its first
	Unsealed   Kind = "unsealed"   // the next row to be sealed is not there
	LogHead    Kind = "log_head"   // the head of the log is behind what is sealed
	TreeHead   Kind = "tree_head"  // the tree is smaller than it was, or another
	Root       Kind = "root"       // the right edge does not hash to the root
	Checkpoint Kind = "checkpoint" // the latest checkpoint was not signed so, or of another tree
)

// ofRows reports whether a mismatch is looked for where its entry is.
func (k Kind) ofRows() bool { return k == Changed || k == Missing || k == Inserted || k == TileKind }
