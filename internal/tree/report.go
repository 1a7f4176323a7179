package tree

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"halite/internal/guard"
	"halite/internal/merkle"
)

// maxOpen bounds what is named: where so much is wrong, more names nothing more.
const maxOpen = 16

// report leaves a row for each mismatch that was not known, and one for each that is none
// any more.
func (k *Keeper) report(ctx context.Context, c *checker, open []Mismatch) error {
	// Where log and tree end moves on, and what is wrong there is one thing all the same.
	same := func(m Mismatch) func(Mismatch) bool {
		return func(o Mismatch) bool { return o.Kind == m.Kind && (o.ID == m.ID || !m.Kind.ofRows()) }
	}
	k.tell(c.found)
	left := len(open)
	for _, m := range open {
		if slices.ContainsFunc(c.found, same(m)) || m.Kind.ofRows() && !c.looked[(m.ID-1)/merkle.TileWidth] {
			continue
		}
		k.Logger.Warn("what was wrong with the log is so no more", "kind", m.Kind, "id", m.ID)
		err := k.leave(ctx, "audit.mismatch.end", http.StatusOK, c, m, k.Store.DropMismatch)
		if err != nil {
			return err
		}
		left--
	}
	for i, m := range c.found {
		if slices.ContainsFunc(open, same(m)) || slices.ContainsFunc(c.found[:i], same(m)) || left >= maxOpen {
			continue
		}
		left++
		err := k.leave(ctx, "audit.mismatch", http.StatusConflict, c, m, k.Store.AddMismatch)
		if err != nil {
			return err
		}
	}
	return nil
}

// tell keeps what was found for Status, since its row may not be written, and says what is
// new in the server's log.
func (k *Keeper) tell(found []Mismatch) {
	k.mu.Lock()
	before := k.found
	k.found = found
	k.mu.Unlock()
	for _, m := range found {
		if !slices.ContainsFunc(before, func(o Mismatch) bool { return o.Kind == m.Kind }) {
			k.Logger.Error("the log is not as it was sealed: nothing is signed over it", "kind", m.Kind, "id", m.ID, "detail", m.Detail)
		}
	}
}

func (k *Keeper) leave(ctx context.Context, name string, code int, c *checker, m Mismatch, change func(context.Context, Mismatch) error) error {
	err := k.Gate.Do(guard.WithCaller(ctx, &guard.Caller{Name: caller}), guard.Action{
		Name: name, Resource: fmt.Sprintf("audit:%d", m.ID), Effect: guard.Change, Anonymous: true, Success: code,
		Judge: guard.Allowed("the check of the log"),
		Args:  map[string]any{"kind": string(m.Kind), "id": m.ID, "detail": m.Detail, "tree_size": c.Tree.N, "root": c.Tree.Hash.String()},
	}, func(ctx context.Context) error { return change(ctx, m) })
	if err != nil {
		return fmt.Errorf("record %s of entry %d: %w", m.Kind, m.ID, err)
	}
	return nil
}

// Status is what /readyz tells: "ok", or what is to be said, and whether it is bad.
type Status struct {
	Tree, Checkpoint       string
	TreeBad, CheckpointBad bool
}

// overdue is how long an entry may wait to be sealed before it is told.
const overdue = 10 * time.Second

// Status says how the tree stands, whichever server looks after it.
func (k *Keeper) Status(ctx context.Context) Status {
	s := Status{Tree: "ok", Checkpoint: "ok"}
	bad := func(what *string, is *bool, text string) { *what, *is = text, true }
	open, err := k.Store.Mismatches(ctx)
	var f Facts
	if err == nil {
		f, err = k.Store.Facts(ctx)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(open) == 0 {
		open = k.found
	}
	switch {
	case err != nil:
		bad(&s.Tree, &s.TreeBad, "error: could not be checked")
	case len(open) > 0:
		text := fmt.Sprintf("error: entry %d: %s", open[0].ID, open[0].Detail)
		if len(open) > 1 {
			text += fmt.Sprintf(" (and %d more)", len(open)-1)
		}
		bad(&s.Tree, &s.TreeBad, text)
	case k.failure != "":
		bad(&s.Tree, &s.TreeBad, "error: it is not looked after, see the server's log")
	case f.Stalled > overdue && f.Overdue > overdue:
		bad(&s.Tree, &s.TreeBad, fmt.Sprintf("error: %d entries are not sealed", f.LastID-f.Tree.N))
	}
	switch {
	case len(k.Keys) == 0:
		bad(&s.Checkpoint, &s.CheckpointBad, "error: nothing is signed, CHECKPOINT_KEY is not set")
	case k.foreign:
		bad(&s.Checkpoint, &s.CheckpointBad, "error: the latest checkpoint was signed by another key: set CHECKPOINT_KEY_PREVIOUS to it")
	case len(open) > 0:
		bad(&s.Checkpoint, &s.CheckpointBad, "error: nothing is signed over what is wrong")
	}
	return s
}
