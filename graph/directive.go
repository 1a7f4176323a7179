package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"halite/internal/fault"
	"halite/internal/guard"
)

// requirePerm is the directive: it puts each guarded field through the one gate.
//
// The elements of a list share one decision and one row: what counts is the path of
// the field in the response without list indexes, so that aliases stay apart. The
// first element to come asks; the others wait for its row.
func requirePerm(g *guard.Guard) func(context.Context, any, graphql.Resolver, string, string, string, guard.Effect) (any, error) {
	return func(ctx context.Context, _ any, next graphql.Resolver, action, verb, resource string, effect guard.Effect) (any, error) {
		fc := graphql.GetFieldContext(ctx)
		args := fc.Field.ArgumentMap(graphql.GetOperationContext(ctx).Variables)
		d, first := decisionsOf(ctx).at(fc.Path())
		if !first {
			<-d.done
			if d.refused != nil {
				return nil, d.refused
			}
			return next(ctx)
		}
		// It is a no until the gate has answered: a panic there must let nobody pass.
		d.refused = fault.New(fault.Internal, "Internal server error")
		defer close(d.done)
		a := guard.Action{Name: action, Verb: verb, Resource: expand(resource, args), Effect: effect}
		if len(args) > 0 {
			a.Args = args
		}
		var value any
		ran := false
		err := g.Do(ctx, a, func(ctx context.Context) (err error) {
			ran = true
			value, err = next(ctx)
			return err
		})
		d.refused = nil
		if err != nil && (!ran || fault.From(err).Code == fault.AuditUnavailable) {
			d.refused = err
		}
		if err != nil {
			return nil, err
		}
		return value, nil
	}
}

// decisions are those of one operation, by path.
type decisions struct {
	mu sync.Mutex
	m  map[string]*decision
}

type decision struct {
	done    chan struct{} // closed when the row is durable
	refused error
}

type decisionsKey struct{}

func withDecisions(ctx context.Context) context.Context {
	return context.WithValue(ctx, decisionsKey{}, &decisions{m: map[string]*decision{}})
}

func decisionsOf(ctx context.Context) *decisions {
	if d, ok := ctx.Value(decisionsKey{}).(*decisions); ok {
		return d
	}
	return &decisions{m: map[string]*decision{}}
}

func (ds *decisions) at(path ast.Path) (_ *decision, first bool) {
	var key strings.Builder
	for _, p := range path {
		if name, ok := p.(ast.PathName); ok {
			key.WriteString(string(name))
			key.WriteByte('.')
		}
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	d, ok := ds.m[key.String()]
	if !ok {
		d = &decision{done: make(chan struct{})}
		ds.m[key.String()] = d
	}
	return d, !ok
}

// expand puts arguments into a resource: `key:{id}` and `user:{input.username}`. What
// is absent or null leaves nothing in its place.
func expand(template string, args map[string]any) string {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(template, "{")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		out.WriteString(text(lookup(args, strings.Split(name, "."))))
		template = after
	}
}

func lookup(v any, path []string) any {
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// checkGuards says what is wrong with the use of @requirePerm in a schema: a refusal
// must null only its own field, and a resource must name arguments that exist.
func checkGuards(s *ast.Schema) error {
	var errs []error
	for _, t := range s.Types {
		for _, f := range t.Fields {
			d := f.Directives.ForName("requirePerm")
			if d == nil {
				continue
			}
			if f.Type.NonNull {
				errs = append(errs, fmt.Errorf("%s.%s: a guarded field must be nullable", t.Name, f.Name))
			}
			if err := checkTemplate(s, f, d.Arguments.ForName("resource").Value.Raw); err != nil {
				errs = append(errs, fmt.Errorf("%s.%s: %w", t.Name, f.Name, err))
			}
		}
	}
	return errors.Join(errs...)
}

func checkTemplate(s *ast.Schema, f *ast.FieldDefinition, template string) error {
	if ns, _, ok := strings.Cut(template, ":"); !ok || ns == "" || strings.Contains(ns, "{") {
		return fmt.Errorf("resource %q is not namespace:name", template)
	}
	for rest := template; ; {
		_, after, open := strings.Cut(rest, "{")
		if !open {
			return nil
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed {
			return fmt.Errorf("resource %q: a brace is not closed", template)
		}
		path := strings.Split(name, ".")
		arg := f.Arguments.ForName(path[0])
		if arg == nil {
			return fmt.Errorf("resource %q: no argument %q", template, path[0])
		}
		typ := arg.Type
		for _, p := range path[1:] {
			field := s.Types[typ.Name()].Fields.ForName(p)
			if field == nil {
				return fmt.Errorf("resource %q: %s has no field %q", template, typ.Name(), p)
			}
			typ = field.Type
		}
		rest = tail
	}
}
