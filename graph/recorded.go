package graph

import (
	"strings"
	"unicode"

	"github.com/vektah/gqlparser/v2/ast"
)

// inputArgument is the argument whose fields are recorded as if they were arguments.
const inputArgument = "input"

// contractNames are the names of the REST contract that are not what snakeCase makes.
var contractNames = map[string]string{"mustChangePassword": "must_change_pw"}

// contractDefaults are those that the schema cannot have: graphql-js, and with it GraphiQL,
// fails on a schema with an object for the default of a scalar.
var contractDefaults = map[string]any{"kwargs": map[string]any{}}

// recordedArgs are the arguments of a field as the log holds them, so that whoever reads
// it finds the words of the REST contract there: user_id for userId, deny for DENY,
// defaults filled in, the fields of `input` in its place. What is inside a scalar, such as
// the keyword arguments of a command, is left as it is. Nil if there are none.
func recordedArgs(schema *ast.Schema, f *ast.FieldDefinition, args map[string]any) map[string]any {
	if len(args) == 0 {
		return nil
	}
	out := map[string]any{}
	for _, def := range f.Arguments {
		v, ok := args[def.Name]
		if !ok {
			continue
		}
		v = recordedValue(schema, def.Type, v)
		if fields, isObject := v.(map[string]any); isObject && def.Name == inputArgument {
			for name, value := range fields {
				out[name] = value
			}
			continue
		}
		out[recordedName(def.Name)] = v
	}
	return out
}

func recordedValue(schema *ast.Schema, typ *ast.Type, v any) any {
	if typ.Elem != nil {
		list, ok := v.([]any)
		switch {
		case v == nil:
			return nil
		case !ok: // one value stands for a list of it
			list = []any{v}
		}
		out := make([]any, len(list))
		for i := range list {
			out[i] = recordedValue(schema, typ.Elem, list[i])
		}
		return out
	}
	def := schema.Types[typ.NamedType]
	switch {
	case def == nil:
	case def.Kind == ast.Enum:
		if word, ok := v.(string); ok {
			return strings.ToLower(word)
		}
	case def.Kind == ast.InputObject:
		if fields, ok := v.(map[string]any); ok {
			return recordedFields(schema, def, fields)
		}
	}
	return v
}

func recordedFields(schema *ast.Schema, def *ast.Definition, fields map[string]any) map[string]any {
	out := make(map[string]any, len(fields))
	for _, f := range def.Fields {
		v, ok := fields[f.Name]
		if !ok && f.DefaultValue != nil {
			v, _ = f.DefaultValue.Value(nil)
			ok = true
		}
		if d, hasDefault := contractDefaults[f.Name]; hasDefault && v == nil {
			v, ok = d, true
		}
		if ok {
			out[recordedName(f.Name)] = recordedValue(schema, f.Type, v)
		}
	}
	return out
}

func recordedName(name string) string {
	if word, ok := contractNames[name]; ok {
		return word
	}
	return snakeCase(name)
}

func snakeCase(name string) string {
	var out strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) {
			if i > 0 {
				out.WriteByte('_')
			}
			r = unicode.ToLower(r)
		}
		out.WriteRune(r)
	}
	return out.String()
}
