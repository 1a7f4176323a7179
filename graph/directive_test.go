package graph_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"halite/graph"
	"halite/graph/internal/probe"
	"halite/graph/internal/probe/generated"
	"halite/internal/audit"
	"halite/internal/directory"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/httpapi/apitest"
	"halite/internal/live"
	"halite/internal/pgtest"
)

// resolver is that of the probe's schema.
type resolver struct{ store directory.Store }

type (
	queries   struct{ *resolver }
	mutations struct{ *resolver }
	things    struct{ *resolver }
)

func (r *resolver) Query() generated.QueryResolver       { return queries{r} }
func (r *resolver) Mutation() generated.MutationResolver { return mutations{r} }
func (r *resolver) Thing() generated.ThingResolver       { return things{r} }

func (queries) Things(context.Context) ([]*probe.Thing, error) {
	return (&probe.Thing{Name: "t"}).Children(), nil
}

func (queries) Thing(_ context.Context, id string) (*probe.Thing, error) {
	return &probe.Thing{Name: id}, nil
}

func (queries) Search(context.Context, generated.Search) (*string, error) {
	found := "found"
	return &found, nil
}

func (queries) Record(context.Context, *string, []generated.Kind, generated.Options) (*string, error) {
	found := "found"
	return &found, nil
}

// named knows one thing.
type named struct{}

var knownID = uuid.MustParse("3f4b2c1a-0000-0000-0000-000000000007")

func (named) Name(_ context.Context, namespace string, id uuid.UUID) (string, bool, error) {
	return namespace + " seven", id == knownID, nil
}

func (queries) Panics(context.Context) (*string, error)       { panic("the password is hunter2") }
func (queries) PanicsOpenly(context.Context) (*string, error) { panic("the password is hunter2") }

func (queries) Fails(_ context.Context, code string) (*string, error) {
	return nil, fault.New(fault.Code(code), "It failed")
}

func (m mutations) Add(ctx context.Context, name string, fail bool) (*bool, error) {
	err := m.store.CreateUser(ctx, directory.User{ID: uuid.New(), Username: name}, "x")
	if err != nil || fail {
		return nil, fault.New(fault.Conflict, "There is one already")
	}
	return &fail, nil
}

func (things) Secret(_ context.Context, t *probe.Thing, _ *int64) (*string, error) {
	if strings.HasSuffix(t.Name, ".1") {
		return nil, fault.New(fault.NotFound, "It has none")
	}
	secret := "secret of " + t.Name
	return &secret, nil
}

func startProbe(t *testing.T, o apitest.Options) *apitest.Server {
	t.Helper()
	res := &resolver{}
	o.GraphQL = func(g *guard.Guard) http.Handler {
		cfg := generated.Config{Resolvers: res}
		directive, bind := graph.NewDirective(g, named{})
		cfg.Directives.RequirePerm = directive
		schema := generated.NewExecutableSchema(cfg)
		bind(schema.Schema())
		if err := graph.CheckGuards(schema.Schema()); err != nil {
			t.Fatal(err)
		}
		return graph.NewServer(schema, live.New(live.Config{}), pgtest.Quiet)
	}
	o.Changer = func(c guard.Changer) guard.Changer { res.store = c.(directory.Store); return c }
	return apitest.Start(t, o)
}

// ask sends a query and returns the answer and the rows that it left, sorted: fields
// of a query run side by side.
func ask(t *testing.T, s *apitest.Server, cookie, query string, vars map[string]any) (apitest.Result, []string) {
	t.Helper()
	before := len(s.Rows(t))
	r := s.Query(t, cookie, query, vars)
	var rows []string
	for _, e := range s.Rows(t)[before:] {
		code, _ := json.Marshal(e.ResultCode)
		rows = append(rows, strings.TrimSpace(strings.Join([]string{e.Action, e.Resource, string(e.Decision), string(code), string(e.Args)}, " ")))
	}
	slices.Sort(rows)
	return r, rows
}

