package proof

import (
	"context"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/export"
	"halite/internal/fault"
	"halite/internal/merkle"
)

// Range proves that the entries from first to last are in the tree, all of them: the
// hashes that join them to its root. first is 1 or more, last not before first. The error
// is NOT_SEALED, or LOG_MISMATCH if the tree is not the one that was signed.
func (s *Signed) Range(ctx context.Context, first, last int64) (merkle.RangeProof, error) {
	if err := s.Covers(last); err != nil {
		return merkle.RangeProof{}, err
	}
	var out merkle.RangeProof
	err := s.read(ctx, func(r tlog.HashReader) (err error) {
		out, err = merkle.ProveRange(first-1, last, s.N, r)
		return err
	})
	return out, err
}

// How long an export waits for the checkpoint that covers its last entries, where one was
// signed before: the tree follows within a second, and is signed once a second.
const (
	signedWithin = 5 * time.Second
	lookAgain    = 100 * time.Millisecond
)

// Export proves all entries of a range for the footer of their export. It is nil where
// there is nothing to prove, where nothing is signed, and where the log is not what was
// signed: the keeper of the tree tells of that.
func Export(ctx context.Context, s Source, r export.Range, missing []export.IDs) (*export.Proof, error) {
	if !r.Complete() || len(missing) > 0 {
		return nil, nil
	}
	for deadline := time.Now().Add(signedWithin); ; {
		signed, err := Latest(ctx, s)
		var p merkle.RangeProof
		if err == nil {
			p, err = signed.Range(ctx, r.First, r.Last)
		}
		switch code := fault.From(err); {
		case err == nil:
			return &export.Proof{Checkpoint: string(signed.Note), Before: p.Before, Behind: p.Behind}, nil
		case signed == nil && code.Code == fault.NotSealed, code.Code == fault.LogMismatch:
			return nil, nil
		case code.Code != fault.NotSealed:
			return nil, err
		case time.Now().After(deadline):
			return nil, nil
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
