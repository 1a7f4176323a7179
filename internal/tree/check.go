package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/merkle"
)

const (
	newestTiles = 4  // checked again whenever the tree has grown
	startTiles  = 16 // checked at the start
	walkTiles   = 16 // of the others, each time
)

// check looks at where log and tree end, at the newest rows, and at the next ones on a
// walk through all of them from the newest to the oldest; and reports what it finds.
func (k *Keeper) check(ctx context.Context) error {
	f, err := k.Store.Facts(ctx)
	if err != nil {
		return err
	}
	retained, err := k.Retained(ctx)
	if err != nil {
		return fmt.Errorf("what retention dropped: %w", err)
	}
	open, err := k.Store.Mismatches(ctx)
	if err != nil {
		return err
	}
	c := &checker{Store: k.Store, Facts: f, retained: retained}
	if err := k.checkEnds(ctx, c); err != nil {
		return err
	}
	if !c.broken {
		if err := k.checkRows(ctx, c, open); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(c.found, func(m Mismatch) bool { return m.Kind == Missing }) {
		// A partition may have been dropped since.
		if retained, err = k.Retained(ctx); err != nil {
			return fmt.Errorf("what retention dropped: %w", err)
		}
		c.found = slices.DeleteFunc(c.found, func(m Mismatch) bool { return m.Kind == Missing && m.ID <= retained })
	}
	if err := k.report(ctx, c, open); err != nil {
		return err
	}
	k.checked = time.Now()
	if len(c.found) == 0 {
		k.seen, k.noted = f.Tree, f.Noted
	}
	return nil
}

// checkRows compares rows with their hashes: the newest, those of open mismatches, and the
// next of the walk.
func (k *Keeper) checkRows(ctx context.Context, c *checker, open []Mismatch) error {
	tiles := (c.Tree.N + merkle.TileWidth - 1) / merkle.TileWidth
	newest := int64(newestTiles)
	if k.walk < 0 {
		newest = startTiles
	}
	var err error
	if k.walk < 0 || k.seen != c.Tree {
		err = c.tiles(ctx, max(0, tiles-newest), tiles)
	}
	for _, m := range open {
		if n := (m.ID - 1) / merkle.TileWidth; err == nil && m.Kind.ofRows() && n < tiles {
			err = c.tiles(ctx, n, n+1)
		}
	}
	if first := c.retained + 1; err == nil && c.Tree.N >= first && c.First != first {
		n := c.retained / merkle.TileWidth
		err = c.tiles(ctx, n, n+1)
	}
	if k.walk <= 0 || k.walk > tiles {
		k.walk = tiles
	}
	if err == nil && k.walk > 0 {
		if err = c.tiles(ctx, max(0, k.walk-walkTiles), k.walk); err != nil {
			return err
		}
		k.walk = max(0, k.walk-walkTiles)
		k.mu.Lock()
		k.walked = k.walk*merkle.TileWidth + 1
		k.mu.Unlock()
	}
	return err
}

// checkEnds looks at where log and tree end.
func (k *Keeper) checkEnds(ctx context.Context, c *checker) error {
	if c.LastID < c.Tree.N {
		c.add(LogHead, c.LastID+1, "the head of the log stands at %d, and %d entries are sealed", c.LastID, c.Tree.N)
	}
	if c.Beyond > 0 {
		c.add(Beyond, c.Beyond, "the row is behind the head of the log, which stands at %d", c.LastID)
	}
	if c.First < 0 {
		c.add(Beyond, c.First, "the row is before the first of the log")
	}
	if k.unsealed != nil && k.unsealed.ID == c.Tree.N+1 && c.LastID > c.Tree.N {
		c.found = append(c.found, *k.unsealed)
	}
	if _, err := merkle.LoadEdge(c.Tree, c.Tiles(ctx)); errors.Is(err, merkle.ErrInconsistent) {
		c.add(Root, c.Tree.N, "the right edge of the tree does not hash to its root")
		c.broken = true
		return nil
	} else if err != nil {
		return err
	}
	if err := c.extends(ctx, k.seen, TreeHead, "the tree"); err != nil {
		return err
	}
	if err := c.extends(ctx, k.noted, TreeHead, "the tree that was signed"); err != nil {
		return err
	}
	if c.Noted.N < k.noted.N {
		c.add(Checkpoint, k.noted.N, "the latest checkpoint is gone")
	}
	foreign, err := k.checkSigned(ctx, c)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.foreign = foreign
	return err
}

// checkSigned looks at the latest checkpoint: its signature, if a key is known, and
// whether the tree is what it says.
func (k *Keeper) checkSigned(ctx context.Context, c *checker) (foreign bool, err error) {
	if c.Signed == nil {
		return false, nil
	}
	cp, err := merkle.OpenCheckpoint(c.Signed, k.Accepted...)
	if errors.Is(err, merkle.ErrUnknownKey) {
		foreign = true
		cp, _, err = merkle.ReadCheckpoint(c.Signed)
	}
	if _, ok := errors.AsType[*note.InvalidSignatureError](err); ok {
		c.add(Checkpoint, c.Noted.N, "the signature of the latest checkpoint is wrong")
		return false, nil
	}
	if err != nil || cp.Tree != c.Noted {
		c.add(Checkpoint, c.Noted.N, "the latest checkpoint is not what was signed")
		return foreign, nil //nolint:nilerr // that it cannot be read is what was found
	}
	return foreign, c.extends(ctx, cp.Tree, Checkpoint, "the latest checkpoint")
}

// checker is one look at the log.
type checker struct {
	Store
	Facts
	retained int64
	broken   bool // the tree's hashes cannot be relied upon
	found    []Mismatch
	looked   map[int64]bool // tiles
}

func (c *checker) add(kind Kind, id int64, format string, args ...any) {
	c.found = append(c.found, Mismatch{kind, id, fmt.Sprintf(format, args...)})
}

// extends looks whether the tree goes on from what it was before.
func (c *checker) extends(ctx context.Context, before merkle.Tree, kind Kind, what string) error {
	if before.N == 0 || before == c.Tree {
		return nil
	}
	if before.N > c.Tree.N {
		c.add(kind, c.Tree.N+1, "%s had %d entries, and now there are %d", what, before.N, c.Tree.N)
		return nil
	}
	tiles := &tileSource{TileReader: c.Tiles(ctx)}
	root, err := tlog.TreeHash(before.N, tlog.TileHashReader(c.Tree, tiles))
	switch {
	case tiles.err != nil:
		return tiles.err
	case err != nil:
		c.add(TileKind, before.N, "the hashes at the edge of %s are not the tree's", what)
	case root != before.Hash:
		c.add(kind, before.N, "%s had another root at the size %d", what, before.N)
	}
	return nil
}

// tiles checks the rows of the tiles from one to before another, and names the first that
// is wrong.
func (c *checker) tiles(ctx context.Context, from, to int64) error {
	if c.looked == nil {
		c.looked = map[int64]bool{}
	}
	for from < to && c.looked[from] {
		from++
	}
	for from < to && c.looked[to-1] {
		to--
	}
	if from >= to {
		return nil
	}
	for n := from; n < to; n++ {
		c.looked[n] = true
	}
	first, last := from*merkle.TileWidth+1, min(to*merkle.TileWidth, c.Tree.N)
	hashes, err := c.hashes(ctx, first, last)
	if errors.Is(err, merkle.ErrInconsistent) {
		for n := from; n < to; n++ {
			low, high := n*merkle.TileWidth+1, min((n+1)*merkle.TileWidth, c.Tree.N)
			if _, err := c.hashes(ctx, low, high); errors.Is(err, merkle.ErrInconsistent) {
				c.add(TileKind, low, "the hashes of the entries %d to %d, or those above, are not the tree's", low, high)
				return nil
			} else if err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil {
		return err
	}
	return c.rows(ctx, first, last, hashes)
}

// rows compares the rows from first to last with their hashes.
func (c *checker) rows(ctx context.Context, first, last int64, hashes []tlog.Hash) error {
	next := max(first, c.retained+1)
	var hasher merkle.Hasher
	err := c.Rows(ctx, next, last, time.Time{}, func(r *Row) error {
		switch {
		case r.ID < next:
			c.add(Inserted, r.ID, "there is more than one row of this id")
		case r.ID > next:
			c.missing(next)
		case hasher.Leaf(&r.Entry) != hashes[next-first]:
			c.add(Changed, r.ID, "the row is not the one that was sealed")
		case r.Odd:
			c.add(Changed, r.ID, "a column of the row holds an empty text in the place of NULL")
		default:
			next++
			return nil
		}
		return errFound
	})
	if err != nil && !errors.Is(err, errFound) {
		return err
	}
	if err == nil && next <= last {
		c.missing(next)
	}
	return nil
}

func (c *checker) missing(id int64) { c.add(Missing, id, "the row that was sealed is gone") }

var errFound = errors.New("something is wrong")

// hashes are the leaf hashes of entries, authenticated up to the root. The error is
// ErrInconsistent if they are not the tree's.
func (c *checker) hashes(ctx context.Context, first, last int64) ([]tlog.Hash, error) {
	indexes := make([]int64, 0, last-first+1)
	for id := first; id <= last; id++ {
		indexes = append(indexes, tlog.StoredHashIndex(0, id-1))
	}
	tiles := &tileSource{TileReader: c.Tiles(ctx)}
	hashes, err := tlog.TileHashReader(c.Tree, tiles).ReadHashes(indexes)
	if tiles.err != nil {
		return nil, tiles.err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", merkle.ErrInconsistent, err)
	}
	return hashes, nil
}

// tileSource tells failures to read tiles from tiles that are wrong.
type tileSource struct {
	tlog.TileReader
	err error
}

func (s *tileSource) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data, err := s.TileReader.ReadTiles(tiles)
	s.err = err
	return data, err
}
