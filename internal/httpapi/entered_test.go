package httpapi_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"halite/internal/httpapi/apitest"
)

// TestCrossSite: a page elsewhere cannot change state with the user's cookie, unless
// it is an allowed origin.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	const friend, foe = "https://ui.example.org", "https://evil.example"
	s := apitest.Start(t, apitest.Options{AllowedOrigins: []string{friend}})
	admin := s.Cookie(t, "admin")
	const me = `{"query":"{ me { username } }"}`
	for _, c := range []struct {
		name, path string
		header     []string
		status     int
	}{
		{"no browser", "/graphql", nil, 200},
		{"same origin", "/graphql", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"typed in", "/graphql", []string{"Sec-Fetch-Site", "none"}, 200},
		{"cross-site", "/graphql", []string{"Sec-Fetch-Site", "cross-site", "Origin", foe}, 403},
		{"same site is another origin", "/graphql", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"an old browser", "/graphql", []string{"Origin", foe}, 403},
		{"no origin at all", "/graphql", []string{"Origin", "null"}, 403},
		{"an allowed origin", "/graphql", []string{"Sec-Fetch-Site", "cross-site", "Origin", friend}, 200},
		{"nearly an allowed origin", "/graphql", []string{"Sec-Fetch-Site", "cross-site", "Origin", friend + ".evil.example"}, 403},
		{"sign-out", "/api/auth/logout", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"sign-in", "/api/auth/login", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"change of the password", "/api/auth/change-password", []string{"Origin", foe}, 403},
	} {
		got := s.Do(t, "POST", c.path, me, append([]string{"Cookie", admin}, c.header...)...)
		if got.Status != c.status || c.status == 403 && got.Body != `{"detail":"Cross-origin request refused"}` {
			t.Errorf("%s: %d %s", c.name, got.Status, got.Body)
		}
	}
	if rows := s.Rows(t); len(rows) != 0 {
		t.Errorf("%d rows", len(rows))
	}
	if got := s.Do(t, "GET", "/api/auth/me", "", "Cookie", admin, "Sec-Fetch-Site", "cross-site"); got.Status != 200 {
		t.Errorf("a read: %d", got.Status)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	const friend, foe = "https://ui.example.org", "https://evil.example"
	for _, c := range []struct {
		name    string
		allowed []string
		method  string
		header  []string
		want    map[string]string
	}{
		{"a friend asks", []string{friend}, "GET", []string{"Origin", friend}, map[string]string{
			"Access-Control-Allow-Origin": friend, "Access-Control-Allow-Credentials": "true",
			"Access-Control-Expose-Headers": "X-Request-Id, X-Audit-Id, Link, Retry-After", "Vary": "Origin",
		}},
		{"a foe asks", []string{friend}, "GET", []string{"Origin", foe}, map[string]string{"Access-Control-Allow-Origin": "", "Access-Control-Allow-Credentials": "", "Vary": "Origin"}},
		{
			"a friend asks beforehand",
			[]string{friend},
			"OPTIONS",
			[]string{"Origin", friend, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type"},
			map[string]string{"Access-Control-Allow-Origin": friend, "Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "content-type", "Access-Control-Max-Age": "600"},
		},
		{"a foe asks beforehand", []string{friend}, "OPTIONS", []string{"Origin", foe, "Access-Control-Request-Method", "POST"}, map[string]string{"Access-Control-Allow-Origin": ""}},
		{"nobody is allowed", nil, "GET", []string{"Origin", friend}, map[string]string{"Access-Control-Allow-Origin": "", "Access-Control-Allow-Credentials": ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := apitest.Start(t, apitest.Options{AllowedOrigins: c.allowed})
			got := s.Do(t, c.method, "/api/auth/me", "", c.header...)
			for name, want := range c.want {
				if got.Header.Get(name) != want {
					t.Errorf("%s %q, want %q", name, got.Header.Get(name), want)
				}
			}
		})
	}
}

// TestClientAddress: X-Forwarded-For counts from trusted proxies alone, and of it the
// last address that is none of theirs.
func TestClientAddress(t *testing.T) {
	t.Parallel()
	prefixes := func(s ...string) (out []netip.Prefix) {
		for _, p := range s {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	const peer = "127.0.0.1"
	for _, c := range []struct {
		trusted   []netip.Prefix
		forwarded string
		want      string
	}{
		{nil, "", peer},
		{nil, "192.0.2.1", peer},
		{prefixes("10.0.0.0/8"), "192.0.2.1", peer},
		{prefixes("127.0.0.0/8"), "", peer},
		{prefixes("127.0.0.0/8"), "192.0.2.1", "192.0.2.1"},
		{prefixes("127.0.0.0/8"), "198.51.100.9, 192.0.2.1", "192.0.2.1"},
		{prefixes("127.0.0.0/8", "10.0.0.0/8"), "198.51.100.9, 192.0.2.1, 10.1.2.3,10.4.5.6 ", "192.0.2.1"},
		{prefixes("127.0.0.0/8", "10.0.0.0/8"), "10.1.2.3", "10.1.2.3"},
		{prefixes("127.0.0.0/8"), "192.0.2.1, not an address", peer},
		{prefixes("127.0.0.0/8"), "192.0.2.1, ", peer},
		{prefixes("127.0.0.0/8"), "192.0.2.1:8080", peer},
		{prefixes("127.0.0.0/8"), "2001:DB8::1%eth0", "2001:db8::1"},
		{prefixes("127.0.0.0/8"), "::ffff:192.0.2.1", "192.0.2.1"},
	} {
		t.Run(c.forwarded, func(t *testing.T) {
			s := apitest.Start(t, apitest.Options{TrustedProxies: c.trusted})
			s.Do(t, "GET", "/api/audit", "", "X-Forwarded-For", c.forwarded)
			if rows := s.Rows(t); len(rows) != 1 || rows[0].SourceIP != c.want {
				t.Errorf("with %v trusted: rows %+v, want %s", c.trusted, rows, c.want)
			}
		})
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	var ids []string
	for _, c := range []struct {
		sent string
		kept bool
	}{
		{"abc-123_X.y:z", true},
		{strings.Repeat("a", 128), true},
		{strings.Repeat("a", 129), false},
		{"", false},
		{"a b", false},
		{"é", false},
		{"<x>", false},
	} {
		got := s.Do(t, "GET", "/api/audit", "", "X-Request-Id", c.sent).Header.Get("X-Request-Id")
		if (got == c.sent) != c.kept || got == "" {
			t.Errorf("%q became %q", c.sent, got)
		}
		ids = append(ids, got)
	}
	var recorded []string
	for _, e := range s.Rows(t) {
		recorded = append(recorded, e.RequestID)
	}
	if diff := cmp.Diff(ids, recorded); diff != "" {
		t.Errorf("-answered +recorded\n%s", diff)
	}
}

// TestHostileHead: what a client puts into its head cannot fail the row.
func TestHostileHead(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	for _, agent := range []string{"a\xff\xfeb", strings.Repeat("ü", 5000), "Authorization: Bearer hunter2", "\ttab"} {
		if got := s.Do(t, "GET", "/api/audit?x="+strings.Repeat("%00", 100), "", "User-Agent", agent); got.Status != 401 {
			t.Errorf("%.20q: %d %s", agent, got.Status, got.Body)
		}
	}
	rows := s.Rows(t)
	if len(rows) != 4 || strings.Contains(rows[2].UserAgent, "hunter2") {
		t.Errorf("rows %+v", rows)
	}
}
