package view

import (
	"encoding/base64"
	"errors"

	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/audit"
	"halite/internal/merkle"
	"halite/internal/proof"
)

// Proof is what is known of an entry's place in the tree: the proof, or why there is none.
type Proof struct {
	proof.Inclusion
	Signed *proof.Signed
	Err    error
}

// errUnasked says that a proof is selected where nobody made one: a fault of this program,
// and better said than null.
var errUnasked = errors.New("view: a proof is selected that was not asked for")

// found is the proof, or the error that stands in its place.
func (p *Proof) found() (*InclusionProof, error) {
	switch {
	case p == nil:
		return nil, errUnasked
	case p.Err != nil:
		return nil, p.Err
	}
	return &InclusionProof{p}, nil
}

// InclusionProof proves the entry.
func (e Entry) InclusionProof() (*InclusionProof, error) { return e.Proof.found() }

// Leaf is the entry's, as the entry is now.
func (e Entry) Leaf() *Leaf { return newLeaf(e.Entry) }

// Leaf is a Leaf.
type Leaf struct{ bytes []byte }

func newLeaf(e *audit.Entry) *Leaf { return &Leaf{merkle.AppendLeaf(nil, e)} }

// Data are its bytes in base64.
func (l *Leaf) Data() string { return base64.StdEncoding.EncodeToString(l.bytes) }

// Hash is its hash in base64.
func (l *Leaf) Hash() string { return tlog.RecordHash(l.bytes).String() }

// InclusionProof is an InclusionProof.
type InclusionProof struct{ *Proof }

// LeafIndex is from 0 up.
func (p *InclusionProof) LeafIndex() int64 { return p.Index() }

// TreeSize is the checkpoint's.
func (p *InclusionProof) TreeSize() int64 { return p.Signed.N }

// Hashes are the audit path.
func (p *InclusionProof) Hashes() []string { return texts(p.Proof.Hashes) }

// Checkpoint is what it leads to.
func (p *InclusionProof) Checkpoint() *Checkpoint { return &Checkpoint{p.Signed} }

// ConsistencyProof is a ConsistencyProof.
type ConsistencyProof struct {
	*proof.Consistency
	Signed *proof.Signed
}

// From is the size of the smaller tree.
func (c *ConsistencyProof) From() int64 { return c.Consistency.From.N }

// To is the size of the larger one.
func (c *ConsistencyProof) To() int64 { return c.Consistency.To.N }

// FromRoot is the root of the smaller tree.
func (c *ConsistencyProof) FromRoot() string { return c.Consistency.From.Hash.String() }

// ToRoot is the root of the larger one.
func (c *ConsistencyProof) ToRoot() string { return c.Consistency.To.Hash.String() }

// Hashes are the proof.
func (c *ConsistencyProof) Hashes() []string { return texts(c.Consistency.Hashes) }

// Checkpoint is what both were read against.
func (c *ConsistencyProof) Checkpoint() *Checkpoint { return &Checkpoint{c.Signed} }

// Checkpoint is a Checkpoint.
type Checkpoint struct{ *proof.Signed }

// TreeSize is how many entries are in the tree.
func (c *Checkpoint) TreeSize() int64 { return c.N }

// RootHash is the root in base64.
func (c *Checkpoint) RootHash() string { return c.Hash.String() }

// Note is what was signed, with the signatures.
func (c *Checkpoint) Note() string { return string(c.Signed.Note) }

// KeyIds are the ids of the keys that signed.
func (c *Checkpoint) KeyIds() []string {
	if c.Keys == nil {
		return []string{}
	}
	return c.Keys
}

func texts(hashes []tlog.Hash) []string {
	out := make([]string, len(hashes))
	for i, h := range hashes {
		out[i] = h.String()
	}
	return out
}
