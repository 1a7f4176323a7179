package httpapi_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"halite/internal/audit"
	"halite/internal/httpapi/apitest"
)

const (
	reasonAdmin    = "allowed by role admin: * *"
	reasonOperator = "allowed by role operator: view *"
	reasonViewer   = "no match among 8 permissions of role viewer"
	reasonNew      = "the password must be changed first"
	defaultArgs    = `{"limit":50,"offset":0}`

	operatorOut = `{"username":"operator","display_name":"OPERATOR","must_change_pw":false,"permissions":[` +
		`{"verb":"accept","resource_glob":"key:*"},{"verb":"delete","resource_glob":"key:*"},{"verb":"execute","resource_glob":"salt:*"},` +
		`{"verb":"kill","resource_glob":"job:*"},{"verb":"reject","resource_glob":"key:*"},{"verb":"run","resource_glob":"*"},` +
		`{"verb":"view","resource_glob":"*"}]}`
)

// step is a request, its answer and the rows that it leaves. In body, <id> stands for
// the id of the last of them.
type step struct {
	name, method, path, send, cookie string
	header                           []string
	status                           int
	body                             string // a page is looked at elsewhere: "*"
	rows                             []audit.Entry
	sets                             map[string]string // answer headers
}

func run(t *testing.T, s *apitest.Server, steps []step) {
	t.Helper()
	for _, c := range steps {
		before := len(s.Rows(t))
		got := s.Do(t, c.method, c.path, c.send, append([]string{"Cookie", c.cookie}, c.header...)...)
		rows := s.Rows(t)[before:]
		var ids []string
		for i := range c.rows {
			c.rows[i].ID = int64(before + 1 + i)
			ids = append(ids, fmt.Sprint(c.rows[i].ID))
		}
		if diff := apitest.Diff(c.rows, rows); diff != "" {
			t.Errorf("%s: rows, -want +got\n%s", c.name, diff)
		}
		if got.Status != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.name, got.Status, c.status, got.Body)
		}
		want := strings.ReplaceAll(c.body, "<id>", fmt.Sprint(before+len(c.rows)))
		if c.body != "*" && got.Body != want {
			t.Errorf("%s: body, -want +got\n%s", c.name, cmp.Diff(want, got.Body))
		}
		if got.Header.Get("X-Audit-Id") != strings.Join(ids, ",") {
			t.Errorf("%s: X-Audit-Id %q, want %v", c.name, got.Header.Get("X-Audit-Id"), ids)
		}
		if got.Header.Get("X-Request-Id") != apitest.RequestID {
			t.Errorf("%s: X-Request-Id %q", c.name, got.Header.Get("X-Request-Id"))
		}
		for name, value := range c.sets {
			if got.Header.Get(name) != value {
				t.Errorf("%s: %s %q, want %q", c.name, name, got.Header.Get(name), value)
			}
		}
		if got.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: WWW-Authenticate would open the browser's own dialogue", c.name)
		}
	}
}

