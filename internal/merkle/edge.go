package merkle

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// The hashes are kept in tiles of TileHeight levels, as tlog.Tile and C2SP tlog-tiles have
// them: TileWidth hashes one after another, each of which stands for TileWidth of those a
// tile level below. Only the last tile of a level is not full.
const (
	TileHeight = 8
	TileWidth  = 1 << TileHeight
)

// Tree is a state of the tree: how many leaves it has, and its root.
type Tree = tlog.Tree

// Empty is the tree without leaves.
var Empty = func() Tree {
	root, err := tlog.TreeHash(0, nil)
	if err != nil {
		panic(err) // it reads nothing
	}
	return Tree{Hash: root}
}()

// Tile is a tile and its hashes, one after another.
type Tile struct {
	tlog.Tile
	Hashes []byte
}

// Edge is the right edge of a tree: the tiles that are not full, which is all that is
// needed to let it grow. It is for one goroutine.
type Edge struct {
	size   int64
	levels [][]byte // the last tile of each level, as far as it is filled
	taken  int64    // the size at the last Take
	full   []Tile   // that became so since
}

// EdgeTiles are the tiles of the right edge of a tree of that size.
func EdgeTiles(size int64) (tiles []tlog.Tile) {
	for level := 0; size>>(TileHeight*level) > 0; level++ {
		if t := lastTile(level, size); t.W > 0 {
			tiles = append(tiles, t)
		}
	}
	return tiles
}

// lastTile is the tile of a level that the tree grows at. It is empty, W = 0, where the one
// before it was just filled.
func lastTile(level int, size int64) tlog.Tile {
	n := size >> (TileHeight * level) // hashes on this level
	return tlog.Tile{H: TileHeight, L: level, N: n / TileWidth, W: int(n % TileWidth)}
}

// ErrInconsistent says that tiles do not hash to the root that they should.
var ErrInconsistent = errors.New("the tiles do not hash to the root of the tree")

// LoadEdge reads the right edge of a tree. The error is ErrInconsistent, or that of r.
func LoadEdge(tree Tree, r tlog.TileReader) (*Edge, error) {
	e := &Edge{size: tree.N, taken: tree.N}
	for level := 0; tree.N>>(TileHeight*level) > 0; level++ {
		e.levels = append(e.levels, make([]byte, 0, TileWidth*tlog.HashSize))
	}
	tiles := EdgeTiles(tree.N)
	data, err := r.ReadTiles(tiles)
	if err != nil {
		return nil, err
	}
	for i, t := range tiles {
		if len(data[i]) != t.W*tlog.HashSize {
			return nil, fmt.Errorf("%w: tile %s has %d bytes", ErrInconsistent, t.Path(), len(data[i]))
		}
		e.levels[t.L] = append(e.levels[t.L], data[i]...)
	}
	if root, err := e.root(); err != nil || root != tree.Hash {
		return nil, errors.Join(ErrInconsistent, err)
	}
	return e, nil
}

// Append adds a leaf by its hash.
func (e *Edge) Append(leaf tlog.Hash) {
	e.size++
	for level, h := 0, leaf; ; level++ {
		if level == len(e.levels) {
			e.levels = append(e.levels, make([]byte, 0, TileWidth*tlog.HashSize))
		}
		e.levels[level] = append(e.levels[level], h[:]...)
		t := lastTile(level, e.size)
		if t.W > 0 {
			return
		}
		t.N, t.W = t.N-1, TileWidth
		full := e.levels[level]
		e.full = append(e.full, Tile{t, full})
		e.levels[level] = make([]byte, 0, TileWidth*tlog.HashSize)
		h = fold(full)
	}
}

// fold is the root of a full tile.
func fold(hashes []byte) tlog.Hash {
	var nodes [TileWidth]tlog.Hash
	for i := range nodes {
		copy(nodes[i][:], hashes[i*tlog.HashSize:])
	}
	for n := TileWidth / 2; n > 0; n /= 2 {
		for i := range n {
			nodes[i] = tlog.NodeHash(nodes[2*i], nodes[2*i+1])
		}
	}
	return nodes[0]
}

// Tree is what the edge is the edge of.
func (e *Edge) Tree() Tree {
	root, err := e.root()
	if err != nil {
		panic(err) // everything that is asked for is in the edge
	}
	return Tree{N: e.size, Hash: root}
}

// Take returns the tiles that changed since the last call: full ones, and those of the
// edge as far as they are filled.
func (e *Edge) Take() []Tile {
	tiles := e.full
	for level, hashes := range e.levels {
		if len(hashes) > 0 && e.size>>(TileHeight*level) != e.taken>>(TileHeight*level) {
			tiles = append(tiles, Tile{lastTile(level, e.size), append([]byte(nil), hashes...)})
		}
	}
	e.full, e.taken = nil, e.size
	return tiles
}

func (e *Edge) root() (tlog.Hash, error) {
	return tlog.TreeHash(e.size, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			t := tlog.TileForIndex(TileHeight, x)
			if t.L >= len(e.levels) || len(e.levels[t.L]) < t.W*tlog.HashSize {
				return nil, fmt.Errorf("%w: %s is not at the edge", ErrInconsistent, t.Path())
			}
			h, err := tlog.HashFromTile(t, e.levels[t.L][:t.W*tlog.HashSize], x)
			if err != nil {
				return nil, err
			}
			hashes[i] = h
		}
		return hashes, nil
	}))
}
