package view

import (
	"context"
	"io"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"halite/internal/audit"
)

// Connection is an AuditEntryConnection.
type Connection struct {
	Edges        Edges
	PageInfo     PageInfo
	TotalCount   int64
	TotalIsExact bool
	SearchedTo   *int64
}

// NewConnection returns what was found of w as it looks in GraphQL. It shares the entries
// and keeps cursors. Where a search was ended by its bound, the cursor that is to be
// followed stands for the id it came to.
func NewConnection(w audit.Window, found audit.Windowed, proofs []Proof, cursors Cursors) *Connection {
	c := &Connection{
		Edges: Edges{found.Entries, proofs, cursors}, TotalCount: found.Total, TotalIsExact: !found.Partial, SearchedTo: present(found.SearchedTo),
		PageInfo: PageInfo{HasNextPage: found.Older, HasPreviousPage: found.Newer},
	}
	var first, last int64
	if n := len(found.Entries); n > 0 {
		first, last = found.Entries[0].ID, found.Entries[n-1].ID
	}
	if found.SearchedTo != 0 && w.Oldest {
		first = found.SearchedTo
	} else if found.SearchedTo != 0 {
		last = found.SearchedTo
	}
	c.PageInfo.StartCursor, c.PageInfo.EndCursor = place(cursors, first), place(cursors, last)
	return c
}

// place is the cursor of an id; nil for the id that no entry has.
func place(cursors Cursors, id int64) *string {
	if id == 0 {
		return nil
	}
	text := string(cursors.Append(nil, id))
	return &text
}

// PageInfo is a PageInfo. The cursors are nil where there is nothing to follow.
type PageInfo struct {
	HasNextPage, HasPreviousPage bool
	StartCursor, EndCursor       *string
}

// Edge is an AuditEntryEdge by itself, as the generated way would have it.
type Edge struct {
	Cursor string
	Node   Entry
}

// Edges is a list of AuditEntryEdge, [AuditEntryEdge!]!, that writes itself in one pass,
// as Entries does.
type Edges struct {
	All     []audit.Entry
	Proofs  []Proof // as those of Entries
	Cursors Cursors
}

// Cursors make the cursors of a list. *cursor.List is one.
type Cursors interface {
	// Append appends the cursor of an id: letters, digits, hyphens and underscores.
	Append(b []byte, id int64) []byte
}

// MarshalGQLContext writes what the field under way selects of each edge.
func (l Edges) MarshalGQLContext(ctx context.Context, w io.Writer) error {
	fields, err := l.selection(ctx, graphql.GetFieldContext(ctx).Field.Selections)
	if err != nil {
		return err
	}
	var r row
	return writeList(w, len(l.All), func(b []byte, i int) []byte {
		r = row{&l.All[i], proofOf(l.Proofs, i), i}
		return appendObject(b, fields, &r)
	})
}

// UnmarshalGQLContext fails: the list is never an argument. gqlgen asks for it.
func (*Edges) UnmarshalGQLContext(context.Context, any) error { return errOutput }

// edgeFields are the names of the fields of an AuditEntryEdge.
var edgeFields = []string{"__typename", "cursor", "node"}

// selection is what set selects of an AuditEntryEdge: one for each entry.
func (l Edges) selection(ctx context.Context, set ast.SelectionSet) ([]member[row], error) {
	return selection(ctx, "AuditEntryEdge", set, func(f graphql.CollectedField) (func([]byte, *row) []byte, error) {
		switch f.Name {
		case "__typename":
			return func(b []byte, _ *row) []byte { return append(b, `"AuditEntryEdge"`...) }, nil
		case "cursor":
			return func(b []byte, e *row) []byte { return append(l.Cursors.Append(append(b, '"'), e.ID), '"') }, nil
		case "node":
			node, err := entrySelection(ctx, f.Selections, f.Alias)
			return func(b []byte, e *row) []byte { return appendObject(b, node, e) }, err
		}
		return nil, nil
	})
}
