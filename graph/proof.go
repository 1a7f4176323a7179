package graph

import (
	"context"
	"errors"
	"sync"

	"halite/graph/view"
	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/proof"
)

// sealed is the checkpoint that the proofs of one operation lead to: once it is read it
// stays, so that all of an answer can be checked with one signature.
type sealed struct {
	mu     sync.Mutex
	signed *proof.Signed
}

type sealedKey struct{}

func withSealed(ctx context.Context) context.Context {
	return context.WithValue(ctx, sealedKey{}, &sealed{})
}

// signed is the checkpoint of the operation under way.
func (r *Resolver) signed(ctx context.Context) (*proof.Signed, error) {
	s, ok := ctx.Value(sealedKey{}).(*sealed)
	if !ok {
		return proof.Latest(ctx, r.Proofs)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signed != nil {
		return s.signed, nil
	}
	signed, err := proof.Latest(ctx, r.Proofs)
	if err == nil {
		s.signed = signed
	}
	return signed, err
}

// checkpoint is that of the operation; nil if nothing was signed yet.
func (r *queryResolver) checkpoint(ctx context.Context) (*view.Checkpoint, error) {
	signed, err := r.signed(ctx)
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Code == fault.NotSealed {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &view.Checkpoint{Signed: signed}, nil
}

// consistency proves growth from one size to another, or to that of the checkpoint.
func (r *queryResolver) consistency(ctx context.Context, from int64, to *int64) (*view.ConsistencyProof, error) {
	signed, err := r.signed(ctx)
	if err != nil {
		return nil, err
	}
	if to == nil {
		to = &signed.N
	}
	c, err := signed.Consistency(ctx, from, *to)
	if err != nil {
		return nil, err
	}
	return &view.ConsistencyProof{Consistency: c, Signed: signed}, nil
}

// proofs proves entries if the field under way selects that at path, all against one
// checkpoint and with one read of hashes. Why an entry has no proof is in its Proof; the
// error is that nothing could be read.
func (r *Resolver) proofs(ctx context.Context, entries []audit.Entry, path ...string) ([]view.Proof, error) {
	if len(entries) == 0 || !selects(ctx, append(path, "inclusionProof")...) {
		return nil, nil
	}
	out := make([]view.Proof, len(entries))
	signed, err := r.signed(ctx)
	if failed(err) {
		return nil, err
	}
	var ids []int64
	for i := range entries {
		if out[i].Err = err; err == nil {
			out[i].Signed, out[i].Err = signed, signed.Covers(entries[i].ID)
		}
		if out[i].Err == nil {
			ids = append(ids, entries[i].ID)
		}
	}
	if len(ids) == 0 {
		return out, nil
	}
	found, err := signed.Inclusion(ctx, ids...)
	if failed(err) {
		return nil, err
	}
	for i := range entries {
		switch p := &out[i]; {
		case p.Err != nil:
		case err != nil:
			p.Err = err
		default:
			p.Inclusion, found = found[0], found[1:]
			p.Err = p.Of(&entries[i])
		}
	}
	return out, nil
}

// failed reports whether err says more than that a proof cannot be given.
func failed(err error) bool {
	f, ok := errors.AsType[*fault.Error](err)
	return err != nil && (!ok || f.Code != fault.NotSealed && f.Code != fault.LogMismatch)
}

// entry is an entry by itself.
func (r *queryResolver) entry(ctx context.Context, e audit.Entry) (*view.Entry, error) {
	entries := []audit.Entry{e}
	proofs, err := r.proofs(ctx, entries)
	if err != nil {
		return nil, err
	}
	out := &view.Entry{Entry: &entries[0]}
	if proofs != nil {
		out.Proof = &proofs[0]
	}
	return out, nil
}

// Weights of what costs more than its fields: hashes are read, and hundreds of them
// computed for a proof.
const (
	inclusionWeight   = 4
	consistencyWeight = 50
)

func inclusionComplexity(child int) int { return inclusionWeight + child }

func consistencyComplexity(child int, _ int64, _ *int64) int { return consistencyWeight + child }