func TestDirective(t *testing.T) {
	t.Parallel()
	s := startProbe(t, apitest.Options{})
	admin, viewer := s.Cookie(t, "admin"), s.Cookie(t, "viewer")
	type vars = map[string]any
	for _, c := range []struct {
		name, cookie, query string
		vars                vars
		data                string
		codes, rows         []string
	}{
		{
			name: "one decision for a list", cookie: viewer, query: `{ things { name secret } }`,
			data:  `{"things":[{"name":"t.0","secret":null},{"name":"t.1","secret":null}]}`,
			codes: []string{"FORBIDDEN", "FORBIDDEN"}, rows: []string{"thing.secret vault: deny 403"},
		},
		{
			name: "one decision for a list of lists", cookie: admin, query: `{ things { children { secret(level: 3) } } }`,
			data:  `{"things":[{"children":[{"secret":"secret of t.0.0"},{"secret":null}]},{"children":[{"secret":"secret of t.1.0"},{"secret":null}]}]}`,
			codes: []string{"NOT_FOUND", "NOT_FOUND"}, rows: []string{`thing.secret vault:3 allow * {"level":3}`},
		},
		{
			name: "aliases apart", cookie: viewer, query: `{ things { a: secret(level: 1) b: secret(level: 2) } more: things { a: secret } }`,
			data:  `{"things":[{"a":null,"b":null},{"a":null,"b":null}],"more":[{"a":null},{"a":null}]}`,
			codes: []string{"FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN"},
			rows:  []string{`thing.secret vault: deny 403`, `thing.secret vault:1 deny 403 {"level":1}`, `thing.secret vault:2 deny 403 {"level":2}`},
		},
		{
			name: "the same field twice is one", cookie: viewer, query: `{ a: thing(id: "x") { name } a: thing(id: "x") { child { name } } }`,
			data: `{"a":null}`, codes: []string{"FORBIDDEN"}, rows: []string{`thing.get thing:x deny 403 {"id":"x"}`},
		},
		{
			name: "a refusal nulls only itself", cookie: viewer, query: `{ things { name } thing(id: 7) { name } }`,
			data: `{"things":[{"name":"t.0"},{"name":"t.1"}],"thing":null}`, codes: []string{"FORBIDDEN"}, rows: []string{`thing.get thing:7 deny 403 {"id":7}`},
		},
		{
			name: "guarded within guarded", cookie: admin, query: `{ thing(id: "x") { secret child { secret } } }`,
			data: `{"thing":{"secret":"secret of x","child":{"secret":"secret of x.0"}}}`,
			rows: []string{`thing.get thing:x allow 200 {"id":"x"}`, "thing.secret vault: allow 200", "thing.secret vault: allow 200"},
		},
		{
			name: "nobody", query: `{ thing(id: "x") { name } things { secret } }`, data: `{"thing":null,"things":[{"secret":null},{"secret":null}]}`,
			codes: []string{"UNAUTHENTICATED", "UNAUTHENTICATED", "UNAUTHENTICATED"}, rows: []string{`thing.get thing:x deny 401 {"id":"x"}`, "thing.secret vault: deny 401"},
		},
		{
			name: "nested arguments", cookie: admin, query: `query ($i: Search!) { search(input: $i) }`, vars: vars{"i": vars{"owner": vars{"name": "é {id}"}, "limit": 5}},
			data: `{"search":"found"}`, rows: []string{`thing.search thing:é {id}/5 allow 200 {"limit":5,"owner":{"name":"é {id}"}}`},
		},
		{
			name: "recorded in the words of the contract", cookie: admin,
			query: `query ($i: Options!, $u: ID) { record(userId: $u, kinds: [LARGE, SMALL], input: $i) }`,
			vars: vars{"u": knownID.String(), "i": vars{
				"kind": "LARGE", "mustChangePassword": true, "inner": vars{"name": "camelCase"}, "extra": vars{"camelCase": "SMALL", "nested": vars{"userId": 1}},
			}},
			data: `{"record":"found"}`,
			rows: []string{`thing.record thing:thing seven allow 204 {"extra":{"camelCase":"SMALL","nested":{"userId":1}},"inner":{"name":"camelCase"},` +
				`"is_loud":false,"kind":"large","kinds":["large","small"],"must_change_pw":true,"user_id":"3f4b2c1a-0000-0000-0000-000000000007"}`},
		},
		{
			name: "a literal with defaults, and nobody of that id", cookie: viewer,
			query: `{ record(userId: "3F4B2C1A-0000-0000-0000-000000000008", kinds: SMALL, input: {inner: null}) }`,
			data:  `{"record":null}`, codes: []string{"FORBIDDEN"},
			rows: []string{`thing.record thing:3F4B2C1A-0000-0000-0000-000000000008 deny 403 {"inner":null,"is_loud":false,"kind":"small","kinds":["small"],"user_id":"3F4B2C1A-0000-0000-0000-000000000008"}`},
		},
		{
			name: "nested arguments that are not there", cookie: admin, query: `{ search(input: {owner: null}) }`,
			data: `{"search":"found"}`, rows: []string{`thing.search thing:/ allow 200 {"owner":null}`},
		},
		{
			name: "a panic", cookie: admin, query: `{ panics things { name } }`, data: `{"panics":null,"things":[{"name":"t.0"},{"name":"t.1"}]}`,
			codes: []string{"INTERNAL_SERVER_ERROR"}, rows: []string{"thing.panic thing:* allow 500"},
		},
		{name: "a panic outside of the gate", cookie: admin, query: `{ panicsOpenly }`, data: `{"panicsOpenly":null}`, codes: []string{"INTERNAL_SERVER_ERROR"}},
		{name: "a change", cookie: admin, query: `mutation { add(name: "x") }`, data: `{"add":false}`, rows: []string{`thing.add thing:x allow 200 {"fail":false,"name":"x"}`}},
		{
			name: "a change refused", cookie: viewer, query: `mutation { add(name: "y") }`, data: `{"add":null}`, codes: []string{"FORBIDDEN"},
			rows: []string{`thing.add thing:y deny 403 {"fail":false,"name":"y"}`},
		},
		{
			name: "mutations never share", cookie: admin, query: `mutation { a: add(name: "b") b: add(name: "B") c: add(name: "c", fail: true) d: add(name: "c") }`,
			data: `{"a":false,"b":null,"c":null,"d":false}`, codes: []string{"CONFLICT", "CONFLICT"},
			rows: []string{
				`thing.add thing:B allow 409 {"fail":false,"name":"B"}`, `thing.add thing:b allow 200 {"fail":false,"name":"b"}`,
				`thing.add thing:c allow 200 {"fail":false,"name":"c"}`, `thing.add thing:c allow 409 {"fail":true,"name":"c"}`,
			},
		},
		{
			name: "mutations of one name and arguments are one field", cookie: admin, query: `mutation { add(name: "e") add(name: "e") }`, data: `{"add":false}`,
			rows: []string{`thing.add thing:e allow 200 {"fail":false,"name":"e"}`},
		},
		{
			name: "a secret in a resource", cookie: admin, query: `query ($i: Search!) { search(input: $i) }`, vars: vars{"i": vars{"owner": vars{"name": "x://u:hunter2@h"}}},
			data: `{"search":"found"}`, rows: []string{`thing.search thing:x://u:<redacted>@h/ allow 200 {"owner":{"name":"x://u:<redacted>@h"}}`},
		},
	} {
		r, rows := ask(t, s, c.cookie, c.query, c.vars)
		if string(r.Data) != c.data {
			t.Errorf("%s: data, -want +got\n%s", c.name, cmp.Diff(c.data, string(r.Data)))
		}
		if !slices.Equal(r.Codes(), c.codes) {
			t.Errorf("%s: codes %v, want %v", c.name, r.Codes(), c.codes)
		}
		for i := range c.rows { // which element of a list came first is not told
			if i < len(rows) && strings.Contains(c.rows[i], "allow *") {
				rows[i] = strings.NewReplacer("allow 200", "allow *", "allow 404", "allow *").Replace(rows[i])
			}
		}
		if !slices.Equal(rows, c.rows) {
			t.Errorf("%s: rows, -want +got\n%s", c.name, cmp.Diff(c.rows, rows))
		}
		if strings.Contains(r.Body, "hunter2") {
			t.Errorf("%s: %s", c.name, r.Body)
		}
		for _, e := range r.Errors {
			if id, ok := e.Extensions["auditId"].(string); ok && !slices.Contains(strings.Split(r.Header.Get("X-Audit-Id"), ","), id) {
				t.Errorf("%s: auditId %s is not among %s", c.name, id, r.Header.Get("X-Audit-Id"))
			}
		}
	}
}

