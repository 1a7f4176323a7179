package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"halite/internal/guard"
	"halite/internal/merkle"
)

// sign signs the tree as it was checked last, if it has grown since the latest checkpoint
// and nothing is wrong.
func (k *Keeper) sign(ctx context.Context) error {
	if len(k.Keys) == 0 || k.isForeign() || k.seen.N <= k.noted.N {
		return nil
	}
	if open, err := k.Store.Mismatches(ctx); err != nil || len(open) > 0 {
		return err
	}
	signed, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: k.Keys[0].Name(), Tree: k.seen}, k.Keys...)
	if err != nil {
		return err
	}
	f, err := k.Store.Facts(ctx)
	if err != nil {
		return err
	}
	if f.Noted != k.noted { // another signed since the check
		return nil
	}
	if f.Tree != k.seen { // or sealed: the next time
		return nil
	}
	save := func(ctx context.Context) error { return k.Store.SaveCheckpoint(ctx, k.seen, signed) }
	before, after := k.signers(f.Signed), k.signers(signed)
	if len(f.Signed) > 0 && !slices.Equal(before, after) {
		err = k.Gate.Do(guard.WithCaller(ctx, &guard.Caller{Name: caller}), guard.Action{
			Name: "checkpoint.key", Resource: "audit:*", Effect: guard.Change, Anonymous: true, Judge: guard.Allowed("the configuration"),
			Args: map[string]any{"before": before, "after": after, "size": k.seen.N},
		}, save)
	} else {
		err = save(ctx)
	}
	switch {
	case errors.Is(err, ErrOvertaken):
		return nil
	case err != nil:
		return fmt.Errorf("store the checkpoint: %w", err)
	}
	k.noted = k.seen
	return nil
}

// caller is whose rows they are.
const caller = "system"

// signers are the ids of the keys whose signatures a checkpoint bears.
func (k *Keeper) signers(signed []byte) []string {
	_, ids, err := merkle.ReadCheckpoint(signed)
	if err != nil {
		return nil
	}
	slices.Sort(ids)
	return ids
}

func (k *Keeper) isForeign() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.foreign
}
