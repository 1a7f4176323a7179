package view

import "halite/internal/audit"

// Stats is an AuditStats.
type Stats struct{ audit.Stats }

// Bucket is how long the buckets are.
func (s Stats) Bucket() audit.Step { return s.Step }

// IsExact reports whether all entries were counted.
func (s Stats) IsExact() bool { return !s.Partial }

// SearchedTo is nil if nothing was left out.
func (s Stats) SearchedTo() *int64 { return present(s.Stats.SearchedTo) }

// Facets is an AuditFacets.
type Facets struct {
	Values     []Facet
	IsExact    bool
	SearchedTo *int64
}

// Facet is an AuditFacet.
type Facet struct {
	Value, Name     *string
	Allowed, Denied int64
}

// NewFacets returns f as it looks in GraphQL.
func NewFacets(f audit.Facets, by audit.Facet) *Facets {
	out := &Facets{Values: make([]Facet, len(f.Values)), IsExact: !f.Partial, SearchedTo: present(f.SearchedTo)}
	for i, v := range f.Values {
		out.Values[i] = Facet{Value: &f.Values[i].Text, Name: nullable(v.Name), Allowed: v.Allowed, Denied: v.Denied}
		switch {
		case by != audit.ByUser:
		case v.User.Valid:
			id := v.User.UUID.String()
			out.Values[i].Value = &id
		default:
			out.Values[i].Value = nil
		}
	}
	return out
}
