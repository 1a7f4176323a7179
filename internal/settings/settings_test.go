package settings_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"halite/internal/fault"
	"halite/internal/pgtest"
	"halite/internal/salt"
	"halite/internal/salt/saltfake"
	"halite/internal/settings"
)

func connection(url string) settings.Patch {
	return settings.Patch{URL: &url, Username: new(saltfake.Admin), Password: new(saltfake.AdminPassword), EAuth: new("file")}
}

// TestUpdate: only what is sent changes, each field can be cleared, and the row says what
// changed but the password.
func TestUpdate(t *testing.T) {
	t.Parallel()
	d := pgtest.Open(t)
	s, g := newService(t, d, "secret"), newGate(t, d)
	type m = map[string]any
	for _, c := range []struct {
		name  string
		patch settings.Patch
		want  settings.Salt
		args  m
	}{
		{
			"all",
			settings.Patch{URL: new("https://salt:8000/api/"), Username: new("u"), Password: new("hunter2"), Verify: new(false), EAuth: new("ldap")},
			settings.Salt{URL: "https://salt:8000/api", Username: "u", PasswordSet: true, EAuth: "ldap"},
			m{
				"before": m{"url": "", "username": "", "verify": true, "eauth": "pam", "configured": false},
				"after":  m{"url": "https://salt:8000/api", "username": "u", "verify": false, "eauth": "ldap", "configured": true},
			},
		},
		{
			"one",
			settings.Patch{Username: new("v")},
			settings.Salt{URL: "https://salt:8000/api", Username: "v", PasswordSet: true, EAuth: "ldap"},
			m{"before": m{"username": "u"}, "after": m{"username": "v"}},
		},
		{
			"the same again",
			settings.Patch{Username: new("v"), Password: new("hunter2")},
			settings.Salt{URL: "https://salt:8000/api", Username: "v", PasswordSet: true, EAuth: "ldap"},
			m{"before": m{}, "after": m{}},
		},
		{
			"defaults",
			settings.Patch{EAuth: new(""), Verify: new(true)},
			settings.Salt{URL: "https://salt:8000/api", Username: "v", PasswordSet: true, EAuth: "pam", Verify: true},
			m{"before": m{"eauth": "ldap", "verify": false}, "after": m{"eauth": "pam", "verify": true}},
		},
		{
			"the password cleared",
			settings.Patch{Password: new("")},
			settings.Salt{URL: "https://salt:8000/api", Username: "v", EAuth: "pam", Verify: true},
			m{"before": m{"configured": true}, "after": m{"configured": false}},
		},
		{
			"disconnected",
			settings.Patch{URL: new(""), Username: new("")},
			settings.Salt{EAuth: "pam", Verify: true},
			m{"before": m{"url": "https://salt:8000/api", "username": "v"}, "after": m{"url": "", "username": ""}},
		},
	} {
		got, args, err := g.update(t, s, c.patch)
		shown, gerr := s.Salt(t.Context())
		if diff := cmp.Diff(c.want, got, cmpopts.IgnoreFields(settings.Salt{}, "UpdatedAt")); diff != "" || err != nil || got.UpdatedAt.IsZero() {
			t.Errorf("%s: %v, -want +got\n%s", c.name, err, diff)
		}
		if shown != got || gerr != nil {
			t.Errorf("%s: read as %+v, %v", c.name, shown, gerr)
		}
		if diff := cmp.Diff(c.args, args); diff != "" {
			t.Errorf("%s: arguments of the row, -want +got\n%s", c.name, diff)
		}
	}
}

// TestRules: what breaks a rule is refused with the field, and changes nothing.
func TestRules(t *testing.T) {
	t.Parallel()
	d := pgtest.Open(t)
	s, g := newService(t, d, "secret"), newGate(t, d)
	long := func(n int) *string { return new(strings.Repeat("é", n)) }
	for field, patches := range map[string][]settings.Patch{
		"input": {{}},
		"url": {
			{URL: new("salt:8000")},
			{URL: new("ftp://salt")},
			{URL: new("http://")},
			{URL: new("http:///x")},
			{URL: new("//salt")},
			{URL: new("http://:8000")},
			{URL: new("http://u:hunter2@salt")},
			{URL: new("http://salt?x")},
			{URL: new("http://salt?")},
			{URL: new("http://salt#")},
			{URL: new("http://salt/\x00")},
			{URL: new("http://salt/%zz")},
			{URL: new("http://salt/" + *long(2048))},
		},
		"username": {{Username: long(256)}, {Username: new("a\x00")}, {Username: new("\xff")}},
		"password": {{Password: long(1025)}, {Password: new("a\x00")}},
		"eauth":    {{EAuth: new("PAM")}, {EAuth: new("none")}},
	} {
		for _, p := range patches {
			_, _, err := g.update(t, s, p)
			if f := fault.From(err); f == nil || f.Code != fault.BadUserInput || f.Field != field || strings.Contains(f.Message, "hunter2") {
				t.Errorf("%s: %+v answered %v", field, p, err)
			}
		}
	}
	if now, err := s.Salt(t.Context()); err != nil || now != (settings.Salt{Verify: true, EAuth: "pam"}) {
		t.Errorf("settings are %+v, %v", now, err)
	}
}