// TestAuditRoute is GET /api/audit for everybody, and what stands around it.
func TestAuditRoute(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	list := func(user string, decision audit.Decision, code int, args, reason string) []audit.Entry {
		return []audit.Entry{s.Row(user, "audit.list", "view", "audit:*", decision, code, args, reason)}
	}
	forged := s.Cookie(t, "admin")
	forged = forged[:len(forged)-1] + map[bool]string{true: "B", false: "A"}[strings.HasSuffix(forged, "A")]
	const (
		get  = "GET"
		path = "/api/audit"
	)
	allow := map[string]string{"Allow": "GET"}
	run(t, s, []step{
		{
			name: "admin", method: get, path: path, cookie: s.Cookie(t, "admin"), status: 200, body: `{"total":0,"entries":[]}`,
			rows: list("admin", audit.Allow, 200, defaultArgs, reasonAdmin), sets: map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "Link": ""},
		},
		{
			name: "operator", method: get, path: path + "?limit=1&unknown=1", cookie: s.Cookie(t, "operator"), status: 200, body: "*",
			rows: list("operator", audit.Allow, 200, `{"limit":1,"offset":0}`, reasonOperator),
		},
		{
			name: "viewer", method: get, path: path + "?user_id=x", cookie: s.Cookie(t, "viewer"), status: 403, body: `{"detail":"Forbidden"}`,
			rows: list("viewer", audit.Deny, 403, `{"filter":{"user_id":"x"},"limit":50,"offset":0}`, reasonViewer),
		},
		{
			name: "must change", method: get, path: path, cookie: s.Cookie(t, "new"), status: 403, body: `{"detail":"The password must be changed first"}`,
			rows: list("new", audit.Deny, 403, defaultArgs, reasonNew),
		},
		{
			name: "no cookie", method: get, path: path + "?limit=0", status: 401, body: `{"detail":"Not authenticated"}`,
			rows: list("", audit.Deny, 401, `{"limit":0,"offset":0}`, "not authenticated"),
		},
		{
			name: "empty cookie", method: get, path: path, cookie: "halite_session=", status: 401, body: `{"detail":"Not authenticated"}`,
			rows: list("", audit.Deny, 401, defaultArgs, "not authenticated"),
		},
		{
			name: "forged cookie", method: get, path: path, cookie: forged, status: 401, body: `{"detail":"Invalid session"}`,
			rows: list("", audit.Deny, 401, defaultArgs, "invalid session"),
		},
		{
			name: "unsigned cookie", method: get, path: path, cookie: "halite_session=abc", status: 401, body: `{"detail":"Invalid session"}`,
			rows: list("", audit.Deny, 401, defaultArgs, "invalid session"),
		},
		{
			name: "unknown session", method: get, path: path, cookie: "halite_session=" + apitest.Sign([]byte(strings.Repeat("s", 32)), "abc"), status: 401,
			body: `{"detail":"Session expired"}`, rows: list("", audit.Deny, 401, defaultArgs, "session expired"),
		},
		{
			name: "expired session", method: get, path: path, cookie: s.Ended(t, "admin"), status: 401, body: `{"detail":"Session expired"}`,
			rows: list("", audit.Deny, 401, defaultArgs, "session expired"),
		},
		{
			name: "inactive user", method: get, path: path, cookie: s.Cookie(t, "gone"), status: 401, body: `{"detail":"Session expired"}`,
			rows: list("", audit.Deny, 401, defaultArgs, "session expired"),
		},
		{
			name: "bad parameters", method: get, path: path + "?limit=0&offset=-1", cookie: s.Cookie(t, "admin"), status: 422,
			body: `{"detail":[{"type":"greater_than_equal","loc":["query","limit"],"msg":"Input should be greater than or equal to 1","input":"0","ctx":{"ge":1}},` +
				`{"type":"greater_than_equal","loc":["query","offset"],"msg":"Input should be greater than or equal to 0","input":"-1","ctx":{"ge":0}}]}`,
			rows: list("admin", audit.Allow, 422, `{"limit":0,"offset":-1}`, reasonAdmin),
		},
		{
			name: "bad limit", method: get, path: path + "?limit=a%22%3C%C3%A9", cookie: s.Cookie(t, "admin"), status: 422,
			body: `{"detail":[{"type":"int_parsing","loc":["query","limit"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"a\"<é"}]}`,
			rows: list("admin", audit.Allow, 422, `{"limit":"a\"<é","offset":0}`, reasonAdmin),
		},
		{
			name: "all filters", method: get, path: path + "?user_id=3f4b2c1a-0000-0000-0000-000000000001&action=&decision=foo&since=2025-01-01&until=0&limit=500&offset=9223372036854775807",
			cookie: s.Cookie(t, "admin"), status: 200, body: `{"total":0,"entries":[]}`,
			rows: list("admin", audit.Allow, 200, `{"filter":{"action":"","decision":"foo","since":"2025-01-01","until":"0","user_id":"3f4b2c1a-0000-0000-0000-000000000001"},`+
				`"limit":500,"offset":9223372036854775807}`, reasonAdmin),
		},
		{
			name: "recorded as it is asked", method: get, path: path + "?action=a;b%zz&decision=deny", cookie: s.Cookie(t, "admin"), status: 200, body: `{"total":0,"entries":[]}`,
			rows: list("admin", audit.Allow, 200, `{"filter":{"action":"a;b%zz","decision":"deny"},"limit":50,"offset":0}`, reasonAdmin),
		},
		{name: "POST", method: "POST", path: path, cookie: s.Cookie(t, "admin"), status: 405, body: `{"detail":"Method Not Allowed"}`, sets: allow},
		{name: "HEAD", method: "HEAD", path: path, cookie: s.Cookie(t, "admin"), status: 405, sets: allow},
		{name: "trailing slash", method: get, path: path + "/?limit=2", status: 307, sets: map[string]string{"Location": path + "?limit=2"}},
		{name: "unknown path", method: get, path: "/api/nothing", cookie: s.Cookie(t, "admin"), status: 404, body: `{"detail":"Not Found"}`},
		{name: "unknown path below", method: get, path: "/api/audit/1", status: 404, body: `{"detail":"Not Found"}`},
		{name: "health", method: get, path: "/healthz", status: 200, body: `{"status":"ok"}`},
		{name: "ready", method: get, path: "/readyz", status: 200, body: `{"status":"ready","checks":{"db":"ok"}}`},
		{name: "root", method: get, path: "/", status: 302, body: "*", sets: map[string]string{"Location": "/audit"}},
		{name: "the Audit page needs no session", method: get, path: "/audit", status: 200, body: "*"},
		{name: "the page of an entry needs no session", method: get, path: "/audit/1", status: 200, body: "*"},
		{name: "GraphiQL needs no session", method: get, path: "/graphiql", status: 200, body: "*"},
		{name: "Administration needs no session", method: get, path: "/admin/users", status: 200, body: "*"},
	})
}

