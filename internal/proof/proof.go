// Package proof makes what proves the log to others: that an entry is in the tree of a
// signed checkpoint, and that one state of the tree goes on from another. What it returns
// was checked as its reader will check it: the hashes that it is made of lead to the root
// that was signed.
package proof

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/merkle"
)

// Source is where the tree and its checkpoints are kept. *db.DB is one.
type Source interface {
	// LatestCheckpoint is the latest checkpoint as it was signed; nil: none was yet.
	LatestCheckpoint(ctx context.Context) (signed []byte, err error)
	// ReadTiles reads tiles, in their order. What is not there, or too short, comes back
	// shorter than asked for.
	ReadTiles(ctx context.Context, tiles []tlog.Tile) ([][]byte, error)
}

// Signed is a signed checkpoint, and makes the proofs against it. Its signature was not
// checked: whoever asks for a proof does that, and the keeper of the tree does. It is safe
// for concurrent use.
type Signed struct {
	merkle.Checkpoint
	Note   []byte   // as it was signed
	Keys   []string // the ids of the keys that signed it
	source Source
}

// Latest is the latest checkpoint. The error is NOT_SEALED if there is none, and
// LOG_MISMATCH if what is there is not a checkpoint.
func Latest(ctx context.Context, s Source) (*Signed, error) {
	signed, err := s.LatestCheckpoint(ctx)
	switch {
	case err != nil:
		return nil, err
	case signed == nil:
		return nil, fault.New(fault.NotSealed, "No checkpoint was signed yet")
	}
	c, keys, err := merkle.ReadCheckpoint(signed)
	if err != nil {
		return nil, mismatch(err, "The latest checkpoint cannot be read")
	}
	return &Signed{c, signed, keys, s}, nil
}

// Inclusion proves that an entry is in the tree: the audit path of RFC 6962, 2.1.1.
type Inclusion struct {
	ID     int64
	Leaf   tlog.Hash // as the tree has it
	Hashes []tlog.Hash
}

// Index is the entry's place in the tree, from 0 up.
func (i Inclusion) Index() int64 { return i.ID - 1 }

// Of checks that e is the entry that was sealed. The error is LOG_MISMATCH and names it.
func (i Inclusion) Of(e *audit.Entry) error {
	var h merkle.Hasher
	if e.ID == i.ID && h.Leaf(e) == i.Leaf {
		return nil
	}
	return fault.New(fault.LogMismatch, fmt.Sprintf("Entry %d is not the one that was sealed", e.ID))
}

// Covers says whether an entry is in the tree that was signed. Else the error is
// NOT_SEALED and names it; the id is 1 or more.
func (s *Signed) Covers(id int64) error {
	if id <= s.N {
		return nil
	}
	return fault.New(fault.NotSealed, fmt.Sprintf("Entry %d is not in a signed checkpoint yet: the latest one ends with %d", id, s.N))
}

// Inclusion proves that the entries with these ids are in the tree; Covers has to say so of
// each. All the hashes are read at once. The rows are not looked at: see Inclusion.Of. The
// error is LOG_MISMATCH if the tree is not the one that was signed.
func (s *Signed) Inclusion(ctx context.Context, ids ...int64) ([]Inclusion, error) {
	for _, id := range ids {
		if id < 1 {
			return nil, fault.Input("id", "should be 1 or more")
		}
		if err := s.Covers(id); err != nil {
			return nil, err
		}
	}
	out := make([]Inclusion, len(ids))
	err := s.read(ctx, func(r tlog.HashReader) error {
		for i, id := range ids {
			leaf, err := r.ReadHashes([]int64{tlog.StoredHashIndex(0, id-1)})
			if err != nil {
				return err
			}
			path, err := tlog.ProveRecord(s.N, id-1, r)
			if err != nil {
				return err
			}
			out[i] = Inclusion{id, leaf[0], path}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, i := range out {
		if err := tlog.CheckRecord(i.Hashes, s.N, s.Hash, i.Index(), i.Leaf); err != nil {
			return nil, mismatch(err, "The proof of entry %d does not lead to the root that was signed", i.ID)
		}
	}
	return out, nil
}

// Consistency proves that a tree goes on from what it was before: RFC 6962, 2.1.2.
type Consistency struct {
	From, To merkle.Tree
	Hashes   []tlog.Hash
}

// Consistency proves that the tree of the size to goes on from that of the size from; both
// are at most the size that was signed. The error is BAD_USER_INPUT and names from or to,
// or LOG_MISMATCH if the tree is not the one that was signed.
func (s *Signed) Consistency(ctx context.Context, from, to int64) (*Consistency, error) {
	switch {
	case from < 1:
		return nil, fault.Input("from", "should be 1 or more")
	case to < 1:
		return nil, fault.Input("to", "should be 1 or more")
	case to > s.N:
		return nil, fault.Input("to", fmt.Sprintf("should be at most %d, the size that was signed last", s.N))
	case from > to:
		return nil, fault.Input("from", "should be at most to")
	}
	out := &Consistency{From: merkle.Tree{N: from}, To: merkle.Tree{N: to}}
	err := s.read(ctx, func(r tlog.HashReader) (err error) {
		for _, t := range []*merkle.Tree{&out.From, &out.To} {
			if t.Hash, err = tlog.TreeHash(t.N, r); err != nil {
				return err
			}
		}
		if from < to {
			out.Hashes, err = tlog.ProveTree(to, from, r)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := tlog.CheckTree(out.Hashes, to, out.To.Hash, from, out.From.Hash); err != nil {
		return nil, mismatch(err, "The proof from %d to %d is wrong", from, to)
	}
	return out, nil
}

// read calls prove twice: first to learn which hashes it asks for, which are then read at
// once and authenticated up to the root, then with these.
func (s *Signed) read(ctx context.Context, prove func(tlog.HashReader) error) error {
	p := &plan{places: map[int64]int{}}
	if err := prove(p); err != nil {
		return err
	}
	if len(p.indexes) > 0 {
		tiles := &tiles{Source: s.source, ctx: ctx}
		hashes, err := tlog.TileHashReader(s.Tree, tiles).ReadHashes(p.indexes)
		switch {
		case tiles.err != nil:
			return tiles.err
		case err != nil:
			return mismatch(err, "The tree is not the one that was signed")
		}
		p.hashes = hashes
	}
	return prove(p)
}

// plan notes which hashes are asked for as long as it has none, then hands them out.
type plan struct {
	places  map[int64]int
	indexes []int64
	hashes  []tlog.Hash
}

func (p *plan) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		n, ok := p.places[x]
		switch {
		case p.hashes == nil && !ok:
			p.places[x] = len(p.indexes)
			p.indexes = append(p.indexes, x)
		case p.hashes != nil && !ok:
			return nil, errors.New("a hash is asked for that was not before")
		case p.hashes != nil:
			out[i] = p.hashes[n]
		}
	}
	return out, nil
}

// tiles is how package tlog asks for tiles: it brings no context of its own. It tells
// failures to read them from tiles that are wrong.
type tiles struct {
	Source
	ctx context.Context
	err error
}

func (*tiles) Height() int                     { return merkle.TileHeight }
func (*tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	data, err := t.Source.ReadTiles(t.ctx, wanted)
	t.err = err
	return data, err
}

func mismatch(err error, format string, args ...any) error {
	f := fault.New(fault.LogMismatch, fmt.Sprintf(format, args...))
	f.Err = err
	return f
}
