package main

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// coverage is what the stories have shown of the schema.
type coverage struct {
	schema *ast.Schema

	mu    sync.Mutex
	kinds map[string]map[string]bool // by field
	codes map[string]map[string]bool // of errors, by field
}

// unguarded are the root fields without the directive. Sign-in, sign-out and the change
// of one's own password ask the gate by themselves and have tests of their own; so does
// can about somebody else, which is among the stories.
var unguarded = []string{
	"Mutation.changePassword", "Mutation.login", "Mutation.logout", "Query.can", "Query.me", "Query.myPermissions",
}

func newCoverage(t *testing.T) *coverage {
	t.Helper()
	text := must(os.ReadFile("schema.graphqls"))(t)
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	return &coverage{schema: schema, kinds: map[string]map[string]bool{}, codes: map[string]map[string]bool{}}
}

// saw notes a case. A nil coverage is not interested.
func (c *coverage) saw(field string, o outcome) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kinds[field] == nil {
		c.kinds[field], c.codes[field] = map[string]bool{}, map[string]bool{}
	}
	c.kinds[field][o.kind] = true
	if o.code != "" && !o.noRow { // what the protocol refuses is described with the scalars
		c.codes[field][o.code] = true
	}
}

// check fails for a guarded field without a case for one of the outcomes that apply to
// it, for a case of a field that is not guarded, and where the codes that a field's
// description names are not those that were seen.
func (c *coverage) check(t *testing.T) {
	t.Helper()
	var guarded, free []string
	for typ, fields := range map[string]ast.FieldList{
		"Query": c.schema.Query.Fields, "Mutation": c.schema.Mutation.Fields, "Subscription": c.schema.Subscription.Fields,
	} {
		for _, f := range fields {
			name := typ + "." + f.Name
			switch {
			case strings.HasPrefix(f.Name, "__"):
				continue
			case f.Directives.ForName("requirePerm") == nil:
				free = append(free, name)
				if name != "Query.can" {
					continue
				}
			}
			guarded = append(guarded, name)
			for _, kind := range c.outcomes(f) {
				if !c.kinds[name][kind] {
					t.Errorf("%s: there is no case of the outcome %q", name, kind)
				}
			}
			c.checkCodes(t, name, f)
		}
	}
	if slices.Sort(free); !slices.Equal(free, unguarded) {
		t.Errorf("unguarded fields %q, want %q", free, unguarded)
	}
	for name := range c.kinds {
		if !slices.Contains(guarded, name) {
			t.Errorf("%s has cases, and is no guarded field", name)
		}
	}
	if len(guarded) < 30 {
		t.Errorf("only %d guarded fields were looked at", len(guarded))
	}
}

// outcomes are those that apply to a field.
func (c *coverage) outcomes(f *ast.FieldDefinition) []string {
	all := []string{"allowed", "denied", "must change", "unauthenticated"}
	if len(f.Arguments) > 0 {
		all = append(all, "bad input")
	}
	if c.asksSalt(f) {
		all = append(all, "down", "refused", "failed", "timeout")
		if f.Name != "testSaltSettings" { // which is told where Salt is
			all = append(all, "not configured")
		}
	}
	return all
}

func (c *coverage) asksSalt(f *ast.FieldDefinition) bool {
	return f.Type.Name() == "SaltTest" || slices.Contains(c.described(f), "SALT_UNAVAILABLE")
}

var (
	errorCode = regexp.MustCompile("`([A-Z_]{6,})`")
	asAnother = regexp.MustCompile("Errors: as `([a-zA-Z]+)`")
)

// described are the codes of errors that the description of a field names.
func (c *coverage) described(f *ast.FieldDefinition) []string {
	text := f.Description
	if m := asAnother.FindStringSubmatch(text); m != nil {
		text += c.schema.Mutation.Fields.ForName(m[1]).Description
	}
	var codes []string
	for _, m := range errorCode.FindAllStringSubmatch(text, -1) {
		codes = append(codes, m[1])
	}
	return codes
}

func (c *coverage) checkCodes(t *testing.T, name string, f *ast.FieldDefinition) {
	t.Helper()
	want := map[string]bool{"UNAUTHENTICATED": true, "FORBIDDEN": true} // of everything that is guarded
	for _, code := range c.described(f) {
		want[code] = true
	}
	if !maps.Equal(want, c.codes[name]) {
		t.Errorf("%s: the errors described are %q, those seen %q", name, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(c.codes[name])))
	}
}