// TestStatuses: 429 and 503 keep their HTTP status, all else is 200 or told by the
// media type; each code is the row's result.
func TestStatuses(t *testing.T) {
	t.Parallel()
	s := startProbe(t, apitest.Options{Refusals: 1})
	admin := s.Cookie(t, "admin")
	for code, want := range map[fault.Code][2]int{
		fault.BadUserInput: {200, 422}, fault.NotFound: {200, 404}, fault.Conflict: {200, 409}, fault.RateLimited: {429, 429},
		fault.SaltError: {200, 502}, fault.SaltUnavailable: {200, 503}, fault.AuditUnavailable: {503, 503}, fault.Internal: {200, 500},
	} {
		r, rows := ask(t, s, admin, `query ($c: String!) { fails(code: $c) things { name } }`, map[string]any{"c": code})
		if r.Status != want[0] || !slices.Equal(r.Codes(), []string{string(code)}) {
			t.Errorf("%s: status %d, %s", code, r.Status, r.Body)
		}
		b, _ := json.Marshal(want[1])
		if wantRow := "thing.fail thing:* allow " + string(b) + ` {"code":"` + string(code) + `"}`; !slices.Equal(rows, []string{wantRow}) {
			t.Errorf("%s: rows %q", code, rows)
		}
	}
	s.Query(t, "", `{ panics }`, nil)
	if r := s.Query(t, "", `{ panics }`, nil); r.Status != 429 || r.Header.Get("Retry-After") == "" || !slices.Equal(r.Codes(), []string{"RATE_LIMITED"}) {
		t.Errorf("beyond the bound: %d %v %s", r.Status, r.Header, r.Body)
	}
}

