// Package twoways is test-only: the entries of the log written by gqlgen's generated code
// and by package view, side by side in one schema, to be compared.
package twoways

import (
	"strconv"

	"halite/graph/view"
	"halite/internal/audit"
)

//go:generate go tool gqlgen generate

// Generated are entries for the generated way.
type Generated struct {
	all    []audit.Entry
	proofs []view.Proof
}

// NewGenerated returns the generated way of all, with a proof of each or none at all.
func NewGenerated(all []audit.Entry, proofs []view.Proof) *Generated { return &Generated{all, proofs} }

func (g *Generated) proof(i int) *view.Proof {
	if g.proofs == nil {
		return nil
	}
	return &g.proofs[i]
}

// Entries are a view of each.
func (g *Generated) Entries() []view.Entry {
	out := make([]view.Entry, len(g.all))
	for i := range g.all {
		out[i] = view.Entry{Entry: &g.all[i], Proof: g.proof(i)}
	}
	return out
}

// Edges are an edge of each.
func (g *Generated) Edges() []view.Edge {
	out := make([]view.Edge, len(g.all))
	for i := range g.all {
		out[i] = view.Edge{Cursor: string(ids{}.Append(nil, g.all[i].ID)), Node: view.Entry{Entry: &g.all[i], Proof: g.proof(i)}}
	}
	return out
}

// Written are entries for package view's way.
type Written struct {
	Entries view.Entries
	Edges   view.Edges
}

// NewWritten returns package view's way of all.
func NewWritten(all []audit.Entry, proofs []view.Proof) *Written {
	return &Written{view.Entries{All: all, Proofs: proofs}, view.Edges{All: all, Proofs: proofs, Cursors: ids{}}}
}

// ids stand for cursors.
type ids struct{}

func (ids) Append(b []byte, id int64) []byte { return strconv.AppendInt(b, id, 10) }
