package view

import (
	"context"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"halite/internal/jsontext"
)

// What proves an entry, in lists that write themselves.

var leafFields = map[string]func([]byte, *Leaf) []byte{
	"__typename": func(b []byte, _ *Leaf) []byte { return append(b, `"Leaf"`...) },
	"data":       func(b []byte, l *Leaf) []byte { return jsontext.AppendString(b, l.Data()) },
	"hash":       func(b []byte, l *Leaf) []byte { return jsontext.AppendString(b, l.Hash()) },
}

var proofFields = map[string]func([]byte, *InclusionProof) []byte{
	"__typename": func(b []byte, _ *InclusionProof) []byte { return append(b, `"InclusionProof"`...) },
	"leafIndex":  func(b []byte, p *InclusionProof) []byte { return strconv.AppendInt(b, p.LeafIndex(), 10) },
	"treeSize":   func(b []byte, p *InclusionProof) []byte { return strconv.AppendInt(b, p.TreeSize(), 10) },
	"hashes":     func(b []byte, p *InclusionProof) []byte { return appendStrings(b, p.Hashes()) },
}

var checkpointFields = map[string]func([]byte, *Checkpoint) []byte{
	"__typename": func(b []byte, _ *Checkpoint) []byte { return append(b, `"Checkpoint"`...) },
	"origin":     func(b []byte, c *Checkpoint) []byte { return jsontext.AppendString(b, c.Origin) },
	"treeSize":   func(b []byte, c *Checkpoint) []byte { return strconv.AppendInt(b, c.TreeSize(), 10) },
	"rootHash":   func(b []byte, c *Checkpoint) []byte { return jsontext.AppendString(b, c.RootHash()) },
	"note":       func(b []byte, c *Checkpoint) []byte { return jsontext.AppendString(b, c.Note()) },
	"keyIds":     func(b []byte, c *Checkpoint) []byte { return appendStrings(b, c.KeyIds()) },
}

// leafField appends the leaf of an entry as f selects it.
func leafField(ctx context.Context, f graphql.CollectedField) (func([]byte, *row) []byte, error) {
	fields, err := named(ctx, "Leaf", f.Selections, leafFields)
	return func(b []byte, r *row) []byte { return appendObject(b, fields, newLeaf(r.Entry)) }, err
}

// inclusionField appends the proof of an entry as f selects it. Where there is none it is
// null, and the error is that of the field at this place of the element.
func inclusionField(ctx context.Context, f graphql.CollectedField, at []string) (func([]byte, *row) []byte, error) {
	fields, err := selection(ctx, "InclusionProof", f.Selections, func(f graphql.CollectedField) (func([]byte, *InclusionProof) []byte, error) {
		if f.Name != "checkpoint" {
			return proofFields[f.Name], nil
		}
		checkpoint, err := named(ctx, "Checkpoint", f.Selections, checkpointFields)
		return func(b []byte, p *InclusionProof) []byte { return appendObject(b, checkpoint, p.Checkpoint()) }, err
	})
	list := graphql.GetFieldContext(ctx).Path()
	where := []gqlerror.Location{{Line: f.Position.Line, Column: f.Position.Column}}
	return func(b []byte, r *row) []byte {
		p, err := r.proof.found()
		if err != nil {
			path := append(append(ast.Path{}, list...), ast.PathIndex(r.index))
			for _, name := range at {
				path = append(path, ast.PathName(name))
			}
			graphql.AddError(ctx, &gqlerror.Error{Err: err, Message: err.Error(), Path: path, Locations: where})
			return append(b, "null"...)
		}
		return appendObject(b, fields, p)
	}, err
}

// named is a selection of fields that need nothing but their names.
func named[T any](ctx context.Context, typ string, set ast.SelectionSet, known map[string]func([]byte, *T) []byte) ([]member[T], error) {
	return selection(ctx, typ, set, func(f graphql.CollectedField) (func([]byte, *T) []byte, error) { return known[f.Name], nil })
}

func appendStrings(b []byte, all []string) []byte {
	b = append(b, '[')
	for i, s := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsontext.AppendString(b, s)
	}
	return append(b, ']')
}
