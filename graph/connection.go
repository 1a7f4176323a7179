package graph

import (
	"context"

	"halite/graph/view"
	"halite/internal/audit"
	"halite/internal/cursor"
	"halite/internal/fault"
)

// connectionArgs are the arguments of a connection, nil where they are not given.
type connectionArgs struct {
	first, last   *int64
	after, before *string
}

// connection reads the entries that the arguments of auditLog ask for.
func (r *queryResolver) connection(ctx context.Context, filter *audit.Filter, args connectionArgs) (*view.Connection, error) {
	w := audit.Window{Counted: selects(ctx, "totalCount") || selects(ctx, "totalIsExact"), Brief: brief(ctx, "edges", "node")}
	if filter != nil {
		w.Filter = *filter
	}
	cursors := r.Cursors.Of(w.Filter.Canonical())
	if err := rule(w.Filter.Check()); err != nil {
		return nil, err
	}
	if err := args.bound(&w, cursors); err != nil {
		return nil, err
	}
	if !selects(ctx, "edges") && !selects(ctx, "pageInfo") && !selects(ctx, "searchedTo") {
		w.Limit = 0
	}
	found, err := r.Log.Window(ctx, w)
	if err != nil {
		return nil, err
	}
	proofs, err := r.proofs(ctx, found.Entries, "edges", "node")
	if err != nil {
		return nil, err
	}
	return view.NewConnection(w, found, proofs, cursors), nil
}

// bound puts the arguments into w. The error says which one breaks a rule.
func (a connectionArgs) bound(w *audit.Window, cursors *cursor.List) error {
	if a.first != nil && a.last != nil {
		return fault.Input("last", "should not be given together with first")
	}
	name := "first"
	if w.Oldest = a.last != nil; w.Oldest {
		name = "last"
	}
	limit := a.limit()
	if limit < audit.MinLimit || limit > audit.MaxLimit {
		return fault.Input(name, "should be from 1 to 500")
	}
	w.Limit = int(limit)
	for _, c := range []struct {
		name string
		text *string
		id   *int64
	}{{"after", a.after, &w.Below}, {"before", a.before, &w.Above}} {
		if c.text == nil {
			continue
		}
		id, ok := cursors.Read(*c.text)
		if !ok {
			return fault.Input(c.name, "should be a cursor that was given out with this filter")
		}
		*c.id = id
	}
	return nil
}

// limit is how many edges are asked for.
func (a connectionArgs) limit() int64 {
	switch {
	case a.first != nil:
		return *a.first
	case a.last != nil:
		return *a.last
	}
	return audit.DefaultLimit
}
