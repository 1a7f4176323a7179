package directory_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"halite/internal/auth"
	"halite/internal/directory"
	"halite/internal/pgtest"
)

const password = "correct horse"

// TestUserChanges follows a user from the beginning to the end: what each change
// answers, and what its row says.
func TestUserChanges(t *testing.T) {
	t.Parallel()
	o := open(t)
	root := o.as(t, "root")
	o.names["nobody"], o.names["ada"] = uuid.New(), uuid.New()
	update := func(p directory.UserPatch) func(context.Context) error {
		return func(ctx context.Context) error { _, err := o.UpdateUser(ctx, o.names["ada"], p); return err }
	}
	add := func(user, role string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := o.AddUserRole(ctx, o.names[user], o.names[role])
			return err
		}
	}
	remove := func(user, role string) func(context.Context) error {
		return func(ctx context.Context) error { return o.RemoveUserRole(ctx, o.names[user], o.names[role]) }
	}
	reset := func(user string, must bool) func(context.Context) error {
		return func(ctx context.Context) error { return o.ResetPassword(ctx, o.names[user], password, must) }
	}
	create := func(n directory.NewUser) func(context.Context) error {
		return func(ctx context.Context) error {
			u, err := o.CreateUser(ctx, n)
			if err == nil {
				o.names["ada"] = u.ID
			}
			return err
		}
	}
	for _, step := range []struct {
		name    string
		success int
		change  func(context.Context) error
		answer  string
		row     string
	}{
		{
			"unknown roles", 201,
			create(directory.NewUser{Username: "Ada", Password: password, RoleIDs: []uuid.UUID{o.names["r:viewer"], o.names["nobody"], o.names["ada"], o.names["nobody"]}}),
			"BAD_USER_INPUT roleIds: Unknown role IDs: " + o.names["nobody"].String() + ", " + o.names["ada"].String(), "allow 400",
		},
		{
			"create", 201,
			create(directory.NewUser{
				Username: "Ada", DisplayName: "A", Email: ptr("ada@example.org"), Password: password, MustChangePassword: true,
				RoleIDs: []uuid.UUID{o.names["r:viewer"], o.names["r:operator"], o.names["r:viewer"]},
			}),
			"", `allow 201 {"after":{"id":"<ada>","roles":["operator","viewer"],"username":"Ada"}}`,
		},
		{"create again", 201, create(directory.NewUser{Username: "aDA", Password: password}), "CONFLICT Username already exists", "allow 409"},
		{"nothing", 200, update(directory.UserPatch{}), "", "allow 200"},
		{"the same", 200, update(directory.UserPatch{DisplayName: ptr("A"), Email: directory.Sent(ptr("ada@example.org")), Active: ptr(true)}), "", "allow 200"},
		{
			"display name", 200, update(directory.UserPatch{DisplayName: ptr("Ada L.")}),
			"", `allow 200 {"after":{"display_name":"Ada L."},"before":{"display_name":"A"}}`,
		},
		{
			"no email, inactive", 200, update(directory.UserPatch{Email: directory.Sent[*string](nil), Active: ptr(false)}),
			"", `allow 200 {"after":{"email":null,"is_active":false},"before":{"email":"ada@example.org","is_active":true}}`,
		},
		{
			"email again", 200, update(directory.UserPatch{Email: directory.Sent(ptr("a@b.c"))}),
			"", `allow 200 {"after":{"email":"a@b.c"},"before":{"email":null}}`,
		},
		{"role there", 201, add("ada", "r:viewer"), "", "allow 200"},
		{"role of nobody", 201, add("nobody", "nobody"), "NOT_FOUND User not found", "allow 404"},
		{"no role", 201, add("ada", "nobody"), "BAD_USER_INPUT roleId: Role not found", "allow 400"},
		{
			"role", 201, add("ada", "r:admin"),
			"", `allow 201 {"after":{"roles":["admin","operator","viewer"]},"before":{"roles":["operator","viewer"]}}`,
		},
		{
			"take role", 204, remove("ada", "r:operator"),
			"", `allow 204 {"after":{"roles":["admin","viewer"]},"before":{"roles":["admin","operator","viewer"]}}`,
		},
		{"take it again", 204, remove("ada", "r:operator"), "NOT_FOUND Role assignment not found", "allow 404"},
		{"take from nobody", 204, remove("nobody", "r:operator"), "NOT_FOUND Role assignment not found", "allow 404"},
		{"reset", 204, reset("ada", false), "", `allow 204 {"after":{"must_change_pw":false}}`},
		{"reset again", 204, reset("ada", false), "", "allow 204"},
		{"reset nobody", 204, reset("nobody", false), "NOT_FOUND User not found", "allow 404"},
		{
			"delete", 204, func(ctx context.Context) error { return o.DeleteUser(ctx, o.names["ada"]) },
			"", `allow 204 {"before":{"display_name":"Ada L.","email":"a@b.c","is_active":false,"roles":["admin","viewer"],"username":"Ada"}}`,
		},
		{"delete again", 204, func(ctx context.Context) error { return o.DeleteUser(ctx, o.names["ada"]) }, "NOT_FOUND User not found", "allow 404"},
		{"update nobody", 200, update(directory.UserPatch{}), "NOT_FOUND User not found", "allow 404"},
		{"delete oneself", 204, func(ctx context.Context) error { return o.DeleteUser(ctx, o.names["root"]) }, "CONFLICT Cannot delete yourself", "allow 409"},
	} {
		if got := o.change(root, step.success, step.change); got != step.answer {
			t.Errorf("%s: answered %q, want %q", step.name, got, step.answer)
		}
		if got := o.row(t); got != step.row {
			t.Errorf("%s:\n got %s\nwant %s", step.name, got, step.row)
		}
	}
}

