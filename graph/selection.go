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

// checkRange says which argument of q is out of range.
func checkRange(q audit.Query) error {
	if r, ok := errors.AsType[*audit.RangeError](q.Check()); ok {
		return fault.Input(r.Field, r.Rule)
	}
	return nil
}