// TestClient: a change takes effect with the next use, on every server; without one the
// client, and with it the login, stays.
func TestClient(t *testing.T) {
	t.Parallel()
	d := pgtest.Open(t)
	here, there, g := newService(t, d, "secret"), newService(t, d, "secret"), newGate(t, d)
	unavailable := func(why string) {
		t.Helper()
		for _, s := range []*settings.Service{here, there} {
			if _, err := s.Client(t.Context()); err == nil || fault.From(err).Code != fault.SaltUnavailable || !strings.Contains(err.Error(), "not configured") {
				t.Errorf("%s: %v", why, err)
			}
		}
	}
	unavailable("nothing set")
	for range 2 {
		m, url := master(t)
		if _, _, err := g.update(t, here, connection(url)); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*settings.Service{here, there, here, there} {
			c, err := s.Client(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if keys, err := c.Keys(t.Context()); err != nil || len(keys) != 1 {
				t.Errorf("keys %v, %v", keys, err)
			}
		}
		if n := m.Count("/login"); n != 2 {
			t.Errorf("%d logins by two servers", n)
		}
	}
	if _, _, err := g.update(t, there, settings.Patch{URL: new("")}); err != nil {
		t.Fatal(err)
	}
	unavailable("cleared")
}

// TestSecrets: the password is nowhere in clear; another secret cannot read it, says so
// and is mended by entering it again; a second secret reads it and seals it anew.
func TestSecrets(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	d := pgtest.OpenURL(t, url)
	_, at := master(t)
	g, look := newGate(t, d), pgtest.Conn(t, url, "halite")
	check := func(s *settings.Service, name, want string, usable bool) {
		t.Helper()
		result, bad := s.Check(t.Context())
		_, err := s.Client(t.Context())
		if !strings.HasPrefix(result, want) || bad != (want == "error") || (err == nil) != usable {
			t.Errorf("%s: %q, bad %v; client %v", name, result, bad, err)
		}
		if tried, err := s.TestSaved(t.Context()); err != nil || tried.OK != usable {
			t.Errorf("%s: test of what is saved: %+v, %v", name, tried, err)
		}
	}
	first := newService(t, d, "first")
	check(first, "nothing", "not configured", false)
	if _, _, err := g.update(t, first, connection(at)); err != nil {
		t.Fatal(err)
	}
	check(first, "set", "ok", true)
	sealed := func() (s string, revision int64) {
		var all string
		if err := look.QueryRow(t.Context(), "SELECT salt_password, revision, settings::text FROM settings").Scan(&s, &revision, &all); err != nil || strings.Contains(all, saltfake.AdminPassword) {
			t.Errorf("stored as %s, %v", all, err)
		}
		return s, revision
	}
	old, revision := sealed()

	changed := newService(t, d, "second")
	if err := changed.Renew(t.Context()); err != nil {
		t.Error(err)
	}
	check(changed, "another secret", "error", false)
	if now, _ := sealed(); now != old {
		t.Error("sealed anew without being read")
	}

	both := newService(t, d, "second", "first")
	check(both, "a second secret", "ok", true)
	if err := both.Renew(t.Context()); err != nil {
		t.Error(err)
	}
	if now, r := sealed(); now == old || r != revision {
		t.Errorf("not sealed anew, or counted as a change: revision %d, %d before", r, revision)
	}
	check(changed, "sealed anew", "ok", true)
	check(newService(t, d, "first"), "the first secret then", "error", false)

	third := newService(t, d, "third")
	check(third, "a third secret", "error", false)
	if _, _, err := g.update(t, third, settings.Patch{Password: new(saltfake.AdminPassword)}); err != nil {
		t.Fatal(err)
	}
	check(third, "entered again", "ok", true)
	if _, err := look.Exec(t.Context(), "UPDATE settings SET salt_password = 'v1.junk', revision = revision + 1"); err != nil {
		t.Fatal(err)
	}
	check(third, "damaged", "error", false)
}

// TestTry: a connection can be tried before it is stored, and a failure is a result.
func TestTry(t *testing.T) {
	t.Parallel()
	s := newService(t, pgtest.Open(t), "secret")
	m, url := master(t)
	good := salt.Settings{URL: url, Username: saltfake.Admin, Password: saltfake.AdminPassword, EAuth: "file", Verify: true}
	one := 1
	for _, c := range []struct {
		name   string
		change func(*salt.Settings)
		want   salt.TestResult
		field  string
	}{
		{name: "good", want: salt.TestResult{OK: true, Detail: "logged in", MinionCount: &one}},
		{name: "wrong password", change: func(s *salt.Settings) { s.Password = "wrong" }, want: salt.TestResult{Detail: "auth failed: salt-api: 401 Could not authenticate using provided credentials"}},
		{name: "no url", change: func(s *salt.Settings) { s.URL = "" }, field: "url"},
		{name: "no username", change: func(s *salt.Settings) { s.Username = "" }, field: "username"},
		{name: "no eauth", change: func(s *salt.Settings) { s.EAuth = "" }, field: "eauth"},
		{name: "bad url", change: func(s *salt.Settings) { s.URL = "gopher://x" }, field: "url"},
	} {
		given := good
		if c.change != nil {
			c.change(&given)
		}
		got, err := s.Test(t.Context(), given)
		if f := fault.From(err); c.field == "" && f != nil || c.field != "" && (f == nil || f.Code != fault.BadUserInput || f.Field != c.field) {
			t.Errorf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.name, diff)
		}
	}
	if now, err := s.Salt(t.Context()); err != nil || now.URL != "" || m.Count("/login") != 2 {
		t.Errorf("stored %+v, %v; %d logins", now, err, m.Count("/login"))
	}
}
