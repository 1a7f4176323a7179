package graph_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"halite/internal/httpapi/apitest"
)

// page is one entry with all of its fields.
const page = `{ total entries { id at userId action resource argsJson saltJid decision resultCode durationMs
	username verb reason requestId sourceIp userAgent } }`

func repeat(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format+"\n", i)
	}
	return b.String()
}

// doubling is n fragments each of which spreads the next twice.
func doubling(n int, typ, leaf string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "fragment f%d on %s { ...f%d ...f%d }\n", i, typ, i+1, i+1)
	}
	return b.String() + fmt.Sprintf("fragment f%d on %s { %s }", n, typ, leaf)
}

// deep is a valid introspection nested n fields deep.
func deep(n int) string { return strings.Repeat("ofType { ", n) + "name" + strings.Repeat(" }", n) }

// beside is what an Audit page asks for at once.
func beside(filter string) string {
	f := "filter: {" + filter + "}"
	facets := func(field string) string {
		return field + `: auditFacets(` + f + `, field: ` + field + `) { isExact searchedTo values { value name allowed denied } } `
	}
	return `auditEntries(` + f + `) ` + strings.Replace(page, "total", "total totalIsExact searchedTo asOf", 1) +
		` auditStats(` + f + `) { bucket isExact searchedTo buckets { since allowed denied } } ` + facets("USER") + facets("ACTION") + facets("RESOURCE")
}

