package db_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/auth"
	"halite/internal/directory"
	"halite/internal/pgtest"
	"halite/internal/policy"
)

// TestPrincipal: Explain must say what a session of the user would be told.
func TestPrincipal(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	d := pgtest.OpenURL(t, u)
	c := pgtest.Conn(t, u, "halite")
	id := newUser(t, d, "Ada", "s")
	exec(t, c, `INSERT INTO roles (id, name) VALUES (gen_random_uuid(), 'empty'), (gen_random_uuid(), 'a twice');
		INSERT INTO permissions (id, role_id, verb, resource_glob) SELECT gen_random_uuid(), id, 'run', 'job:*' FROM roles, generate_series(1, 2) WHERE name = 'a twice';
		INSERT INTO user_roles SELECT u.id, r.id FROM users AS u, roles AS r WHERE r.name IN ('empty', 'a twice')`)
	want, err := d.SessionPrincipal(t.Context(), hash("s"))
	if err != nil || len(want.Roles) != 3 {
		t.Fatal(want, err)
	}
	got, err := d.Principal(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got.Roles { // a session's does not say what they are for
		got.Roles[i].Description, got.Roles[i].Builtin = "", false
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	exec(t, c, "UPDATE users SET is_active = false")
	if got, err := d.Principal(t.Context(), id); err != nil || got.Active {
		t.Errorf("inactive: %+v, %v", got, err)
	}
	if got, err := d.Principal(t.Context(), uuid.New()); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("nobody: %+v, %v", got, err)
	}
}

// TestQueriesDoNotGrow with what there is to be read.
func TestQueriesDoNotGrow(t *testing.T) {
	t.Parallel()
	d := pgtest.Open(t)
	sent := d.CountQueries()
	read := map[string]func() error{
		"users":     func() error { _, err := d.Users(t.Context(), 500, 0); return err },
		"roles":     func() error { _, err := d.Roles(t.Context()); return err },
		"user":      func() error { _, err := d.UserNamed(t.Context(), "user 0"); return err },
		"principal": nil,
	}
	count := func(name string) int64 {
		t.Helper()
		before := sent.Load()
		if err := read[name](); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return sent.Load() - before
	}
	before := map[string]int64{}
	for n := range 12 {
		role := directory.Role{ID: uuid.New(), Name: fmt.Sprint("role ", n)}
		if err := d.CreateRole(t.Context(), role); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			p := directory.Permission{ID: uuid.New(), Permission: policy.Permission{Verb: "view", ResourceGlob: "*"}}
			if err := d.AddPermission(t.Context(), role.ID, p); err != nil {
				t.Fatal(err)
			}
		}
		all, err := d.Roles(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		user := directory.User{ID: uuid.New(), Username: fmt.Sprint("user ", n), Active: true}
		for _, r := range all {
			user.Roles = append(user.Roles, directory.RoleRef{ID: r.ID})
		}
		if err := d.CreateUser(t.Context(), user, "none"); err != nil {
			t.Fatal(err)
		}
		read["principal"] = func() error { _, err := d.Principal(t.Context(), user.ID); return err }
		for name := range read {
			if got := count(name); n == 0 {
				before[name] = got
			} else if got != before[name] {
				t.Errorf("%s: %d statements with %d users and roles, %d with one", name, got, n+1, before[name])
			}
		}
	}
	if before["users"] != 3 || before["roles"] != 2 || before["user"] != 2 || before["principal"] != 3 {
		t.Errorf("statements: %v", before)
	}
}

// TestTakenNames are no errors of the database: the transaction goes on, and the
// statement, which may hold a hash, is not in the server's log.
func TestTakenNames(t *testing.T) {
	t.Parallel()
	d := pgtest.Open(t)
	newUser(t, d, "Ada", "s")
	inChange(t, d, func(ctx context.Context) error {
		if err := d.CreateUser(ctx, directory.User{ID: uuid.New(), Username: "ADA"}, "none"); !errors.Is(err, directory.ErrExists) {
			t.Errorf("a user: %v", err)
		}
		if err := d.CreateRole(ctx, directory.Role{ID: uuid.New(), Name: "viewer"}); !errors.Is(err, directory.ErrExists) {
			t.Errorf("a role: %v", err)
		}
		if err := d.CreateRole(ctx, directory.Role{ID: uuid.New(), Name: "Viewer"}); err != nil {
			t.Errorf("a role in another case, after that: %v", err)
		}
		return nil
	})
}

// TestNamesNothing: a row that names another one in vain.
func TestNamesNothing(t *testing.T) {
	t.Parallel()
	d := pgtest.Open(t)
	user := newUser(t, d, "ada", "s")
	viewer := pgtest.Roles(t, d, "viewer")[0].ID
	if err := d.AddUserRole(t.Context(), user, viewer); err != nil {
		t.Errorf("a role that he has: %v", err)
	}
	for what, err := range map[string]error{
		"a role of nobody":          d.AddUserRole(t.Context(), uuid.New(), viewer),
		"a role that is none":       d.AddUserRole(t.Context(), user, uuid.New()),
		"a permission of no role":   d.AddPermission(t.Context(), uuid.New(), directory.Permission{ID: uuid.New(), Permission: policy.Permission{Verb: "a", ResourceGlob: "b"}}),
		"a user with no such roles": d.CreateUser(t.Context(), directory.User{ID: uuid.New(), Username: "bob", Roles: []directory.RoleRef{{ID: uuid.New()}}}, "none"),
	} {
		if !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestDeletes: what goes with a user and with a role, and what stays.
func TestDeletes(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	d := pgtest.OpenURL(t, u)
	c := pgtest.Conn(t, u, "halite")
	ada, bob := newUser(t, d, "ada", "a"), newUser(t, d, "bob", "b")
	roles := pgtest.Roles(t, d, "operator", "viewer")
	for _, user := range []uuid.UUID{ada, bob} {
		if err := d.AddUserRole(t.Context(), user, roles[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	left := func(want ...string) {
		t.Helper()
		got := texts(t, c, `SELECT 'user ' || username FROM users UNION ALL SELECT 'session' FROM sessions
			UNION ALL SELECT 'role ' || name FROM roles UNION ALL SELECT 'of ' || name FROM permissions JOIN roles ON roles.id = role_id GROUP BY name
			UNION ALL SELECT username || ' ' || name FROM user_roles JOIN users ON users.id = user_id JOIN roles ON roles.id = role_id ORDER BY 1`)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	left("ada operator", "ada viewer", "bob operator", "bob viewer", "of admin", "of operator", "of viewer",
		"role admin", "role operator", "role viewer", "session", "session", "user ada", "user bob")
	if err := errors.Join(d.DeleteUser(t.Context(), ada), d.DeleteRole(t.Context(), roles[1].ID), d.RemoveUserRole(t.Context(), bob, uuid.New())); err != nil {
		t.Fatal(err)
	}
	left("bob operator", "of admin", "of operator", "role admin", "role operator", "session", "user bob")
	wantNoSession(t, d, "a", "of a user who is gone")
	if err := d.RemoveUserRole(t.Context(), bob, roles[0].ID); err != nil {
		t.Fatal(err)
	}
	left("of admin", "of operator", "role admin", "role operator", "session", "user bob")
}

// TestLockDirectory: the second change waits for the first one's end, on whichever
// server, and the seeding of roles waits too.
func TestLockDirectory(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	one, two := pgtest.OpenURL(t, u), pgtest.OpenURL(t, u)
	c := pgtest.Conn(t, u, "halite")
	done := make(chan error, 2)
	inChange(t, one, func(ctx context.Context) error {
		if err := one.LockDirectory(ctx); err != nil {
			return err
		}
		go func() { done <- two.SeedRoles(t.Context(), policy.BuiltinRoles()) }()
		go func() {
			_, err := two.Change(t.Context(), two.LockDirectory, func(err error) audit.Entry {
				if err != nil {
					t.Error(err)
				}
				return entry("second")
			})
			done <- err
		}()
		const waiting = "SELECT 'waits' FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
		for deadline := time.Now().Add(10 * time.Second); len(texts(t, c, waiting)) < 2; {
			if time.Now().After(deadline) {
				t.Fatal("nobody waits")
			}
		}
		select {
		case err := <-done:
			t.Errorf("did not wait: %v", err)
		default:
		}
		return nil
	})
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestAccountOfSignIn: what sign-in and the directory say of a user is of one row.
func TestAccountOfSignIn(t *testing.T) {
	t.Parallel()
	d := pgtest.Open(t)
	id := newUser(t, d, "Ada", "s")
	email := "a@b.c"
	if err := d.UpdateUser(t.Context(), directory.User{ID: id, Username: "ignored", DisplayName: "New", Email: &email, MustChangePassword: false}); err != nil {
		t.Fatal(err)
	}
	if got, err := d.UserByName(t.Context(), "ada"); err != nil || got != (auth.User{ID: id, Username: "Ada", PasswordHash: "none"}) {
		t.Errorf("%+v, %v", got, err)
	}
	got, err := d.UserNamed(t.Context(), "ADA")
	if err != nil || got.CreatedAt.IsZero() || got.CreatedAt.Location() != time.UTC || got.LastSignIn != nil {
		t.Errorf("%+v, %v", got, err)
	}
	got.CreatedAt = time.Time{}
	want := directory.User{ID: id, Username: "Ada", DisplayName: "New", Email: &email, MustChangePassword: true, Roles: pgtest.Roles(t, d, "viewer")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := d.SignedIn(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got, err := d.User(t.Context(), id); err != nil || got.LastSignIn == nil || got.LastSignIn.Location() != time.UTC {
		t.Errorf("%+v, %v", got, err)
	}
}

// inChange runs fn as a change with a row.
func inChange(t *testing.T, d *db.DB, fn func(context.Context) error) {
	t.Helper()
	_, err := d.Change(t.Context(), fn, func(err error) audit.Entry {
		if err != nil {
			t.Error(err)
		}
		return entry("change")
	})
	if err != nil {
		t.Error(err)
	}
}