// TestAuthRoutes is sign-in, sign-out and the change of a password over REST.
func TestAuthRoutes(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	auth := func(user, action, resource string, decision audit.Decision, code int, args, reason string) []audit.Entry {
		return []audit.Entry{s.Row(user, "auth."+action, "", resource, decision, code, args, reason)}
	}
	login := func(name, password string) string {
		return fmt.Sprintf(`{"username":%q,"password":%q,"more":1}`, name, password)
	}
	const (
		post    = "POST"
		in      = "/api/auth/login"
		change  = "/api/auth/change-password"
		secrets = `{"current_password":"<redacted>","new_password":"<redacted>"}`
		dict    = `{"detail":[{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from"}]}`
	)
	allow := map[string]string{"Allow": "POST"}
	operator, other := s.Cookie(t, "operator"), s.Cookie(t, "operator")
	next := func(current, new string) string {
		return fmt.Sprintf(`{"current_password":%q,"new_password":%q}`, current, new)
	}
	refused := func(name, reason string) []audit.Entry {
		return auth("", "login", "user:"+name, audit.Deny, 401, fmt.Sprintf(`{"password":"<redacted>","username":%q}`, name), reason)
	}
	run(t, s, []step{
		{
			name: "right", method: post, path: in, send: login("OPERATOR", apitest.Password), status: 200, body: operatorOut,
			rows: auth("operator", "login", "user:operator", audit.Allow, 200, `{"username":"operator"}`, "password accepted"),
		},
		{
			name: "right, must change", method: post, path: in, send: login("new", apitest.Password), status: 200,
			body: `{"username":"new","display_name":"NEW","must_change_pw":true,"permissions":[{"verb":"*","resource_glob":"*"}]}`,
			rows: auth("new", "login", "user:new", audit.Allow, 200, `{"username":"new"}`, "password accepted"),
		},
		{
			name: "wrong", method: post, path: in, send: login("admin", "wrong"), status: 401, body: `{"detail":"Invalid credentials"}`,
			rows: refused("admin", "wrong password"), sets: map[string]string{"Set-Cookie": ""},
		},
		{name: "unknown", method: post, path: in, send: login("mallory", "x"), status: 401, body: `{"detail":"Invalid credentials"}`, rows: refused("mallory", "unknown user")},
		{name: "empty", method: post, path: in, send: login("", ""), status: 401, body: `{"detail":"Invalid credentials"}`, rows: refused("", "unknown user")},
		{
			name: "inactive", method: post, path: in, send: login("gone", apitest.Password), status: 401, body: `{"detail":"Invalid credentials"}`,
			rows: refused("gone", "user is inactive"),
		},
		{
			name: "a NUL in the name", method: post, path: in, send: `{"username":"a\u0000b","password":"x"}`, status: 401, body: `{"detail":"Invalid credentials"}`,
			rows: auth("", "login", "user:a\uFFFDb", audit.Deny, 401, `{"password":"<redacted>","username":"a`+"\uFFFD"+`b"}`, "unknown user"),
		},
		{
			name: "no password", method: post, path: in, send: `{"username":"admin"}`, status: 422,
			body: `{"detail":[{"type":"missing","loc":["body","password"],"msg":"Field required"}]}`,
		},
		{
			name: "wrong types", method: post, path: in, send: `{"username":1,"password":"hunter2"}`, status: 422,
			body: `{"detail":[{"type":"string_type","loc":["body","username"],"msg":"Input should be a valid string"}]}`,
		},
		{name: "a list", method: post, path: in, send: `[]`, status: 422, body: dict},
		{name: "null", method: post, path: in, send: `null`, status: 422, body: dict},
		{
			name: "no JSON", method: post, path: in, send: `{"username":"admin",}`, status: 422,
			body: `{"detail":[{"type":"json_invalid","loc":["body",20],"msg":"JSON decode error"}]}`,
		},
		{name: "nothing", method: post, path: in, status: 422, body: `{"detail":[{"type":"missing","loc":["body"],"msg":"Field required"}]}`},
		{name: "a form", method: post, path: in, send: login("operator", apitest.Password), header: []string{"Content-Type", "text/plain"}, status: 422, body: dict},
		{
			name: "no media type", method: post, path: in, send: login("admin", "wrong"), header: []string{"Content-Type", ""}, status: 401,
			body: `{"detail":"Invalid credentials"}`, rows: refused("admin", "wrong password"),
		},
		{
			name: "large", method: post, path: in, send: `{"username":"` + strings.Repeat("a", 64<<10) + `"}`, status: 422,
			body: `{"detail":[{"type":"json_invalid","loc":["body",0],"msg":"The body could not be read, or is larger than 64 KiB"}]}`,
		},
		{name: "GET", method: "GET", path: in, status: 405, body: `{"detail":"Method Not Allowed"}`, sets: allow},

		{name: "me", method: "GET", path: "/api/auth/me", cookie: operator, status: 200, body: operatorOut},
		{
			name: "me, must change", method: "GET", path: "/api/auth/me", cookie: s.Cookie(t, "new"), status: 200,
			body: `{"username":"new","display_name":"NEW","must_change_pw":true,"permissions":[{"verb":"*","resource_glob":"*"}]}`,
		},
		{name: "me, nobody", method: "GET", path: "/api/auth/me", status: 401, body: `{"detail":"Not authenticated"}`},
		{name: "me, forged", method: "GET", path: "/api/auth/me", cookie: "halite_session=x.y", status: 401, body: `{"detail":"Invalid session"}`},
		{name: "me, inactive", method: "GET", path: "/api/auth/me", cookie: s.Cookie(t, "gone"), status: 401, body: `{"detail":"Session expired"}`},

		{
			name: "change, nobody", method: post, path: change, send: next("x", "y"), status: 401, body: `{"detail":"Not authenticated"}`,
			rows: auth("", "change_password", "user:*", audit.Deny, 401, secrets, "not authenticated"),
		},
		{
			name: "change, nobody and no JSON", method: post, path: change, send: `{`, status: 422,
			body: `{"detail":[{"type":"json_invalid","loc":["body",0],"msg":"JSON decode error"}]}`,
		},
		{
			name: "change, half", method: post, path: change, send: `{"new_password":"hunter22"}`, cookie: operator, status: 422,
			body: `{"detail":[{"type":"missing","loc":["body","current_password"],"msg":"Field required"}]}`,
		},
		{
			name: "change, wrong", method: post, path: change, send: next("wrong", "long enough"), cookie: operator, status: 403, body: `{"detail":"Current password is incorrect"}`,
			rows: auth("operator", "change_password", "user:operator", audit.Deny, 403, secrets, "wrong password"),
		},
		{
			name: "change, too short", method: post, path: change, send: next("wrong", "sieben7"), cookie: operator, status: 422,
			body: `{"detail":[{"type":"string_too_short","loc":["body","new_password"],"msg":"String should have at least 8 characters","ctx":{"min_length":8}}]}`,
			rows: auth("operator", "change_password", "user:operator", audit.Allow, 422, secrets, "signed in"),
		},
		{
			name: "change, too long", method: post, path: change, send: next("wrong", strings.Repeat("ü", 1025)), cookie: operator, status: 422,
			body: `{"detail":[{"type":"string_too_long","loc":["body","new_password"],"msg":"String should have at most 1024 characters","ctx":{"max_length":1024}}]}`,
			rows: auth("operator", "change_password", "user:operator", audit.Allow, 422, secrets, "signed in"),
		},
		{
			name: "change", method: post, path: change, send: next(apitest.Password, "hörbares"), cookie: operator, status: 204,
			rows: auth("operator", "change_password", "user:operator", audit.Allow, 204, secrets, "password accepted"),
		},
		{name: "the other session has ended", method: "GET", path: "/api/auth/me", cookie: other, status: 401, body: `{"detail":"Session expired"}`},
		{name: "the own one has not", method: "GET", path: "/api/auth/me", cookie: operator, status: 200, body: operatorOut},
		{
			name: "the old password", method: post, path: in, send: login("operator", apitest.Password), status: 401, body: `{"detail":"Invalid credentials"}`,
			rows: refused("operator", "wrong password"),
		},
		{
			name: "the new password", method: post, path: in, send: login("operator", "hörbares"), status: 200, body: operatorOut,
			rows: auth("operator", "login", "user:operator", audit.Allow, 200, `{"username":"operator"}`, "password accepted"),
		},

		{
			name: "sign-out", method: post, path: "/api/auth/logout", cookie: operator, status: 204,
			rows: auth("operator", "logout", "user:operator", audit.Allow, 204, "", "signed in"),
		},
		{name: "sign-out again", method: post, path: "/api/auth/logout", cookie: operator, status: 204},
		{name: "sign-out of nobody", method: post, path: "/api/auth/logout", status: 204},
		{name: "after sign-out", method: "GET", path: "/api/auth/me", cookie: operator, status: 401, body: `{"detail":"Session expired"}`},
		{name: "sign-out by GET", method: "GET", path: "/api/auth/logout", status: 405, body: `{"detail":"Method Not Allowed"}`, sets: allow},
	})
	// A password that had to be changed is changed, and the ban is over.
	must := s.Cookie(t, "new")
	run(t, s, []step{
		{
			name: "must change: change", method: post, path: change, send: next(apitest.Password, apitest.Password), cookie: must, status: 204,
			rows: auth("new", "change_password", "user:new", audit.Allow, 204, secrets, "password accepted"),
		},
		{
			name: "must change: then read", method: "GET", path: "/api/audit?limit=1", cookie: must, status: 200, body: "*",
			rows: []audit.Entry{s.Row("new", "audit.list", "view", "audit:*", audit.Allow, 200, `{"limit":1,"offset":0}`, reasonAdmin)},
		},
	})
	for _, secret := range []string{apitest.Password, "hörbares", "hunter2", "long enough", "wrong"} {
		for _, e := range s.Rows(t) {
			if strings.Contains(string(e.Args), secret) {
				t.Errorf("row %d holds %q", e.ID, secret)
			}
		}
	}
}

