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
	Edges      Edges
	PageInfo   PageInfo
	TotalCount int64
}

// NewConnection returns w as it looks in GraphQL. It shares w's entries and keeps cursors.
func NewConnection(w audit.Windowed, cursors Cursors) *Connection {
	c := &Connection{
		Edges: Edges{w.Entries, cursors}, TotalCount: w.Total,
		PageInfo: PageInfo{HasNextPage: w.Older, HasPreviousPage: w.Newer},
	}
	if n := len(w.Entries); n > 0 {
		start, end := string(cursors.Append(nil, w.Entries[0].ID)), string(cursors.Append(nil, w.Entries[n-1].ID))
		c.PageInfo.StartCursor, c.PageInfo.EndCursor = &start, &end
	}
	return c
}

// PageInfo is a PageInfo. The cursors are nil if there are no edges.
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
	return writeList(w, len(l.All), func(b []byte, i int) []byte { return appendObject(b, fields, &l.All[i]) })
}

// UnmarshalGQLContext fails: the list is never an argument. gqlgen asks for it.
func (*Edges) UnmarshalGQLContext(context.Context, any) error { return errOutput }

// edgeFields are the names of the fields of an AuditEntryEdge.
var edgeFields = []string{"__typename", "cursor", "node"}

// selection is what set selects of an AuditEntryEdge: one for each entry.
func (l Edges) selection(ctx context.Context, set ast.SelectionSet) ([]member[audit.Entry], error) {
	return selection(ctx, "AuditEntryEdge", set, func(f graphql.CollectedField) (func([]byte, *audit.Entry) []byte, error) {
		switch f.Name {
		case "__typename":
			return func(b []byte, _ *audit.Entry) []byte { return append(b, `"AuditEntryEdge"`...) }, nil
		case "cursor":
			return func(b []byte, e *audit.Entry) []byte { return append(l.Cursors.Append(append(b, '"'), e.ID), '"') }, nil
		case "node":
			node, err := entrySelection(ctx, f.Selections)
			return func(b []byte, e *audit.Entry) []byte { return appendObject(b, node, e) }, err
		}
		return nil, nil
	})
}
