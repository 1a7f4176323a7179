// Package verify checks the log from outside: an export against a signed checkpoint, a
// server against its tree and against what it said before. It trusts the keys that it is
// given, and nothing else.
package verify

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/audit"
	"halite/internal/export"
	"halite/internal/merkle"
)

// Problem is what was found to be wrong with the log, or with what was said to be of it.
type Problem struct {
	ID   int64 // of the first entry that is concerned; 0 = none by itself
	Line int64 // of the file; 0 = it was no file
	What string
}

func (p *Problem) Error() string {
	switch {
	case p.ID != 0 && p.Line != 0:
		return fmt.Sprintf("entry %d (line %d): %s", p.ID, p.Line, p.What)
	case p.ID != 0:
		return fmt.Sprintf("entry %d: %s", p.ID, p.What)
	case p.Line != 0:
		return fmt.Sprintf("line %d: %s", p.Line, p.What)
	}
	return p.What
}

func problem(format string, args ...any) *Problem {
	return &Problem{What: fmt.Sprintf(format, args...)}
}

// Report is what was found to be true.
type Report struct {
	Entries     int64 // that were looked at
	First, Last int64 // the ids that were asked for
	Selected    bool  // a filter selected them: that there are no others is not known
	// Checkpoint is the one that the entries, or the log, lead to. Its signature is good.
	Checkpoint merkle.Checkpoint
	Proven     int64              // how many entries are proven to be in the tree of Checkpoint
	Seen       *merkle.Checkpoint // the one before that the log was held against; nil: none
	Gone       int64              // ids up to it were dropped by the retention, as entries tell
}

// File checks an export in NDJSON. known are the keys that the auditor trusts, and seen is
// a checkpoint that he kept, nil if he has none. What is wrong is a *Problem; other errors
// mean that it could not be checked.
func File(in io.Reader, known []note.Verifier, seen *merkle.Checkpoint, each func(n int64)) (Report, error) {
	r := export.NewReader(in)
	c := chain{}
	var tree *merkle.Range // of all entries so far
	var then *merkle.Range // and of those that seen has
	for {
		var e audit.Entry
		leaf, err := r.Next(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = c.next(&e, leaf)
		}
		if err != nil {
			if f, ok := r.Footer(); ok { // a footer that is not true is so because of the lines
				if missing := c.complete(f); missing != nil {
					return Report{}, missing
				}
			}
			return Report{}, named(err, r.Line())
		}
		if tree == nil {
			tree = merkle.NewRange(e.ID - 1)
		}
		tree.Append(leaf)
		if seen != nil && e.ID == seen.N {
			then = tree.Clone()
		}
		if each != nil {
			each(c.count)
		}
	}
	f, _ := r.Footer()
	report := Report{Entries: c.count, First: f.FirstID, Last: f.LastID, Selected: selected(f)}
	if err := c.complete(f); err != nil {
		return report, err
	}
	if f.Proof == nil || c.count == 0 {
		return report, nil
	}
	return report, prove(&report, f.Proof, known, seen, tree, then)
}

// prove holds all entries of a range against the checkpoint of its export, and against the
// one that was seen before.
func prove(report *Report, p *export.Proof, known []note.Verifier, seen *merkle.Checkpoint, tree, then *merkle.Range) error {
	cp, err := merkle.OpenCheckpoint([]byte(p.Checkpoint), known...)
	if err != nil {
		return problem("the checkpoint of the export: %v", err)
	}
	report.Checkpoint = cp
	proof := merkle.RangeProof{Before: p.Before, Behind: p.Behind}
	root, err := tree.Root(cp.N, proof)
	if err != nil {
		return problem("the proof of the export: %v", err)
	}
	if root != cp.Hash {
		return &Problem{What: fmt.Sprintf("the entries %d to %d do not lead to the signed root: some of them were changed, together with the hashes of their leaves", report.First, report.Last)}
	}
	report.Proven = report.Entries
	switch {
	case seen == nil:
		return nil
	case seen.Origin != cp.Origin:
		return problem("the export is of the log %s, and the checkpoint that was kept of %s", cp.Origin, seen.Origin)
	case seen.N == cp.N && seen.Hash != cp.Hash:
		return problem("the log was forked: at the size %d its root was %v, and is %v now", cp.N, seen.Hash, cp.Hash)
	case seen.N == cp.N:
	case then != nil:
		was, err := then.Root(seen.N, merkle.RangeProof{Before: p.Before})
		if err != nil {
			return problem("the proof of the export: %v", err)
		}
		if was != seen.Hash {
			return problem("the log was forked: at the size %d its root was %v, and is %v now", seen.N, seen.Hash, was)
		}
	default:
		return nil // Seen stays none
	}
	report.Seen = seen
	return nil
}

// selected reports whether not all ids of the range were asked for: times select ranges.
func selected(f export.Footer) bool {
	for name := range f.Filter {
		if name != "since" && name != "until" {
			return true
		}
	}
	return false
}

// named makes a *Problem of what is wrong with a file. Other errors stay what they are.
func named(err error, line int64) error {
	if p, ok := errors.AsType[*Problem](err); ok {
		p.Line = line
		return p
	}
	if l, ok := errors.AsType[*export.LineError](err); ok {
		return &Problem{ID: l.ID, Line: l.Line, What: l.What}
	}
	if errors.Is(err, export.ErrCut) {
		return &Problem{What: err.Error()}
	}
	return err
}

// chain is what is true of entries that follow one another.
type chain struct {
	hasher      merkle.Hasher
	first, last audit.Entry
	count       int64
	gap         int64 // the first id that is missing behind an entry; 0 = none
}

// next looks at an entry and at the hash of its leaf.
func (c *chain) next(e *audit.Entry, leaf tlog.Hash) error {
	switch {
	case c.hasher.Leaf(e) != leaf:
		return &Problem{ID: e.ID, What: "its fields do not hash to its leaf: it was changed"}
	case c.count == 0:
		c.first = *e
	case e.ID == c.last.ID:
		return &Problem{ID: e.ID, What: "it is there twice"}
	case e.ID < c.last.ID:
		return &Problem{ID: e.ID, What: fmt.Sprintf("it stands behind entry %d", c.last.ID)}
	case e.At.Before(c.last.At):
		return &Problem{ID: e.ID, What: "it is older than the entry before it"}
	case e.ID > c.last.ID+1 && c.gap == 0:
		c.gap = c.last.ID + 1
	}
	c.last = *e
	c.count++
	return nil
}

// complete says which entry of a range that should have all of them is missing.
func (c *chain) complete(f export.Footer) error {
	var id int64
	switch {
	case selected(f) || f.LastID < f.FirstID:
		return nil
	case c.count == 0 || c.first.ID > f.FirstID:
		id = f.FirstID
	case c.first.ID < f.FirstID:
		return &Problem{ID: c.first.ID, What: "it is not in the range that the footer tells"}
	case c.gap != 0:
		id = c.gap
	case c.last.ID < f.LastID:
		id = c.last.ID + 1
	case c.last.ID > f.LastID:
		return &Problem{ID: c.last.ID, What: "it is not in the range that the footer tells"}
	default:
		return nil
	}
	for _, m := range f.Missing {
		if m.First <= id && id <= m.Last {
			return &Problem{ID: id, What: "it was missing in the log when it was exported"}
		}
	}
	return &Problem{ID: id, What: "it is missing: it was taken out of the file"}
}
