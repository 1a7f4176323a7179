package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/guard"
)

// Bounds of one request. A page of 500 entries with all columns costs about 9,000, with
// leaves and proofs about 15,000; the standard introspection query has some 500 tokens.
const (
	maxTokens     = 2_000
	maxDepth      = 12
	maxAliases    = 30
	maxRootFields = 20
	maxNodes      = 5_000 // fields after fragments are spread
	maxComplexity = 20_000
	queryCache    = 512 // parsed queries, and persisted ones

	searchComplexity = 2_000 // of a field whose filter is searched, beside what it answers
	countComplexity  = 1_000 // of a field that counts by many values, beside what it answers
)

// The codes of requests beyond a bound, beside those of package fault.
const (
	codeDepth      = "DEPTH_LIMIT_EXCEEDED"
	codeAliases    = "ALIAS_LIMIT_EXCEEDED"
	codeRootFields = "ROOT_FIELD_LIMIT_EXCEEDED"
	codeNodes      = "FIELD_LIMIT_EXCEEDED"
)

// limits refuses operations that are too large, before anything is resolved.
type limits struct{}

var (
	_ graphql.HandlerExtension        = limits{}
	_ graphql.OperationContextMutator = limits{}
)

func (limits) ExtensionName() string                   { return "Limits" }
func (limits) Validate(graphql.ExecutableSchema) error { return nil }

func (limits) MutateOperationContext(ctx context.Context, oc *graphql.OperationContext) *gqlerror.Error {
	m := measure{}
	m.fields(oc.Operation.SelectionSet, 1)
	switch {
	case m.nodes > maxNodes:
		return refuse(codeNodes, "The operation selects more than %d fields", maxNodes)
	case m.depth > maxDepth:
		return refuse(codeDepth, "The operation is nested deeper than %d fields", maxDepth)
	case m.aliases > maxAliases:
		return refuse(codeAliases, "The operation has more than %d aliases", maxAliases)
	case m.roots > maxRootFields:
		return refuse(codeRootFields, "The operation selects more than %d fields at its root", maxRootFields)
	}
	if err := checkSubscription(oc); err != nil {
		return err
	}
	signedIn := guard.CallerOf(ctx).Principal != nil
	if m.introspects && !signedIn {
		return refuse(string(fault.Unauthenticated), "Introspection is for signed-in callers")
	}
	oc.DisableIntrospection = !signedIn
	return nil
}

func refuse(code, format string, args ...any) *gqlerror.Error {
	err := gqlerror.Errorf(format, args...)
	err.Extensions = map[string]any{"code": code}
	return err
}

// measure is the size of an operation with its fragments spread.
type measure struct {
	depth, aliases, roots, nodes int
	introspects                  bool
}

// fields stops as soon as there are too many: fragments that spread one another can
// stand for any number of fields.
func (m *measure) fields(set ast.SelectionSet, depth int) {
	for _, sel := range set {
		if m.nodes > maxNodes {
			return
		}
		switch sel := sel.(type) {
		case *ast.Field:
			m.nodes++
			m.depth = max(m.depth, depth)
			if sel.Alias != sel.Name {
				m.aliases++
			}
			if depth == 1 {
				m.roots++
			}
			if sel.Name == "__schema" || sel.Name == "__type" {
				m.introspects = true
				// Introspection nests deeply by nature; its size is bounded by nodes.
				inner := measure{nodes: m.nodes}
				inner.fields(sel.SelectionSet, depth+1)
				m.nodes, m.aliases = inner.nodes, m.aliases+inner.aliases
				continue
			}
			m.fields(sel.SelectionSet, depth+1)
		case *ast.InlineFragment:
			m.nodes++
			m.fields(sel.SelectionSet, depth)
		case *ast.FragmentSpread:
			m.nodes++
			m.fields(sel.Definition.SelectionSet, depth)
		}
	}
}

// pageComplexity counts each entry that a page may hold. A limit out of range is
// refused behind the gate, so it is not to be counted for more than it can give.
func pageComplexity(child int, f *audit.Filter, limit, _ int64) int {
	return listComplexity(child, limit) + filterComplexity(f)
}

// connectionComplexity counts each edge that a connection may hold, as pageComplexity
// does each entry.
func connectionComplexity(child int, f *audit.Filter, first *int64, _ *string, last *int64, _ *string) int {
	return listComplexity(child, connectionArgs{first: first, last: last}.limit()) + filterComplexity(f)
}

// statsComplexity counts each bucket that there may be.
func statsComplexity(child int, f *audit.Filter, _ *audit.Step) int {
	return countComplexity + audit.MaxBuckets*child + filterComplexity(f)
}

// facetsComplexity counts each value. Resources are searched, whatever the filter.
func facetsComplexity(child int, f *audit.Filter, by audit.Facet, limit int64) int {
	n := countComplexity + listComplexity(child, min(limit, audit.MaxFacets)) + filterComplexity(f)
	if by == audit.ByResource && filterComplexity(f) == 0 {
		n += searchComplexity
	}
	return n
}

// filterComplexity counts a search, which takes as long as some pages.
func filterComplexity(f *audit.Filter) int {
	if f != nil && f.Searched() {
		return searchComplexity
	}
	return 0
}

// listComplexity counts each element that a list may hold. All lists have the bounds of
// a page.
func listComplexity(child int, limit int64) int {
	return 1 + child*int(min(max(limit, audit.MinLimit), audit.MaxLimit))
}