// failing is a recorder that can write nothing.
type failing struct{ err error }

func (f failing) Record(audit.Entry) (audit.Entry, error) { return audit.Entry{}, f.err }

func (f failing) Change(context.Context, func(context.Context) error, func(error) audit.Entry) (audit.Entry, error) {
	return audit.Entry{}, f.err
}

// TestNoRowNoAnswer: what cannot be recorded is not answered, in no element of a list.
func TestNoRowNoAnswer(t *testing.T) {
	t.Parallel()
	for err, unknown := range map[error]bool{audit.ErrQueueFull: false, audit.ErrOutcomeUnknown: true} {
		s := startProbe(t, apitest.Options{Recorder: func(guard.Recorder) guard.Recorder { return failing{err} }})
		for _, user := range []string{"", "admin", "viewer"} {
			r, rows := ask(t, s, s.Cookie(t, user), `{ things { name secret } }`, nil)
			if r.Status != 503 || r.Header.Get("Retry-After") != "1" || len(rows) != 0 || !slices.Equal(r.Codes(), []string{"AUDIT_UNAVAILABLE", "AUDIT_UNAVAILABLE"}) ||
				string(r.Data) != `{"things":[{"name":"t.0","secret":null},{"name":"t.1","secret":null}]}` {
				t.Errorf("%v, %q: %d %s %s", err, user, r.Status, r.Header.Get("Retry-After"), r.Body)
			}
			for _, e := range r.Errors {
				if got, _ := e.Extensions["outcomeUnknown"].(bool); got != unknown {
					t.Errorf("%v, %q: %s", err, user, r.Body)
				}
			}
		}
	}
}

// panicking is a recorder that has a fault.
type panicking struct{}

func (panicking) Record(audit.Entry) (audit.Entry, error) { panic("the password is hunter2") }

// TestGatePanics: a fault in the gate itself is a no for every element of a list, and
// nobody waits for ever.
func TestGatePanics(t *testing.T) {
	t.Parallel()
	s := startProbe(t, apitest.Options{Recorder: func(guard.Recorder) guard.Recorder { return panicking{} }})
	r, _ := ask(t, s, s.Cookie(t, "admin"), `{ things { secret children { secret } } }`, nil)
	if string(r.Data) != `{"things":[{"secret":null,"children":[{"secret":null},{"secret":null}]},{"secret":null,"children":[{"secret":null},{"secret":null}]}]}` ||
		strings.Join(slices.Compact(r.Codes()), " ") != "INTERNAL_SERVER_ERROR" || len(r.Errors) != 6 || strings.Contains(r.Body, "hunter2") {
		t.Error(r.Body)
	}
}

// TestDepth: 12 fields deep pass, 13 do not, also by way of fragments.
func TestDepth(t *testing.T) {
	t.Parallel()
	s := startProbe(t, apitest.Options{})
	admin := s.Cookie(t, "admin")
	nested := func(n int) string { // n fields deep
		return `{ things { ` + strings.Repeat("child { ", n-2) + "name" + strings.Repeat(" }", n-2) + ` } }`
	}
	if r := s.Query(t, admin, nested(12), nil); len(r.Errors) > 0 {
		t.Errorf("12 deep: %s", r.Body)
	}
	for name, query := range map[string]string{
		"13 deep":      nested(13),
		"by fragments": `{ things { ...f } } fragment f on Thing { child { child { child { child { child { ...g } } } } } } fragment g on Thing { child { child { child { child { child { child { name } } } } } } }`,
		"inline":       `{ ... on Query { ... { things { ` + strings.Repeat("... { child { ", 11) + "name" + strings.Repeat(" } }", 11) + ` } } } }`,
	} {
		if r := s.Query(t, admin, query, nil); !slices.Equal(r.Codes(), []string{"DEPTH_LIMIT_EXCEEDED"}) || r.Data != nil {
			t.Errorf("%s: %s", name, r.Body)
		}
	}
}