// TestLimits: each bound has its own code; what is within it passes. What is refused
// leaves no row: it never came to the gate.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	admin := s.Cookie(t, "admin")
	entry := strings.Replace(everything(mainSchema(t), "AuditEntry"), " checkpoint { origin treeSize rootHash note keyIds }", "", 1) // one beside the list does
	for _, c := range []struct{ name, query, code string }{
		{"30 aliases", `{ me { ` + repeat(30, "a%d: username") + `} }`, ""},
		{"31 aliases", `{ me { ` + repeat(31, "a%d: username") + `} }`, "ALIAS_LIMIT_EXCEEDED"},
		{"aliases in fragments", `{ a: me { ...f } b: me { ...f } } fragment f on Me { ` + repeat(15, "a%d: username") + `}`, "ALIAS_LIMIT_EXCEEDED"},
		{"20 at the root", `{ ` + repeat(19, "a%d: __typename") + ` me { username } }`, ""},
		{"21 at the root", `{ ` + repeat(20, "a%d: __typename") + ` me { username } }`, "ROOT_FIELD_LIMIT_EXCEEDED"},
		{"a page of 500", `{ auditEntries(limit: 500) ` + page + ` }`, ""},
		{"two pages of 500", `{ a: auditEntries(limit: 500) ` + page + ` b: auditEntries(limit: 500) ` + page + ` }`, ""},
		{"ten pages of 500", `{ ` + repeat(10, `a%d: auditEntries(limit: 500) `+page) + ` }`, "COMPLEXITY_LIMIT_EXCEEDED"},
		{"a connection of 500, whole", `{ auditLog(first: 500) { edges { cursor node {` + entry + ` } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }`, ""},
		{"two of 500", `{ ` + repeat(2, `a%d: auditLog(first: 500) { edges { cursor node {`+entry+` } } }`) + ` }`, "COMPLEXITY_LIMIT_EXCEEDED"},
		{"proofs of 3000", `{ ` + repeat(6, `a%d: auditEntries(limit: 500) { entries { inclusionProof { treeSize } } }`) + ` }`, ""},
		{"proofs of 3500", `{ ` + repeat(7, `a%d: auditEntries(limit: 500) { entries { inclusionProof { treeSize } } }`) + ` }`, "COMPLEXITY_LIMIT_EXCEEDED"},
		{"consistency proofs", `{ ` + repeat(20, `a%d: consistencyProof(from: 0) { hashes checkpoint { note } }`) + ` }`, "NOT_SEALED"},
		{"three of 500", `{ ` + repeat(3, `a%d: auditLog(first: 500) { edges { cursor node {`+entry+` } } }`) + ` }`, "COMPLEXITY_LIMIT_EXCEEDED"},
		{"a limit out of range costs no more than it can give", `{ auditEntries(limit: 9223372036854775807) { total } }`, "BAD_USER_INPUT"},
		{"a negative one no less", `{ ` + repeat(10, `a%d: auditEntries(limit: -9223372036854775808) `+page) + ` }`, "BAD_USER_INPUT"},
		{"a page with all that stands beside it, searched", `query { ` + beside(`text: "web"`) + ` }`, ""},
		{"seven searches", `{ ` + repeat(7, `a%d: auditEntries(limit: 500, filter: {text: "web"}) { total }`) + ` }`, ""},
		{"eight searches", `{ ` + repeat(8, `a%d: auditEntries(limit: 500, filter: {text: "web"}) { total }`) + ` }`, "COMPLEXITY_LIMIT_EXCEEDED"},
		{"14 histograms", `{ ` + repeat(14, `a%d: auditStats { isExact }`) + ` }`, "COMPLEXITY_LIMIT_EXCEEDED"},
		{"seven facets by resource", `{ ` + repeat(7, `a%d: auditFacets(field: RESOURCE) { isExact }`) + ` }`, "COMPLEXITY_LIMIT_EXCEEDED"},
		{"tokens", `{ me { ` + strings.Repeat("username ", 2000) + `} }`, "GRAPHQL_PARSE_FAILED"},
		{"spread twice each", `{ me { ...f0 } } ` + doubling(30, "Me", "username"), "FIELD_LIMIT_EXCEEDED"},
		{"spread twice each at the root", `{ ...f0 } ` + doubling(30, "Query", "me { username }"), "FIELD_LIMIT_EXCEEDED"},
		{"spread twice each in an introspection", `{ __schema { queryType { ...f0 } } } ` + doubling(30, "__Type", "name"), "FIELD_LIMIT_EXCEEDED"},
		{"a fragment in itself", `{ me { ...f } } fragment f on Me { ...f }`, "GRAPHQL_VALIDATION_FAILED"},
		{"introspection nests deeper", `{ __schema { types { fields { type { ` + deep(9) + ` } } } } }`, ""},
	} {
		r := s.Query(t, admin, c.query, nil)
		codes := r.Codes()
		if c.code == "" && len(codes) > 0 || c.code != "" && (len(codes) == 0 || codes[0] != c.code) {
			t.Errorf("%s: %v, want %q: %.300s", c.name, codes, c.code, r.Body)
		}
	}
	if rows := s.Rows(t); len(rows) != 0 {
		t.Errorf("%d rows", len(rows))
	}
}

