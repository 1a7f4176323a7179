package graph

import (
	"context"
	"errors"
	"slices"

	"github.com/99designs/gqlgen/graphql"

	"halite/internal/audit"
	"halite/internal/fault"
)

// selects reports whether the field under way selects name.
func selects(ctx context.Context, name string) bool {
	fields := graphql.CollectFieldsCtx(ctx, nil)
	return slices.ContainsFunc(fields, func(f graphql.CollectedField) bool { return f.Name == name })
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
