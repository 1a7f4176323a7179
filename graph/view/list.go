package view

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

var errOutput = errors.New("view: the type is for answers only")

// member is a selected field of an object T.
type member[T any] struct {
	key   string // `"alias":`, ready to be written
	value func([]byte, *T) []byte
}

// selection collects what set selects of a type, once for a whole list: fragments are
// spread, aliases and directives applied. find returns what appends a field; it is nil
// for a field that is not known.
func selection[T any](ctx context.Context, typ string, set ast.SelectionSet, find func(graphql.CollectedField) (func([]byte, *T) []byte, error)) ([]member[T], error) {
	fields := graphql.CollectFields(graphql.GetOperationContext(ctx), set, []string{typ})
	out := make([]member[T], len(fields))
	for i, f := range fields {
		value, err := find(f)
		if err != nil {
			return nil, err
		}
		if value == nil {
			return nil, fmt.Errorf("view: nothing writes %s.%s", typ, f.Name)
		}
		out[i] = member[T]{`"` + f.Alias + `":`, value}
	}
	return out, nil
}

func appendObject[T any](b []byte, members []member[T], v *T) []byte {
	b = append(b, '{')
	for i := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = members[i].value(append(b, members[i].key...), v)
	}
	return append(b, '}')
}

// buffers are what lists are put together in: a page is some ten to some hundred
// kilobytes, and growing to that costs more than writing it. Larger ones are not kept.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

const maxKept = 1 << 20 // bytes

// writeList writes a list of n elements.
func writeList(w io.Writer, n int, element func(b []byte, i int) []byte) error {
	kept := buffers.Get().(*[]byte)
	b := append((*kept)[:0], '[')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = element(b, i)
	}
	b = append(b, ']')
	_, err := w.Write(b)
	if cap(b) <= maxKept {
		*kept = b
		buffers.Put(kept)
	}
	return err
}
