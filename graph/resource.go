package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"
)

// resource is the concrete object of a field: its template with the arguments in it.
// What is an id there stands for a name where `|name` follows.
func (gt *gate) resource(ctx context.Context, template string, args map[string]any) (string, error) {
	namespace, _, _ := strings.Cut(template, ":")
	var failed error
	out := expand(template, args, func(value string) string {
		id, err := uuid.Parse(value)
		if err != nil || gt.names == nil {
			return value
		}
		name, ok, err := gt.names.Name(ctx, namespace, id)
		if failed = errors.Join(failed, err); !ok {
			return value
		}
		return name
	})
	return out, failed
}

// expand puts arguments into a resource: `key:{id}` and `user:{input.username}`. What
// is absent or null leaves nothing in its place. `{id|name}` is what named makes of it.
func expand(template string, args map[string]any, named func(string) string) string {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(template, "{")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		path, after, _ := strings.Cut(rest, "}")
		path, _, filtered := strings.Cut(path, "|")
		value := text(lookup(args, strings.Split(path, ".")))
		if filtered {
			value = named(value)
		}
		out.WriteString(value)
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
		name, filter, filtered := strings.Cut(name, "|")
		if filtered && filter != "name" {
			return fmt.Errorf("resource %q: there is no filter %q", template, filter)
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