func TestCheckGuards(t *testing.T) {
	t.Parallel()
	const head = `directive @requirePerm(action: String!, verb: String!, resource: String!) on FIELD_DEFINITION
		input I { s: String deep: I } type Mutation { `
	field := func(f, resource string) string {
		return head + f + ` @requirePerm(action: "a.b", verb: "v", resource: "` + resource + `") } type Query { x: Int }`
	}
	for _, c := range []struct{ schema, want string }{
		{field("f(id: ID!, i: I): Int", "key:{id}/{i.deep.s}"), ""},
		{field("f: Int", "key:*"), ""},
		{field("f: [Int!]", "key:*"), ""},
		{field("f: Int!", "key:*"), "Mutation.f: a guarded field must be nullable"},
		{field("f: [Int]!", "key:*"), "Mutation.f: a guarded field must be nullable"},
		{field("f(id: ID): Int", "key:{ID}"), `Mutation.f: resource "key:{ID}": no argument "ID"`},
		{field("f(i: I): Int", "key:{i.t}"), `Mutation.f: resource "key:{i.t}": I has no field "t"`},
		{field("f(i: I): Int", "key:{i.s.t}"), `Mutation.f: resource "key:{i.s.t}": String has no field "t"`},
		{field("f(id: ID): Int", "key:{id|name}"), ""},
		{field("f(id: ID): Int", "key:{id|nam}"), `Mutation.f: resource "key:{id|nam}": there is no filter "nam"`},
		{field("f(id: ID): Int", "key:{id"), `Mutation.f: resource "key:{id": a brace is not closed`},
		{field("f(id: ID): Int", "{id}:x"), `Mutation.f: resource "{id}:x" is not namespace:name`},
		{field("f: Int", "key"), `Mutation.f: resource "key" is not namespace:name`},
		{field("f: Int", ":x"), `Mutation.f: resource ":x" is not namespace:name`},
		{field("f: Int!", "key"), "Mutation.f: a guarded field must be nullable\nMutation.f: resource \"key\" is not namespace:name"},
	} {
		schema, err := gqlparser.LoadSchema(&ast.Source{Input: c.schema})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := graph.CheckGuards(schema); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.schema, got, c.want)
		}
	}
}

// FuzzExpand: whatever the template and the arguments, it ends, what is outside of the
// braces stays as it is, and a value is never read as a template.
func FuzzExpand(f *testing.F) {
	for _, s := range [][2]string{
		{"key:{id}", `{"id":"web-01"}`},
		{"user:{input.username}", `{"input":{"username":"a{b}"}}`},
		{"a:{", `{}`},
		{"a:{}", `{"":1}`},
		{"a:}{x}{", `{"x":[1,{"y":"}"}]}`},
		{"{a.b.c}", `{"a":{"b":null}}`},
		{"{a}", `{"a":"{a}"}`},
		{"{x}{x}", `{"x":1e99}`},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, template, raw string) {
		var args map[string]any
		if json.Unmarshal([]byte(raw), &args) != nil {
			return
		}
		got := graph.Expand(template, args, nil)
		if !strings.Contains(template, "{") && got != template {
			t.Errorf("%q became %q", template, got)
		}
		before, rest, _ := strings.Cut(template, "{")
		if !strings.HasPrefix(got, before) {
			t.Errorf("%q became %q", template, got)
		}
		if utf8.ValidString(template) && !utf8.ValidString(got) {
			t.Errorf("%q became %q", template, got)
		}
		if name, after, closed := strings.Cut(rest, "}"); closed && after == "" && !strings.ContainsAny(name, ".|") {
			if s, ok := args[name].(string); ok && got != before+s {
				t.Errorf("%q with %q became %q", template, s, got)
			}
			if args[name] == nil && got != before {
				t.Errorf("%q without a value became %q", template, got)
			}
		}
	})
}