// TestUserAnswers: what the changes answer is what is there.
func TestUserAnswers(t *testing.T) {
	t.Parallel()
	o := open(t)
	root := o.as(t, "root")
	var made, changed directory.User
	viewer := directory.RoleRef{ID: o.names["r:viewer"], Name: "viewer"}
	now := time.Now()
	if got := o.change(root, 201, func(ctx context.Context) (err error) {
		made, err = o.CreateUser(ctx, directory.NewUser{Username: "Ada", DisplayName: "A", Password: password, RoleIDs: []uuid.UUID{viewer.ID}})
		return err
	}); got != "" {
		t.Fatal(got)
	}
	want := directory.User{ID: made.ID, Username: "Ada", DisplayName: "A", Active: true, CreatedAt: now, Roles: []directory.RoleRef{viewer}}
	near := cmpopts.EquateApproxTime(time.Minute)
	if diff := cmp.Diff(want, made, near); diff != "" || made.ID == uuid.Nil {
		t.Error(diff)
	}
	if got := o.change(root, 200, func(ctx context.Context) (err error) {
		changed, err = o.UpdateUser(ctx, made.ID, directory.UserPatch{Email: directory.Sent(ptr("a@b.c")), Active: ptr(false)})
		return err
	}); got != "" {
		t.Fatal(got)
	}
	if err := o.store.SignedIn(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	want.Email, want.Active = ptr("a@b.c"), false
	if diff := cmp.Diff(want, changed, near); diff != "" {
		t.Error(diff)
	}
	want.LastSignIn = &now
	if got, err := o.User(t.Context(), made.ID); err != nil || cmp.Diff(want, got, near) != "" {
		t.Error(err, cmp.Diff(want, got, near))
	}
	added := func(role string) (added bool) {
		t.Helper()
		if got := o.change(root, 201, func(ctx context.Context) (err error) {
			added, err = o.AddUserRole(ctx, made.ID, o.names[role])
			return err
		}); got != "" {
			t.Error(got)
		}
		return added
	}
	if added("r:viewer") || !added("r:operator") || added("r:operator") {
		t.Error("added is what was not there")
	}
}

// TestBuiltinUserStays, but for oneself, which is looked at first.
func TestBuiltinUserStays(t *testing.T) {
	t.Parallel()
	o := open(t)
	if err := o.console.Bootstrap(t.Context(), "first", password, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := o.store.UserNamed(t.Context(), "first"); !errors.Is(err, directory.ErrNotFound) {
		t.Fatalf("there were users: %v", err)
	}
	builtin := directory.User{ID: uuid.New(), Username: "builtin", Builtin: true, Active: true}
	if err := o.store.CreateUser(t.Context(), builtin, "none"); err != nil {
		t.Fatal(err)
	}
	o.names["builtin"] = builtin.ID
	remove := func(ctx context.Context) error { return o.DeleteUser(ctx, builtin.ID) }
	if got := o.change(o.as(t, "root"), 204, remove); got != "CONFLICT Cannot delete a built-in user" || o.row(t) != "allow 409" {
		t.Error(got, o.row(t))
	}
	if got := o.change(o.as(t, "builtin"), 204, remove); got != "CONFLICT Cannot delete yourself" {
		t.Error(got)
	}
}

// TestSessionsEnd with the account that they are of, and no others.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	o := open(t)
	root := o.as(t, "root")
	for name, change := range map[string]func(context.Context, uuid.UUID) error{
		"deactivated": func(ctx context.Context, id uuid.UUID) error {
			_, err := o.UpdateUser(ctx, id, directory.UserPatch{Active: ptr(false)})
			return err
		},
		"reset":   func(ctx context.Context, id uuid.UUID) error { return o.ResetPassword(ctx, id, password, true) },
		"deleted": o.DeleteUser,
		"renamed": func(ctx context.Context, id uuid.UUID) error {
			_, err := o.UpdateUser(ctx, id, directory.UserPatch{DisplayName: ptr("x")})
			return err
		},
	} {
		o.addUser(t, name, "viewer")
		o.addUser(t, "not "+name, "viewer")
		for _, user := range []string{name, "not " + name} {
			hash := sha256.Sum256([]byte(user))
			if err := o.store.CreateSession(t.Context(), auth.Session{IDHash: hash[:], UserID: o.names[user]}, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		if got := o.change(root, 200, func(ctx context.Context) error { return change(ctx, o.names[name]) }); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
	c := pgtest.Conn(t, o.url, "halite")
	var left string
	err := c.QueryRow(t.Context(), "SELECT string_agg(username, ', ' ORDER BY username) FROM sessions JOIN users ON users.id = user_id").Scan(&left)
	if want := "not deactivated, not deleted, not renamed, not reset, renamed"; err != nil || left != want {
		t.Errorf("sessions of %s, %v; want those of %s", left, err, want)
	}
}

// TestUsersPage: by name whatever the case, each with the roles.
func TestUsersPage(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.addUser(t, "bob", "viewer", "operator")
	o.addUser(t, "Carl")
	o.addUser(t, "ADA", "viewer")
	page := func(limit, offset int) string {
		t.Helper()
		p, err := o.Users(t.Context(), limit, offset)
		if err != nil {
			return answer(err)
		}
		if p.Total != 4 {
			t.Errorf("total %d", p.Total)
		}
		var users []string
		for _, u := range p.Users {
			s := u.Username
			for _, r := range u.Roles {
				if r.ID != o.names["r:"+r.Name] {
					t.Errorf("%s is not the role %s", r.ID, r.Name)
				}
				s += " " + r.Name
			}
			users = append(users, s)
		}
		return strings.Join(users, ", ")
	}
	for _, tt := range []struct {
		limit, offset int
		want          string
	}{
		{500, 0, "ADA viewer, bob operator viewer, Carl, root admin"},
		{2, 1, "bob operator viewer, Carl"},
		{1, 3, "root admin"},
		{50, 4, ""},
		{0, 0, "BAD_USER_INPUT limit: should be from 1 to 500"},
		{501, 0, "BAD_USER_INPUT limit: should be from 1 to 500"},
		{50, -1, "BAD_USER_INPUT offset: should be 0 or more"},
	} {
		if got := page(tt.limit, tt.offset); got != tt.want {
			t.Errorf("%d after %d: %q, want %q", tt.limit, tt.offset, got, tt.want)
		}
	}
}
