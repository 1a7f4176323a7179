package merkle_test

import (
	"bytes"
	"errors"
	"strconv"
	"testing"

	theirs "github.com/transparency-dev/merkle"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"halite/internal/merkle"
)

func leafHash(i int64) tlog.Hash { return tlog.RecordHash(strconv.AppendInt(nil, i, 10)) }

// tiles keeps tiles as storage does: a tile only grows.
type tiles map[tlog.Tile][]byte

func (ts tiles) store(changed []merkle.Tile) error {
	for _, c := range changed {
		at := tlog.Tile{H: c.H, L: c.L, N: c.N}
		if len(c.Hashes) != c.W*tlog.HashSize || len(c.Hashes) <= len(ts[at]) || !bytes.HasPrefix(c.Hashes, ts[at]) {
			return errors.New("a tile does not go on from what it was")
		}
		ts[at] = bytes.Clone(c.Hashes)
	}
	return nil
}

func (tiles) Height() int                     { return merkle.TileHeight }
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (ts tiles) ReadTiles(wanted []tlog.Tile) (data [][]byte, err error) {
	for _, t := range wanted {
		stored := ts[tlog.Tile{H: t.H, L: t.L, N: t.N}]
		data = append(data, stored[:min(len(stored), t.W*tlog.HashSize)])
	}
	return data, nil
}

func TestTreeGolden(t *testing.T) {
	t.Parallel()
	var e merkle.Edge
	n, kept := int64(0), tiles{}
	for _, v := range readGolden(t).Trees {
		for n < v.Size {
			for range min(997, v.Size-n) { // not at the borders of tiles
				e.Append(leafHash(n))
				n++
			}
			if err := kept.store(e.Take()); err != nil {
				t.Fatal(err)
			}
		}
		if got := e.Tree(); got.N != v.Size || got.Hash != v.Root {
			t.Errorf("size %d: %+v, want %v", v.Size, got, v.Root)
		}
		again, err := merkle.LoadEdge(e.Tree(), kept)
		if err != nil {
			t.Fatal(err)
		}
		if again.Tree() != e.Tree() || len(again.Take()) != 0 {
			t.Errorf("size %d: loaded, it is another tree", v.Size)
		}
		// All tiles are there: the root is the same from the reader that trusts none of them.
		if root, err := tlog.TreeHash(v.Size, tlog.TileHashReader(e.Tree(), kept)); err != nil || root != v.Root {
			t.Errorf("size %d: %v, %v", v.Size, root, err)
		}
	}
	if want := (66000 + 255) / 256; len(kept) != want+2+1 {
		t.Errorf("%d tiles", len(kept))
	}
}

