package tree

import (
	"context"
	"errors"
	"fmt"
	"time"

	"halite/internal/merkle"
)

// seal adds the next entries to the tree, a batch at most. more says that there are others
// behind them. Where the next row is not there it stops, and remembers that.
func (k *Keeper) seal(ctx context.Context, lastID int64) (more bool, err error) {
	if err := k.load(ctx); err != nil {
		return false, err
	}
	from := k.edge.Tree()
	first, last := from.N+1, min(lastID, from.N+sealBatch)
	if first > last {
		return false, nil
	}
	edge, at, next := k.edge, k.lastAt, first
	k.edge = nil // until it is known what became of it
	var hasher merkle.Hasher
	err = k.Store.Rows(ctx, first, last, k.lastAt, func(r *Row) error {
		if r.ID != next {
			return errGap
		}
		edge.Append(hasher.Leaf(&r.Entry))
		at = r.At
		next++
		return nil
	})
	if err != nil && !errors.Is(err, errGap) {
		return false, err
	}
	if k.unsealed = nil; next == first {
		k.unsealed = &Mismatch{Unsealed, first, "the row is not there, or is older than the one before it: nothing more is sealed"}
		k.edge = edge
		return false, nil
	}
	switch err := k.Store.Grow(ctx, from, edge.Tree(), at, edge.Take()); {
	case errors.Is(err, ErrOvertaken):
		return true, nil
	case err != nil:
		return false, err
	}
	k.edge, k.lastAt = edge, at
	return next <= lastID, nil
}

// load reads the edge of the tree, unless it is known.
func (k *Keeper) load(ctx context.Context) error {
	f, err := k.Store.Facts(ctx)
	if err != nil {
		return err
	}
	if k.edge != nil && k.edge.Tree() == f.Tree {
		return nil
	}
	k.lastAt = time.Time{}
	if f.Tree.N > 0 {
		k.lastAt = f.LastAt
	}
	if k.edge, err = merkle.LoadEdge(f.Tree, k.Store.Tiles(ctx)); err != nil {
		return fmt.Errorf("read the edge of the tree: %w", err)
	}
	return nil
}
