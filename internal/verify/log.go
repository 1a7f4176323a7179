package verify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/audit"
	"halite/internal/export"
	"halite/internal/merkle"
)

// Verified asks the server for its newest checkpoint, checks who signed it, and holds it
// against the one that was seen before: the log may only have grown since. It returns the
// note as it was sent. What is wrong is a *Problem; other errors mean that it could not be
// checked.
func (c *Client) Verified(ctx context.Context, known []note.Verifier, seen *merkle.Checkpoint) (signed []byte, cp merkle.Checkpoint, err error) {
	signed, err = c.Checkpoint(ctx)
	if err != nil {
		return nil, cp, err
	}
	if cp, err = merkle.OpenCheckpoint(signed, known...); err != nil {
		return signed, cp, problem("the checkpoint of the log: %v", err)
	}
	return signed, cp, c.consistent(ctx, seen, cp)
}

// consistent says whether the log at cp begins with the log at seen.
func (c *Client) consistent(ctx context.Context, seen *merkle.Checkpoint, cp merkle.Checkpoint) error {
	if seen == nil {
		return nil
	}
	was := seen.Hash
	switch {
	case seen.Origin != cp.Origin:
		return problem("the log calls itself %s, and was %s before", cp.Origin, seen.Origin)
	case cp.N < seen.N:
		return problem("the log was rolled back: it has %d entries, and had %d before", cp.N, seen.N)
	case seen.N == cp.N:
		was = cp.Hash
	case seen.N > 0:
		var err error
		if was, err = tlog.TreeHash(seen.N, c.hashes(ctx, cp.Tree)); err != nil {
			return c.treeError(err)
		}
	}
	if was != seen.Hash {
		return problem("the log was forked: at the size %d its root was %v, and is %v now", seen.N, seen.Hash, was)
	}
	return nil
}

// treeError is what reading the tree failed with: a *Problem if the tiles are wrong.
func (c *Client) treeError(err error) error {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if strings.Contains(err.Error(), "inconsistent") { // of tlog, which has no type for it
		return problem("the hashes that the log keeps do not lead to the root that it signed: %v", err)
	}
	return err
}

// Entries reads the whole log, as who is signed in, and holds each entry against the tree
// of cp, whose signature and consistency are known to be good.
func (c *Client) Entries(ctx context.Context, cp merkle.Checkpoint, each func(n int64)) (Report, error) {
	body, err := c.Export(ctx)
	if err != nil {
		return Report{}, err
	}
	defer func() { _ = body.Close() }()
	r := export.NewReader(body)
	leaves := &leaves{hashes: c.hashes(ctx, cp.Tree), size: cp.N}
	var ch chain
	var dropped drops
	for {
		var e audit.Entry
		leaf, err := r.Next(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && e.ID <= cp.N {
			var want tlog.Hash
			if want, err = leaves.hash(e.ID - 1); err != nil {
				return Report{}, c.treeError(err)
			}
			if ch.hasher.Leaf(&e) != want {
				err = &Problem{ID: e.ID, What: "it does not hash to its leaf in the tree: it was changed"}
			}
		}
		if err == nil {
			err = ch.next(&e, leaf)
		}
		if err == nil && ch.gap != 0 {
			err = &Problem{ID: ch.gap, What: "it is missing in the log"}
		}
		if err != nil {
			err = named(err, 0)
			if p, ok := errors.AsType[*Problem](err); ok {
				p.Line = 0
			}
			return Report{}, err
		}
		dropped.note(&e)
		if each != nil {
			each(ch.count)
		}
	}
	report := Report{Entries: ch.count, First: ch.first.ID, Last: ch.last.ID, Checkpoint: cp, Proven: min(ch.last.ID, cp.N) - ch.first.ID + 1}
	switch {
	case ch.count == 0 && cp.N > 0:
		return report, &Problem{ID: 1, What: "it is missing in the log"}
	case ch.last.ID < cp.N:
		return report, &Problem{ID: ch.last.ID + 1, What: "it is missing in the log"}
	}
	report.Gone = ch.first.ID - 1
	if id := dropped.missing(ch.first.ID); ch.count > 0 && id != 0 {
		return report, &Problem{ID: id, What: "it is missing in the log, and no entry tells that the retention dropped it"}
	}
	return report, nil
}

// leaves reads the hashes of leaves, a tile of them at a time.
type leaves struct {
	hashes tlog.HashReader
	size   int64
	first  int64 // the index of the first of these
	have   []tlog.Hash
}

func (l *leaves) hash(index int64) (tlog.Hash, error) {
	if index < l.first || index >= l.first+int64(len(l.have)) {
		l.first = index / merkle.TileWidth * merkle.TileWidth
		indexes := make([]int64, min(merkle.TileWidth, l.size-l.first))
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, l.first+int64(i))
		}
		var err error
		if l.have, err = l.hashes.ReadHashes(indexes); err != nil {
			l.have = nil
			return tlog.Hash{}, err
		}
	}
	return l.have[index-l.first], nil
}

// drops are the ranges of ids that entries tell to have been dropped.
type drops []export.IDs

func (d *drops) note(e *audit.Entry) {
	if e.Action != "audit.retention" || e.Decision != audit.Allow || e.ResultCode != 200 {
		return
	}
	var ids export.IDs
	if json.Unmarshal(e.Args, &ids) == nil && ids.First > 0 && ids.First <= ids.Last {
		*d = append(*d, ids)
	}
}

// missing is the first id below first that no range holds; 0 if there is none.
func (d *drops) missing(first int64) int64 {
	next := int64(1)
	for next < first {
		was := next
		for _, ids := range *d {
			if ids.First <= next && next <= ids.Last {
				next = ids.Last + 1
			}
		}
		if next == was {
			return next
		}
	}
	return 0
}
