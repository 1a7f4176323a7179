package merkle

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// RangeProof joins leaves that follow one another to the root of a tree: the hashes of the
// largest whole subtrees before them and behind them, from left to right.
type RangeProof struct {
	Before []tlog.Hash
	Behind []tlog.Hash
}

// subtree is a whole one: 1<<level leaves, the n-th of that width.
type subtree struct {
	level int
	n     int64
}

// before are the subtrees that stand for the leaves up to first.
func before(first int64) (out []subtree) {
	for pos := int64(0); pos < first; {
		level := bits.Len64(uint64(first-pos)) - 1
		out = append(out, subtree{level, pos >> level})
		pos += 1 << level
	}
	return out
}

// behind are the subtrees that stand for the leaves of a tree from end on.
func behind(end, size int64) (out []subtree) {
	for pos := end; pos < size; {
		level := bits.Len64(uint64(size-pos)) - 1
		if pos > 0 {
			level = min(level, bits.TrailingZeros64(uint64(pos)))
		}
		out = append(out, subtree{level, pos >> level})
		pos += 1 << level
	}
	return out
}

func checkRange(first, end, size int64) error {
	if first < 0 || end < first || size < end {
		return fmt.Errorf("%w: the leaves from %d up to %d in a tree of %d", ErrRange, first, end, size)
	}
	return nil
}

// ErrRange says that a range of leaves is none, or that a proof has not the hashes that
// one of its range needs.
var ErrRange = errors.New("not a range of the tree")

// ProveRange makes the proof of the leaves with the indexes from first up to end, without
// end, of the tree of that size that r reads.
func ProveRange(first, end, size int64, r tlog.HashReader) (RangeProof, error) {
	if err := checkRange(first, end, size); err != nil {
		return RangeProof{}, err
	}
	left := before(first)
	var indexes []int64
	for _, s := range append(left, behind(end, size)...) {
		indexes = append(indexes, tlog.StoredHashIndex(s.level, s.n))
	}
	if len(indexes) == 0 {
		return RangeProof{}, nil
	}
	hashes, err := r.ReadHashes(indexes)
	if err != nil {
		return RangeProof{}, err
	}
	return RangeProof{Before: hashes[:len(left):len(left)], Behind: hashes[len(left):]}, nil
}

// Range takes the leaves of a range one after another, and says to which root they lead. It
// is for one goroutine.
type Range struct {
	first, end int64
	subtrees   []subtree // that stand for the leaves so far, as few as there can be
	hashes     []tlog.Hash
}

// NewRange begins with the leaf whose index is first, 0 or more.
func NewRange(first int64) *Range { return &Range{first: first, end: first} }

// End is the index of the leaf that comes next.
func (r *Range) End() int64 { return r.end }

// Append takes the next leaf, by its hash.
func (r *Range) Append(leaf tlog.Hash) {
	r.add(subtree{0, r.end}, leaf)
	r.end++
}

// add puts a subtree at the right, and joins it with its sister while there is one.
func (r *Range) add(s subtree, h tlog.Hash) {
	for n := len(r.subtrees); n > 0 && s.n%2 == 1 && r.subtrees[n-1] == (subtree{s.level, s.n - 1}); n = len(r.subtrees) {
		h = tlog.NodeHash(r.hashes[n-1], h)
		s = subtree{s.level + 1, s.n / 2}
		r.subtrees, r.hashes = r.subtrees[:n-1], r.hashes[:n-1]
	}
	r.subtrees, r.hashes = append(r.subtrees, s), append(r.hashes, h)
}

// Root is the root of a tree of that size to which the leaves and the proof lead. The
// error is ErrRange.
func (r *Range) Root(size int64, p RangeProof) (tlog.Hash, error) {
	if err := checkRange(r.first, r.end, size); err != nil {
		return tlog.Hash{}, err
	}
	left, right := before(r.first), behind(r.end, size)
	if len(left) != len(p.Before) || len(right) != len(p.Behind) {
		return tlog.Hash{}, fmt.Errorf("%w: the proof has %d hashes before and %d behind instead of %d and %d", ErrRange, len(p.Before), len(p.Behind), len(left), len(right))
	}
	whole := &Range{}
	for _, part := range []struct {
		subtrees []subtree
		hashes   []tlog.Hash
	}{{left, p.Before}, {r.subtrees, r.hashes}, {right, p.Behind}} {
		for i, s := range part.subtrees {
			whole.add(s, part.hashes[i])
		}
	}
	if size == 0 {
		return Empty.Hash, nil
	}
	root := whole.hashes[len(whole.hashes)-1]
	for i := len(whole.hashes) - 2; i >= 0; i-- {
		root = tlog.NodeHash(whole.hashes[i], root)
	}
	return root, nil
}

// Clone is another one with the same leaves.
func (r *Range) Clone() *Range {
	return &Range{r.first, r.end, slices.Clone(r.subtrees), slices.Clone(r.hashes)}
}