func TestCookieAttributes(t *testing.T) {
	t.Parallel()
	const login = `{"username":"admin","password":"` + apitest.Password + `"}`
	for _, secure := range []bool{false, true} {
		s := apitest.Start(t, apitest.Options{SecureCookie: secure})
		tail := "; HttpOnly; Max-Age=28800; Path=/; SameSite=lax"
		if secure {
			tail += "; Secure"
		}
		value := regexp.MustCompile(`^halite_session=([\w-]{64}\.[\w-]{43})` + regexp.QuoteMeta(tail) + `$`)
		first := s.Do(t, "POST", "/api/auth/login", login).Header.Values("Set-Cookie")
		if len(first) != 1 || !value.MatchString(first[0]) {
			t.Fatalf("sign-in sets %q", first)
		}
		cookie, _, _ := strings.Cut(first[0], ";")
		if got := s.Do(t, "GET", "/api/auth/me", "", "Cookie", cookie); got.Status != 200 {
			t.Errorf("the cookie is worth %d %s", got.Status, got.Body)
		}
		again := s.Query(t, "", `mutation { login(username: "admin", password: "`+apitest.Password+`") { username } }`, nil).Header.Values("Set-Cookie")
		if len(again) != 1 || !value.MatchString(again[0]) || again[0] == first[0] {
			t.Errorf("sign-in by GraphQL sets %q", again)
		}
		out := regexp.MustCompile(`^halite_session=""; expires=\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT; Max-Age=0; Path=/; SameSite=lax$`)
		if got := s.Do(t, "POST", "/api/auth/logout", "", "Cookie", cookie).Header.Values("Set-Cookie"); len(got) != 1 || !out.MatchString(got[0]) {
			t.Errorf("sign-out sets %q", got)
		}
	}
}

