package tree

import (
	"context"
	"time"
)

// Work is a step of the keeper, with its check due or not.
func (k *Keeper) Work(ctx context.Context, check bool) (more bool, err error) {
	k.checked = time.Now()
	if check {
		k.checked = time.Time{}
	}
	return k.work(ctx)
}

// Whole checks all rows.
func (k *Keeper) Whole(ctx context.Context) error {
	for {
		if err := k.check(ctx); err != nil || k.walk <= 0 {
			return err
		}
	}
}

// Finish is what Stop does at last.
func (k *Keeper) Finish(ctx context.Context) error { return k.finish(ctx) }

// Hold lets the keeper take itself for the holder of the lease.
func (k *Keeper) Hold() { k.leased = time.Now().Add(time.Hour) }

// SealBatch is how many entries are sealed at once.
const SealBatch = sealBatch
