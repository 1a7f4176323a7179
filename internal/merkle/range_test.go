package merkle_test

import (
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"halite/internal/merkle"
)

// stored are the hashes of a tree of n leaves.
func stored(t *testing.T, n int64) (leaves []tlog.Hash, r tlog.HashReader) {
	t.Helper()
	var all []tlog.Hash
	r = tlog.HashReaderFunc(func(indexes []int64) (out []tlog.Hash, err error) {
		for _, i := range indexes {
			out = append(out, all[i])
		}
		return out, nil
	})
	for i := range n {
		leaf := tlog.RecordHash([]byte{byte(i), byte(i >> 8)})
		hashes, err := tlog.StoredHashesForRecordHash(i, leaf, r)
		if err != nil {
			t.Fatal(err)
		}
		leaves, all = append(leaves, leaf), append(all, hashes...)
	}
	return leaves, r
}

func rootOf(leaves []tlog.Hash, first, size int64, p merkle.RangeProof) (tlog.Hash, error) {
	r := merkle.NewRange(first)
	for _, l := range leaves {
		r.Append(l)
	}
	return r.Root(size, p)
}

// TestRange: every range of every tree of up to 18 leaves leads to its root, and to no
// root with a leaf or a hash that was changed.
func TestRange(t *testing.T) {
	t.Parallel()
	leaves, r := stored(t, 18)
	for size := range int64(19) {
		root, err := tlog.TreeHash(size, r)
		if err != nil {
			t.Fatal(err)
		}
		for first := int64(0); first <= size; first++ {
			for end := first; end <= size; end++ {
				p, err := merkle.ProveRange(first, end, size, r)
				if err != nil {
					t.Fatal(err)
				}
				got, err := rootOf(leaves[first:end], first, size, p)
				if err != nil || got != root {
					t.Fatalf("from %d up to %d of %d: %v, %v, want %v", first, end, size, got, err, root)
				}
				changed := append([]tlog.Hash(nil), leaves[first:end]...)
				for i := range changed {
					changed[i][0] ^= 1
					if got, err := rootOf(changed, first, size, p); err != nil || got == root {
						t.Fatalf("from %d up to %d of %d: leaf %d was changed: %v, %v", first, end, size, i, got, err)
					}
					changed[i][0] ^= 1
				}
				for _, hashes := range [][]tlog.Hash{p.Before, p.Behind} {
					for i := range hashes {
						hashes[i][31] ^= 1
						if got, err := rootOf(leaves[first:end], first, size, p); err != nil || got == root {
							t.Fatalf("from %d up to %d of %d: a hash was changed: %v, %v", first, end, size, got, err)
						}
						hashes[i][31] ^= 1
					}
				}
			}
		}
	}
}

// TestRangeRefuses: what is no range, and proofs of another one.
func TestRangeRefuses(t *testing.T) {
	t.Parallel()
	leaves, r := stored(t, 20)
	for _, c := range [][3]int64{{-1, 2, 20}, {3, 2, 20}, {3, 21, 20}, {0, 1, 0}} {
		if _, err := merkle.ProveRange(c[0], c[1], c[2], r); !errors.Is(err, merkle.ErrRange) {
			t.Errorf("%v: %v", c, err)
		}
	}
	p, err := merkle.ProveRange(3, 7, 20, r)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		leaves      []tlog.Hash
		first, size int64
		proof       merkle.RangeProof
	}{
		"a hash too few":  {leaves[3:7], 3, 20, merkle.RangeProof{Before: p.Before[1:], Behind: p.Behind}},
		"another range":   {leaves[4:8], 4, 20, p},
		"a smaller tree":  {leaves[3:7], 3, 6, p},
		"a hash too many": {leaves[3:7], 3, 20, merkle.RangeProof{Before: p.Before, Behind: append(p.Behind, leaves[0])}},
	} {
		if _, err := rootOf(c.leaves, c.first, c.size, c.proof); !errors.Is(err, merkle.ErrRange) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRangeProofIsSmall: of a large tree too, a proof has at most two hashes a level.
func TestRangeProofIsSmall(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 1<<62).Draw(t, "size")
		first := rapid.Int64Range(0, size).Draw(t, "first")
		end := rapid.Int64Range(first, size).Draw(t, "end")
		p, err := merkle.ProveRange(first, end, size, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			return make([]tlog.Hash, len(indexes)), nil
		}))
		if err != nil || len(p.Before) > 62 || len(p.Behind) > 2*62 {
			t.Fatalf("%d and %d hashes, %v", len(p.Before), len(p.Behind), err)
		}
	})
}