// TestSilentReads: AUDIT_AUDIT_READS=false is about allowed reads of the log alone.
func TestSilentReads(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	run(t, s, []step{
		{name: "allowed", method: "GET", path: "/api/audit", cookie: s.Cookie(t, "admin"), status: 200, body: `{"total":0,"entries":[]}`},
		{name: "bad input", method: "GET", path: "/api/audit?limit=x", cookie: s.Cookie(t, "admin"), status: 422, body: "*"},
		{
			name: "denied", method: "GET", path: "/api/audit", cookie: s.Cookie(t, "viewer"), status: 403, body: `{"detail":"Forbidden"}`,
			rows: []audit.Entry{s.Row("viewer", "audit.list", "view", "audit:*", audit.Deny, 403, defaultArgs, reasonViewer)},
		},
		{
			name: "nobody", method: "GET", path: "/api/audit", status: 401, body: `{"detail":"Not authenticated"}`,
			rows: []audit.Entry{s.Row("", "audit.list", "view", "audit:*", audit.Deny, 401, defaultArgs, "not authenticated")},
		},
		{
			name: "sign-out", method: "POST", path: "/api/auth/logout", cookie: s.Cookie(t, "admin"), status: 204,
			rows: []audit.Entry{s.Row("admin", "auth.logout", "", "user:admin", audit.Allow, 204, "", "signed in")},
		},
	})
}