// TestBodies is what may be sent, and how: a query can come by GET, a change cannot, and
// a form is never taken, since any page elsewhere can send one.
func TestBodies(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	admin := s.Cookie(t, "admin")
	padded := func(n int) string {
		body := `{"query":"{ me { username } }","variables":{"x":"`
		return body + strings.Repeat("a", n-len(body)-len(`"}}`)) + `"}}`
	}
	const ok = `{"query":"{ me { username } }"}`
	query := func(q string) string { b, _ := json.Marshal(map[string]string{"query": q}); return string(b) }
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		has                      string
	}{
		{name: "POST", method: "POST", path: "/graphql", body: ok, status: 200, has: `{"data":{"me":{"username":"admin"}}}`},
		{name: "1 MiB", method: "POST", path: "/graphql", body: padded(1 << 20), status: 200, has: `"admin"`},
		{name: "64 KiB of spaces", method: "POST", path: "/graphql", body: `{"query":"{__typename}` + strings.Repeat(" ", 64<<10) + `"}`, status: 413, has: "64 KiB"},
		{name: "more than 1 MiB", method: "POST", path: "/graphql", body: padded(1<<20 + 1), status: 413, has: "BAD_REQUEST"},
		{name: "a form", method: "POST", path: "/graphql", body: "query=%7Bme%7Busername%7D%7D", header: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 415, has: "BAD_REQUEST"},
		{name: "multipart", method: "POST", path: "/graphql", body: "--b\r\n\r\n--b--", header: []string{"Content-Type", "multipart/form-data; boundary=b"}, status: 415, has: "BAD_REQUEST"},
		{name: "application/graphql", method: "POST", path: "/graphql", body: "{ me { username } }", header: []string{"Content-Type", "application/graphql"}, status: 415, has: "BAD_REQUEST"},
		{name: "text", method: "POST", path: "/graphql", body: ok, header: []string{"Content-Type", "text/plain"}, status: 415, has: "BAD_REQUEST"},
		{name: "no media type", method: "POST", path: "/graphql", body: ok, header: []string{"Content-Type", ""}, status: 415, has: "BAD_REQUEST"},
		{name: "another charset", method: "POST", path: "/graphql", body: ok, header: []string{"Content-Type", "application/json; charset=utf-16"}, status: 415, has: "BAD_REQUEST"},
		{name: "no JSON", method: "POST", path: "/graphql", body: `{"query`, status: 400, has: "BAD_REQUEST"},
		{name: "a list", method: "POST", path: "/graphql", body: `[` + ok + `]`, status: 400, has: "BAD_REQUEST"},
		{name: "two values", method: "POST", path: "/graphql", body: ok + ok, status: 400, has: "BAD_REQUEST"},
		{name: "null", method: "POST", path: "/graphql", body: `null`, status: 400, has: "query is missing"},
		{name: "a number for a query", method: "POST", path: "/graphql", body: `{"query":1}`, status: 400, has: "query has the wrong type"},
		{name: "variables that are none", method: "POST", path: "/graphql", body: `{"query":"{ me { username } }","variables":[1]}`, status: 400, has: "variables has the wrong type"},
		{name: "GET", method: "GET", path: "/graphql?query=%7Bme%7Busername%7D%7D", status: 200, has: `"admin"`},
		{name: "GET of nothing", method: "GET", path: "/graphql", status: 400, has: "query is missing"},
		{name: "GET, bad variables", method: "GET", path: "/graphql?query=%7Bme%7Busername%7D%7D&variables=x", status: 400, has: "BAD_REQUEST"},
		{name: "mutation by GET", method: "GET", path: "/graphql?query=mutation%7Blogout%7D", status: 405, has: "BAD_REQUEST"},
		{name: "mutation by GET among others", method: "GET", path: "/graphql?query=mutation%20m%7Blogout%7D%20query%20q%7Bme%7Busername%7D%7D&operationName=m", status: 405, has: "BAD_REQUEST"},
		{name: "PUT", method: "PUT", path: "/graphql", body: ok, status: 405, has: "BAD_REQUEST"},
		{name: "DELETE", method: "DELETE", path: "/graphql", status: 405, has: "BAD_REQUEST"},
		{name: "nothing to be had", method: "POST", path: "/graphql", body: ok, header: []string{"Accept", "text/html"}, status: 406, has: "BAD_REQUEST"},
		{name: "syntax, JSON", method: "POST", path: "/graphql", body: query("{"), status: 200, has: "GRAPHQL_PARSE_FAILED"},
		{name: "syntax", method: "POST", path: "/graphql", body: query("{"), header: []string{"Accept", "application/graphql-response+json"}, status: 400, has: "GRAPHQL_PARSE_FAILED"},
	} {
		got := s.Do(t, c.method, c.path, c.body, append([]string{"Cookie", admin}, c.header...)...)
		if got.Status != c.status || !strings.Contains(got.Body, c.has) || !json.Valid([]byte(got.Body)) {
			t.Errorf("%s: %d %.300s", c.name, got.Status, got.Body)
		}
		if got.Status == 405 && got.Header.Get("Allow") == "" {
			t.Errorf("%s: no Allow", c.name)
		}
	}
	if got := s.Do(t, "GET", "/api/auth/me", "", "Cookie", admin); got.Status != 200 {
		t.Errorf("a mutation by GET did something: %d", got.Status)
	}
	if rows := s.Rows(t); len(rows) != 0 {
		t.Errorf("%d rows", len(rows))
	}
}

