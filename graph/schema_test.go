package graph_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"halite/graph"
	"halite/graph/view"
)

// TestSchema: everything that a client can see is described, and whatever is guarded
// can be null.
func TestSchema(t *testing.T) {
	t.Parallel()
	schema := mainSchema(t)
	described := 0
	check := func(what, description string) {
		described++
		if strings.TrimSpace(description) == "" {
			t.Errorf("%s has no description", what)
		}
	}
	guarded := 0
	for _, typ := range schema.Types {
		if typ.BuiltIn {
			continue
		}
		check(typ.Name, typ.Description)
		for _, v := range typ.EnumValues {
			check(typ.Name+"."+v.Name, v.Description)
		}
		if typ.Kind == ast.Scalar && typ.Directives.ForName("specifiedBy") == nil {
			t.Errorf("%s has no @specifiedBy", typ.Name)
		}
		for _, f := range typ.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			check(typ.Name+"."+f.Name, f.Description)
			if d := f.DefaultValue; d != nil && d.Kind == ast.ObjectValue && schema.Types[f.Type.Name()].Kind == ast.Scalar {
				t.Errorf("%s.%s has an object for the default of a scalar: graphql-js fails on the schema", typ.Name, f.Name)
			}
			for _, a := range f.Arguments {
				check(typ.Name+"."+f.Name+"("+a.Name+")", a.Description)
			}
			if f.Directives.ForName("requirePerm") == nil {
				continue
			}
			guarded++
			if f.Type.NonNull {
				t.Errorf("%s.%s is guarded and cannot be null", typ.Name, f.Name)
			}
		}
	}
	for _, d := range schema.Directives {
		if d.Position != nil && d.Position.Src.BuiltIn {
			continue
		}
		check("@"+d.Name, d.Description)
		for _, a := range d.Arguments {
			check("@"+d.Name+"("+a.Name+")", a.Description)
		}
	}
	if described < 60 || guarded < 2 {
		t.Errorf("only %d descriptions and %d guarded fields were looked at", described, guarded)
	}
	if err := errors.Join(graph.CheckGuards(schema), view.CheckSchema(schema)); err != nil {
		t.Error(err)
	}
	// Whatever a root field does, it cannot null its siblings.
	for _, f := range slices.Concat(schema.Query.Fields, schema.Mutation.Fields, schema.Subscription.Fields) {
		if f.Type.NonNull && !strings.HasPrefix(f.Name, "__") {
			t.Errorf("the root field %s cannot be null", f.Name)
		}
	}
}

// mainSchema is the schema that the server serves.
func mainSchema(t *testing.T) *ast.Schema {
	t.Helper()
	text, err := os.ReadFile("../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
