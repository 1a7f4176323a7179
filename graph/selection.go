package graph

import (
	"context"
	"errors"
	"slices"

	"github.com/99designs/gqlgen/graphql"

	"halite/graph/view"
	"halite/internal/audit"
	"halite/internal/fault"
)

// selects reports whether the field under way selects the last of names, by the way of
// those before it.
func selects(ctx context.Context, names ...string) bool {
	last := len(names) - 1
	return slices.ContainsFunc(below(ctx, names[:last]...), func(f graphql.CollectedField) bool { return f.Name == names[last] })
}

// brief reports whether what the field under way selects of entries, by a way of names, is
// only what a brief one has.
func brief(ctx context.Context, names ...string) bool {
	return !slices.ContainsFunc(below(ctx, names...), func(f graphql.CollectedField) bool { return !view.Brief(f.Name) })
}

// below are the fields that the field under way selects, by the way of names.
func below(ctx context.Context, names ...string) []graphql.CollectedField {
	oc := graphql.GetOperationContext(ctx)
	fields := graphql.CollectFieldsCtx(ctx, nil)
	for _, name := range names {
		var next []graphql.CollectedField
		for _, f := range fields {
			if f.Name == name {
				next = append(next, graphql.CollectFields(oc, f.Selections, []string{f.Definition.Type.Name()})...)
			}
		}
		fields = next
	}
	return fields
}

// rule is what an argument or a field of the filter breaks, as clients see it.
func rule(err error) error {
	if r, ok := errors.AsType[*audit.RangeError](err); ok {
		return fault.Input(r.Field, r.Rule)
	}
	return err
}

// checked is a filter that breaks no rule; without one it is empty.
func checked(f *audit.Filter) (audit.Filter, error) {
	if f == nil {
		return audit.Filter{}, nil
	}
	return *f, rule(f.Check())
}