func TestIntrospection(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	for _, query := range []string{`{ __schema { types { name } } }`, `{ __type(name: "Me") { name } }`, `{ ...f } fragment f on Query { x: __schema { types { name } } }`} {
		if r := s.Query(t, "", query, nil); !cmp.Equal(r.Codes(), []string{"UNAUTHENTICATED"}) || r.Data != nil {
			t.Errorf("nobody, %s: %s", query, r.Body)
		}
		if r := s.Query(t, s.Cookie(t, "viewer"), query, nil); len(r.Errors) > 0 {
			t.Errorf("viewer, %s: %s", query, r.Body)
		}
	}
	if r := s.Query(t, "", `{ __typename }`, nil); string(r.Data) != `{"__typename":"Query"}` {
		t.Errorf("__typename is no secret: %s", r.Body)
	}
}

func TestPersistedQueries(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	admin := s.Cookie(t, "admin")
	const hash = "cb07f0f4ae88b2a4ad2ff14ab1b20d93a3ba6e7b92a71a8a1bd4ae7e4e5d9b6f"
	const known = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38" // SHA-256 of {__typename}
	ext := func(hash string) string {
		return `"extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + hash + `"}}}`
	}
	for _, c := range []struct{ name, body, want string }{
		{"not known yet", `{` + ext(known), "PERSISTED_QUERY_NOT_FOUND"},
		{"told", `{"query":"{__typename}",` + ext(known), ""},
		{"known", `{` + ext(known), ""},
		{"another hash", `{"query":"{__typename}",` + ext(hash), "BAD_REQUEST"},
		{"another version", `{"extensions":{"persistedQuery":{"version":2,"sha256Hash":"` + known + `"}}}`, "BAD_REQUEST"},
		{"no hash", `{"extensions":{"persistedQuery":{}}}`, "BAD_REQUEST"},
		{"a list", `{"extensions":{"persistedQuery":[]}}`, "BAD_REQUEST"},
	} {
		r := s.Post(t, admin, c.body)
		if codes := r.Codes(); c.want == "" && (len(codes) > 0 || string(r.Data) != `{"__typename":"Query"}`) ||
			c.want != "" && !cmp.Equal(codes, []string{c.want}) {
			t.Errorf("%s: %s", c.name, r.Body)
		}
	}
}

