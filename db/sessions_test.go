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
	"halite/internal/directory"
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
	u := directory.User{
		ID: id, Username: name, DisplayName: "Name of " + name, Active: true, MustChangePassword: true,
		Roles: pgtest.Roles(t, d, "viewer"),
	}
	if err := d.CreateUser(t.Context(), u, "none"); err != nil {
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

// TestPurgeWaitsForNobody: what a change holds is left for the next time.
func TestPurgeWaitsForNobody(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	d := pgtest.OpenURL(t, u)
	c := pgtest.Conn(t, u, "halite")
	newUser(t, d, "ada", "held")
	newUser(t, d, "bob", "free")
	exec(t, c, "UPDATE sessions SET expires_at = clock_timestamp()")
	exec(t, c, "BEGIN")
	if _, err := c.Exec(t.Context(), "SELECT FROM sessions WHERE id_hash = $1 FOR UPDATE", hash("held")); err != nil {
		t.Fatal(err)
	}
	if n, err := d.PurgeSessions(t.Context()); n != 1 || err != nil {
		t.Errorf("purged %d, %v; want the one that nobody holds", n, err)
	}
	exec(t, c, "ROLLBACK")
	if n, err := d.PurgeSessions(t.Context()); n != 1 || err != nil {
		t.Errorf("then purged %d, %v; want the other", n, err)
	}
}