// TestRefusalsOverREST: beyond the bound nobody gets a row, and who is signed in does.
func TestRefusalsOverREST(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{Refusals: 2})
	refused := []audit.Entry{s.Row("", "audit.list", "view", "audit:*", audit.Deny, 401, defaultArgs, "not authenticated")}
	const limited = `{"detail":"Too many requests without a session from this address"}`
	run(t, s, []step{
		{name: "first", method: "GET", path: "/api/audit", status: 401, body: `{"detail":"Not authenticated"}`, rows: refused},
		{name: "second", method: "GET", path: "/api/audit", status: 401, body: `{"detail":"Not authenticated"}`, rows: append([]audit.Entry{}, refused...)},
		{name: "third", method: "GET", path: "/api/audit", status: 429, body: limited},
		{name: "another route", method: "POST", path: "/api/auth/change-password", send: `{"current_password":"x","new_password":"y"}`, status: 429, body: limited},
		{
			name: "signed in", method: "GET", path: "/api/audit", cookie: s.Cookie(t, "viewer"), status: 403, body: `{"detail":"Forbidden"}`,
			rows: []audit.Entry{s.Row("viewer", "audit.list", "view", "audit:*", audit.Deny, 403, defaultArgs, reasonViewer)},
		},
		{
			name: "sign-in is not limited by it", method: "POST", path: "/api/auth/login", send: `{"username":"operator","password":"` + apitest.Password + `"}`, status: 200, body: operatorOut,
			rows: []audit.Entry{s.Row("operator", "auth.login", "", "user:operator", audit.Allow, 200, `{"username":"operator"}`, "password accepted")},
		},
	})
	if got := s.Do(t, "GET", "/api/audit", ""); got.Header.Get("Retry-After") == "" || got.Header.Get("Retry-After") == "0" {
		t.Errorf("Retry-After %q", got.Header.Get("Retry-After"))
	}
	s.Guard.Stop()
	rows := s.Rows(t)
	want := audit.Entry{
		ID: int64(len(rows)), Action: "http.rate_limit", Resource: "address:127.0.0.1", Decision: audit.Deny, ResultCode: 429,
		Reason: "too many refusals without a session", SourceIP: apitest.Address, Args: []byte(`{"address":"127.0.0.1","turned_away":3,"window_s":60}`),
	}
	if diff := apitest.Diff([]audit.Entry{want}, rows[len(rows)-1:]); diff != "" {
		t.Errorf("the window's row, -want +got\n%s", diff)
	}
}