// TestMalformedInput: whatever is malformed has a code, says nothing of the inside and
// leaves no row.
func TestMalformedInput(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	admin := s.Cookie(t, "admin")
	inside := regexp.MustCompile(`(?i)sqlstate|pgx|pq:|int64|int32|float64|json\.|strconv|uuid\.|time\.|map\[|interface|reflect|runtime|goroutine|\.go\b|halite/|graphql\.|invalid syntax|parsing time|nil\b`)
	const filtered = `query ($f: AuditFilter) { auditEntries(filter: $f) { total } }`
	type vars = map[string]any
	for _, c := range []struct {
		name, query string
		vars        vars
	}{
		{"syntax", `{ me { `, nil},
		{"empty selection", `{ }`, nil},
		{"unknown field", `{ me { passwordHash } }`, nil},
		{"unknown argument", `{ auditEntries(first: 1) { total } }`, nil},
		{"no operation", `fragment f on Me { username }`, nil},
		{"two operations", `query a { me { username } } query b { me { username } }`, nil},
		{"subscription", `subscription { x }`, nil},
		{"bad DateTime", `{ auditEntries(filter: {since: "yesterday"}) { total } }`, nil},
		{"DateTime without offset", `{ auditEntries(filter: {since: "2026-01-02T03:04:05"}) { total } }`, nil},
		{"number as DateTime", `{ auditEntries(filter: {since: 1}) { total } }`, nil},
		{"bad UUID", `{ auditEntries(filter: {userId: "x"}) { total } }`, nil},
		{"bad enum", `{ auditEntries(filter: {decision: MAYBE}) { total } }`, nil},
		{"text as enum", `{ auditEntries(filter: {decision: "DENY"}) { total } }`, nil},
		{"text as Int", `{ auditEntries(limit: "1") { total } }`, nil},
		{"null as Int!", `{ auditEntries(limit: null) { total } }`, nil},
		{"fraction as Int", `{ auditEntries(limit: 1.5) { total } }`, nil},
		{"large Int", `{ auditEntries(limit: 9223372036854775808) { total } }`, nil},
		{"very large Int", `{ auditEntries(offset: 99999999999999999999999999999999) { total } }`, nil},
		{"variable: bad DateTime", filtered, vars{"f": vars{"since": "yesterday"}}},
		{"variable: number as DateTime", filtered, vars{"f": vars{"since": 1}}},
		{"variable: list as DateTime", filtered, vars{"f": vars{"since": []any{"2026-01-02T03:04:05Z", "x"}}}},
		{"variable: bad UUID", filtered, vars{"f": vars{"userId": "x"}}},
		{"variable: object as UUID", filtered, vars{"f": vars{"userId": vars{"a": 1}}}},
		{"variable: bad enum", filtered, vars{"f": vars{"decision": "MAYBE"}}},
		{"variable: number as enum", filtered, vars{"f": vars{"decision": 1}}},
		{"variable: object as text", filtered, vars{"f": vars{"action": vars{"a": 1}}}},
		{"variable: unknown field", filtered, vars{"f": vars{"since2": "x"}}},
		{"variable: list of filters", filtered, vars{"f": []any{vars{}, vars{}}}},
		{"variable: text as filter", filtered, vars{"f": "x"}},
		{"variable: text as Int", `query ($l: Int!) { auditEntries(limit: $l) { total } }`, vars{"l": "x"}},
		{"variable: fraction as Int", `query ($l: Int!) { auditEntries(limit: $l) { total } }`, vars{"l": 1.5}},
		{"variable: large Int", `query ($l: Int!) { auditEntries(limit: $l) { total } }`, vars{"l": json.Number("99999999999999999999")}},
		{"variable: huge exponent", `query ($l: Int!) { auditEntries(limit: $l) { total } }`, vars{"l": json.Number("1e999999999")}},
		{"variable: null as Int!", `query ($l: Int!) { auditEntries(limit: $l) { total } }`, vars{"l": nil}},
		{"variable: missing", `query ($l: Int!) { auditEntries(limit: $l) { total } }`, nil},
		{"variable: object as ID", `query ($l: ID!) { auditEntry(id: $l) { id } }`, vars{"l": vars{"a": 1}}},
		{"variable: bool as ID", `query ($l: ID!) { auditEntry(id: $l) { id } }`, vars{"l": true}},
		{"variable: list as name", `mutation ($l: String!) { login(username: $l, password: "x") { username } }`, vars{"l": []any{"a", "b"}}},
		{"variable of an unknown type", `query ($l: Nope) { me { username } }`, vars{"l": 1}},
		{"bad literal of bool", `{ me @include(if: "x") { username } }`, nil},
		{"variable: text as bool", `query ($l: Boolean!) { me @include(if: $l) { username } }`, vars{"l": "x"}},
	} {
		r := s.Query(t, admin, c.query, c.vars)
		if len(r.Errors) == 0 {
			t.Errorf("%s: %s", c.name, r.Body)
		}
		for i, e := range r.Errors {
			if code := r.Codes()[i]; code == "" || code == "INTERNAL_SERVER_ERROR" {
				t.Errorf("%s: code %q: %s", c.name, code, r.Body)
			}
			if found := inside.FindString(e.Message); found != "" {
				t.Errorf("%s: the message tells of %q: %s", c.name, found, e.Message)
			}
		}
		if rows := s.Rows(t); len(rows) != 0 {
			t.Fatalf("%s: left %+v", c.name, rows)
		}
	}
}
