package graph

import (
	"context"
	"errors"

	"github.com/99designs/gqlgen/graphql"

	"halite/internal/audit"
	"halite/internal/fault"
)

// selects reports whether the field under way selects the last of names, by the way of
// those before it.
func selects(ctx context.Context, names ...string) bool {
	oc := graphql.GetOperationContext(ctx)
	fields := graphql.CollectFieldsCtx(ctx, nil)
	for i, name := range names {
		var below []graphql.CollectedField
		found := false
		for _, f := range fields {
			if f.Name != name {
				continue
			}
			found = true
			if i < len(names)-1 {
				below = append(below, graphql.CollectFields(oc, f.Selections, []string{f.Definition.Type.Name()})...)
			}
		}
		if !found {
			return false
		}
		fields = below
	}
	return true
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
