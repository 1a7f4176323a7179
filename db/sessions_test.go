package db_test

import (
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"halite/db"
	"halite/internal/auth"
	"halite/internal/pgtest"
	"halite/internal/policy"
)

func hash(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// newUser makes a user with the role viewer and a session.
func newUser(t *testing.T, d *db.DB, name, session string) uuid.UUID {
	t.Helper()
	if err := d.SeedRoles(t.Context(), policy.BuiltinRoles()); err != nil {
		t.Fatal(err)
	}
	id := uuid.New()
	u := auth.User{ID: id, Username: name, DisplayName: "Name of " + name, PasswordHash: "none", Active: true, MustChangePassword: true}
	if err := d.CreateUser(t.Context(), u, "viewer"); err != nil {
		t.Fatal(err)
	}
	if err := d.CreateSession(t.Context(), auth.Session{IDHash: hash(session), UserID: id}, time.Hour); err != nil {
		t.Fatal(err)
	}
	return id
}

func wantNoSession(t *testing.T, d *db.DB, session, why string) {
	t.Helper()
	if p, err := d.SessionPrincipal(t.Context(), hash(session)); !errors.Is(err, auth.ErrNoSession) {
		t.Errorf("%s: %+v, %v", why, p, err)
	}
}

// TestSessionPrincipal: the principal is of this moment, and of nobody who may not be.
func TestSessionPrincipal(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	d := pgtest.OpenURL(t, u)
	c := pgtest.Conn(t, u, "halite")
	id := newUser(t, d, "Ada", "s")
	viewer := policy.BuiltinRoles()[2]
	want := &policy.Principal{
		UserID: id, Username: "Ada", DisplayName: "Name of Ada", Active: true, MustChangePassword: true,
		Roles: []policy.Role{{Name: "viewer"}},
	}
	check := func(what string) {
		t.Helper()
		got, err := d.SessionPrincipal(t.Context(), hash("s"))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		sorted := cmp.Transformer("set", func(ps []policy.Permission) map[policy.Permission]int {
			m := map[policy.Permission]int{}
			for _, p := range ps {
				m[p]++
			}
			return m
		})
		if diff := cmp.Diff(want, got, sorted); diff != "" {
			t.Errorf("%s:\n%s", what, diff)
		}
	}
	want.Roles[0].Permissions = viewer.Permissions
	check("one role")

	exec(t, c, `INSERT INTO roles (id, name) VALUES (gen_random_uuid(), 'empty'), (gen_random_uuid(), 'a twice');
		INSERT INTO permissions (id, role_id, verb, resource_glob) SELECT gen_random_uuid(), id, 'run', 'job:*' FROM roles, generate_series(1, 2) WHERE name = 'a twice';
		INSERT INTO user_roles SELECT u.id, r.id FROM users AS u, roles AS r WHERE r.name IN ('empty', 'a twice')`)
	want.Roles = []policy.Role{
		{Name: "a twice", Permissions: []policy.Permission{{Verb: "run", ResourceGlob: "job:*"}, {Verb: "run", ResourceGlob: "job:*"}}},
		{Name: "empty"},
		{Name: "viewer", Permissions: viewer.Permissions},
	}
	check("three roles")
	exec(t, c, "DELETE FROM user_roles")
	want.Roles = nil
	check("no role")

	wantNoSession(t, d, "another", "an unknown session")
	exec(t, c, "UPDATE users SET is_active = false")
	wantNoSession(t, d, "s", "of an inactive user")
	exec(t, c, "UPDATE users SET is_active = true")
	check("active again")
	exec(t, c, "UPDATE sessions SET expires_at = clock_timestamp()")
	wantNoSession(t, d, "s", "an expired session")
}

// TestLastSeen: last_seen_at is written at most once a minute.
func TestLastSeen(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	d := pgtest.OpenURL(t, u)
	c := pgtest.Conn(t, u, "halite")
	newUser(t, d, "ada", "s")
	const version = "SELECT xmin::text || ' ' || last_seen_at FROM sessions"
	see := func() string {
		t.Helper()
		if _, err := d.SessionPrincipal(t.Context(), hash("s")); err != nil {
			t.Fatal(err)
		}
		return texts(t, c, version)[0]
	}
	first := see()
	if second := see(); second != first {
		t.Errorf("written within a minute: %s, then %s", first, second)
	}
	exec(t, c, "UPDATE sessions SET last_seen_at = clock_timestamp() - interval '61 seconds'")
	see()
	var age float64
	if err := c.QueryRow(t.Context(), "SELECT extract(epoch FROM clock_timestamp() - last_seen_at)::float8 FROM sessions").Scan(&age); err != nil || age > 60 {
		t.Errorf("not written after a minute: %v seconds old, %v", age, err)
	}
	third := texts(t, c, version)[0]
	if again := see(); again != third {
		t.Errorf("written twice within a minute: %s, then %s", third, again)
	}
}

// TestEndSessions: sessions end one by one, all but one, and by age.
func TestEndSessions(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	d := pgtest.OpenURL(t, u)
	c := pgtest.Conn(t, u, "halite")
	ada := newUser(t, d, "ada", "a1")
	newUser(t, d, "bob", "b1")
	for _, s := range []string{"a2", "a3", "a4"} {
		if err := d.CreateSession(t.Context(), auth.Session{IDHash: hash(s), UserID: ada}, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.CreateSession(t.Context(), auth.Session{IDHash: hash("short"), UserID: ada}, 0); err != nil {
		t.Fatal(err)
	}
	wantNoSession(t, d, "short", "a session without a life")
	if n, err := d.PurgeSessions(t.Context()); n != 1 || err != nil {
		t.Errorf("purged %d, %v; want the one that has ended", n, err)
	}
	if n, err := d.PurgeSessions(t.Context()); n != 0 || err != nil {
		t.Errorf("purged %d, %v; want none", n, err)
	}
	left := func(want ...string) {
		t.Helper()
		var got []string
		for _, s := range []string{"a1", "a2", "a3", "a4", "b1"} {
			if _, err := d.SessionPrincipal(t.Context(), hash(s)); err == nil {
				got = append(got, s)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	left("a1", "a2", "a3", "a4", "b1")
	for range 2 {
		if err := d.EndSession(t.Context(), hash("a2")); err != nil {
			t.Fatal(err)
		}
	}
	left("a1", "a3", "a4", "b1")
	if err := d.EndSessions(t.Context(), ada, hash("a3")); err != nil {
		t.Fatal(err)
	}
	left("a3", "b1")
	if err := d.EndSessions(t.Context(), ada, nil); err != nil {
		t.Fatal(err)
	}
	left("b1")
	exec(t, c, "DELETE FROM users")
	left()
}

// TestUsers: names are unique whatever the case, and a user needs a role that exists.
func TestUsers(t *testing.T) {
	t.Parallel()
	d := pgtest.Open(t)
	if there, err := d.AnyUser(t.Context()); there || err != nil {
		t.Errorf("at first: %v, %v", there, err)
	}
	id := newUser(t, d, "Ärger", "s")
	if there, err := d.AnyUser(t.Context()); !there || err != nil {
		t.Errorf("then: %v, %v", there, err)
	}
	if err := d.CreateUser(t.Context(), auth.User{ID: uuid.New(), Username: "äRGER", PasswordHash: "none"}, "viewer"); !errors.Is(err, auth.ErrUserExists) {
		t.Errorf("the name in another case: %v", err)
	}
	if err := d.CreateUser(t.Context(), auth.User{ID: uuid.New(), Username: "bob", PasswordHash: "none"}, "none"); !errors.Is(err, auth.ErrNoRole) {
		t.Errorf("a role that is none: %v", err)
	}
	if err := d.SetPassword(t.Context(), id, "changed", false); err != nil {
		t.Fatal(err)
	}
	want := auth.User{ID: id, Username: "Ärger", DisplayName: "Name of Ärger", PasswordHash: "changed", Active: true}
	if got, err := d.UserByName(t.Context(), "ÄRGER"); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for _, name := range []string{"", "nobody", "\x00", "\xff", "Ärger\x00", "%"} {
		if got, err := d.UserByName(t.Context(), name); !errors.Is(err, auth.ErrNoUser) {
			t.Errorf("%q: %+v, %v", name, got, err)
		}
	}
}

// TestSeedRoles: what is missing is made, what somebody added stays, and two servers
// may do it at once.
func TestSeedRoles(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	c := pgtest.Conn(t, u, "halite")
	const everything = `SELECT r.name || ': ' || r.description || ' ' || r.is_builtin || ' ' || coalesce(p.verb || ' ' || p.resource_glob, 'nothing')
		FROM roles AS r LEFT JOIN permissions AS p ON p.role_id = r.id ORDER BY 1`
	done := make(chan error)
	for range 4 {
		d := pgtest.OpenURL(t, u)
		go func() { done <- d.SeedRoles(t.Context(), policy.BuiltinRoles()) }()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	d := pgtest.OpenURL(t, u)
	seeded := texts(t, c, everything)
	if len(seeded) != 1+7+8 {
		t.Errorf("seeded: %q", seeded)
	}
	ids := texts(t, c, "SELECT id::text FROM permissions ORDER BY 1")
	exec(t, c, `INSERT INTO roles (id, name) VALUES (gen_random_uuid(), 'mine');
		INSERT INTO permissions (id, role_id, verb, resource_glob) SELECT gen_random_uuid(), id, 'extra', '*' FROM roles;
		INSERT INTO permissions (id, role_id, verb, resource_glob) SELECT gen_random_uuid(), id, 'view', 'key:*' FROM roles WHERE name = 'viewer'`)
	want := texts(t, c, everything)
	if err := d.SeedRoles(t.Context(), policy.BuiltinRoles()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, texts(t, c, everything)); diff != "" {
		t.Errorf("with nothing missing:\n%s", diff)
	}
	exec(t, c, "DELETE FROM permissions WHERE verb <> 'extra'; DELETE FROM roles WHERE name = 'admin'")
	if err := d.SeedRoles(t.Context(), policy.BuiltinRoles()); err != nil {
		t.Fatal(err)
	}
	extra := texts(t, c, everything)
	got := make([]string, 0, len(extra))
	for _, line := range extra {
		if line != "mine:  false extra *" && line != "operator: Run salt commands and manage keys, but no user administration. true extra *" &&
			line != "viewer: Read-only access to everything except audit. true extra *" {
			got = append(got, line)
		}
	}
	if len(extra) != len(got)+3 {
		t.Errorf("what was added is gone: %q", extra)
	}
	if diff := cmp.Diff(seeded, got); diff != "" {
		t.Errorf("healed:\n%s", diff)
	}
	if healed := texts(t, c, "SELECT id::text FROM permissions ORDER BY 1"); len(healed) != len(ids)+3 {
		t.Errorf("%d permissions after healing, want %d", len(healed), len(ids)+3)
	}
}