// TestEdgeGrows: however the leaves come, and however often the edge is loaded anew.
func TestEdgeGrows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e, kept := new(merkle.Edge), tiles{}
		want := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 700), 1, 6).Draw(t, "batches") {
			for range n {
				h := leafHash(int64(want.End()))
				e.Append(h)
				if err := want.Append(h[:], nil); err != nil {
					t.Fatal(err)
				}
			}
			if err := kept.store(e.Take()); err != nil {
				t.Fatal(err)
			}
			root, err := want.GetRootHash(nil)
			if want.End() == 0 {
				root = rfc6962.DefaultHasher.EmptyRoot()
			}
			if got := e.Tree(); err != nil || !bytes.Equal(root, got.Hash[:]) || got.N != int64(want.End()) {
				t.Fatalf("%+v, want %x, %v", got, root, err)
			}
			if rapid.Bool().Draw(t, "reload") {
				if e, err = merkle.LoadEdge(e.Tree(), kept); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestLoadEdgeRefuses(t *testing.T) {
	t.Parallel()
	e, kept := new(merkle.Edge), tiles{}
	for i := range int64(1000) {
		e.Append(leafHash(i))
	}
	if err := kept.store(e.Take()); err != nil {
		t.Fatal(err)
	}
	at := tlog.Tile{H: merkle.TileHeight, N: 3}
	good := kept[at]
	for name, bad := range map[string][]byte{"missing": nil, "short": good[:32], "other": append([]byte{good[0] ^ 1}, good[1:]...)} {
		kept[at] = bad
		if _, err := merkle.LoadEdge(e.Tree(), kept); !errors.Is(err, merkle.ErrInconsistent) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := merkle.LoadEdge(merkle.Empty, kept); err != nil {
		t.Error(err)
	}
	if _, err := merkle.LoadEdge(merkle.Tree{Hash: tlog.Hash{1}}, kept); !errors.Is(err, merkle.ErrInconsistent) {
		t.Error(err)
	}
}

// TestAgainstTransparencyDev: proofs of ours, out of tiles, are verified by an independent
// implementation, and proofs of its own tree by what ours are verified with.
func TestAgainstTransparencyDev(t *testing.T) {
	t.Parallel()
	const size = 1200
	var hasher theirs.LogHasher = rfc6962.DefaultHasher
	e, kept := new(merkle.Edge), tiles{}
	roots := map[int64]tlog.Hash{0: merkle.Empty.Hash}
	nodes := map[compact.NodeID][]byte{}
	own := (&compact.RangeFactory{Hash: hasher.HashChildren}).NewEmptyRange(0)
	theirRoots := map[int64][]byte{}
	for i := range int64(size) {
		e.Append(leafHash(i))
		roots[i+1] = e.Tree().Hash
		leaf := hasher.HashLeaf(strconv.AppendInt(nil, i, 10))
		visit := func(id compact.NodeID, hash []byte) { nodes[id] = hash }
		visit(compact.NewNodeID(0, uint64(i)), leaf)
		if err := own.Append(leaf, visit); err != nil {
			t.Fatal(err)
		}
		root, err := own.GetRootHash(nil)
		if err != nil {
			t.Fatal(err)
		}
		theirRoots[i+1] = root
	}
	if err := kept.store(e.Take()); err != nil {
		t.Fatal(err)
	}
	their := func(n proof.Nodes, err error) [][]byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var hashes [][]byte
		for _, id := range n.IDs {
			hashes = append(hashes, nodes[id])
		}
		if hashes, err = n.Rehash(hashes, hasher.HashChildren); err != nil {
			t.Fatal(err)
		}
		return hashes
	}
	for _, n := range []int64{1, 2, 3, 8, 255, 256, 257, 700, 1023, 1024, 1025, size} {
		tree := merkle.Tree{N: n, Hash: roots[n]}
		reader := tlog.TileHashReader(tree, kept)
		for _, i := range []int64{0, 1, n / 3, n / 2, n - 2, n - 1} {
			if i < 0 || i >= n {
				continue
			}
			leaf := leafHash(i)
			p, err := tlog.ProveRecord(n, i, reader)
			if err != nil {
				t.Fatal(err)
			}
			if err := proof.VerifyInclusion(hasher, uint64(i), uint64(n), leaf[:], raw(p), tree.Hash[:]); err != nil {
				t.Errorf("leaf %d of %d: they refuse ours: %v", i, n, err)
			}
			if len(p) > 0 {
				p[0][0] ^= 1
				if proof.VerifyInclusion(hasher, uint64(i), uint64(n), leaf[:], raw(p), tree.Hash[:]) == nil {
					t.Errorf("leaf %d of %d: they take a wrong one", i, n)
				}
			}
			q := their(proof.Inclusion(uint64(i), uint64(n)))
			if err := tlog.CheckRecord(hashes(q), n, tlog.Hash(theirRoots[n]), i, leaf); err != nil {
				t.Errorf("leaf %d of %d: we refuse theirs: %v", i, n, err)
			}
		}
		for _, old := range []int64{1, 2, n / 2, n - 1, n} {
			if old < 1 || old > n {
				continue
			}
			oldRoot := roots[old]
			p, err := tlog.ProveTree(n, old, reader)
			if err != nil {
				t.Fatal(err)
			}
			if err := proof.VerifyConsistency(hasher, uint64(old), uint64(n), raw(p), oldRoot[:], tree.Hash[:]); err != nil {
				t.Errorf("%d to %d: they refuse ours: %v", old, n, err)
			}
			q := their(proof.Consistency(uint64(old), uint64(n)))
			if err := tlog.CheckTree(hashes(q), n, tlog.Hash(theirRoots[n]), old, tlog.Hash(theirRoots[old])); err != nil {
				t.Errorf("%d to %d: we refuse theirs: %v", old, n, err)
			}
		}
	}
}

func raw[P ~[]tlog.Hash](p P) (out [][]byte) {
	for _, h := range p {
		out = append(out, h[:])
	}
	return out
}

func hashes(p [][]byte) (out []tlog.Hash) {
	for _, h := range p {
		out = append(out, tlog.Hash(h))
	}
	return out
}
