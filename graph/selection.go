package graph

import (
	"context"
	"errors"
	"slices"
	"strings"

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

// done is the answer of a mutation that has nothing else to say.
func done(err error) (*bool, error) {
	if err != nil {
		return nil, err
	}
	ok := true
	return &ok, nil
}

// renamed puts the name of the GraphQL argument into an error about its value.
func renamed(err error, field string) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Field == "" {
		return err
	}
	out := *f
	out.Message, out.Field = field+strings.TrimPrefix(f.Message, f.Field), field
	return &out
}
