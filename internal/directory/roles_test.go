package directory_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"halite/internal/directory"
	"halite/internal/policy"
)

// TestRoleChanges follows a role from the beginning to the end: what each change
// answers, and what its row says.
func TestRoleChanges(t *testing.T) {
	t.Parallel()
	o := open(t)
	root := o.as(t, "root")
	o.names["none"], o.names["role"] = uuid.New(), uuid.New()
	create := func(name, description string) func(context.Context) error {
		return func(ctx context.Context) error {
			r, err := o.CreateRole(ctx, name, description)
			if err == nil {
				o.names["role"] = r.ID
			}
			return err
		}
	}
	describe := func(role string, description *string) func(context.Context) error {
		return func(ctx context.Context) error {
			r, err := o.UpdateRole(ctx, o.names[role], description)
			if now, _ := o.store.Role(ctx, r.ID); err == nil && cmp.Diff(now, r) != "" {
				t.Error(cmp.Diff(now, r))
			}
			return err
		}
	}
	add := func(role, verb, glob string) func(context.Context) error {
		return func(ctx context.Context) error {
			p, err := o.AddPermission(ctx, o.names[role], verb, glob)
			if err == nil {
				o.names["p:"+verb] = p.ID
			}
			return err
		}
	}
	remove := func(role, permission string) func(context.Context) error {
		return func(ctx context.Context) error { return o.RemovePermission(ctx, o.names[role], o.names[permission]) }
	}
	drop := func(role string) func(context.Context) error {
		return func(ctx context.Context) error { return o.DeleteRole(ctx, o.names[role]) }
	}
	for _, step := range []struct {
		name    string
		success int
		change  func(context.Context) error
		answer  string
		row     string
	}{
		{"create", 201, create("clerk", "C"), "", `allow 201 {"after":{"id":"<role>"}}`},
		{"create again", 201, create("clerk", ""), "CONFLICT Role name already exists", "allow 409"},
		{"describe", 200, describe("role", ptr("D")), "", `allow 200 {"after":{"description":"D"},"before":{"description":"C"}}`},
		{"describe the same", 200, describe("role", ptr("D")), "", "allow 200"},
		{"do not", 200, describe("role", nil), "", "allow 200"},
		{"describe none", 200, describe("none", nil), "NOT_FOUND Role not found", "allow 404"},
		{"describe a built-in one", 200, describe("r:viewer", ptr("")), "", `allow 200 {"after":{"description":""},"before":{"description":"Read-only access to everything except audit."}}`},
		{"add", 201, add("role", "kill", "job:*"), "", `allow 201 {"after":{"id":"<p:kill>","resource_glob":"job:*","verb":"kill"}}`},
		{"add again", 201, add("role", "kill", "job:*"), "CONFLICT The role has this permission already", "allow 409"},
		{"add another", 201, add("role", "accept", "job:*"), "", `allow 201 {"after":{"id":"<p:accept>","resource_glob":"job:*","verb":"accept"}}`},
		{"add to none", 201, add("none", "kill", "job:*"), "NOT_FOUND Role not found", "allow 404"},
		{"remove of another role", 204, remove("r:viewer", "p:kill"), "NOT_FOUND Permission not found on this role", "allow 404"},
		{"remove of none", 204, remove("none", "p:kill"), "NOT_FOUND Permission not found on this role", "allow 404"},
		{"remove", 204, remove("role", "p:kill"), "", `allow 204 {"before":{"id":"<p:kill>","resource_glob":"job:*","verb":"kill"}}`},
		{"remove again", 204, remove("role", "p:kill"), "NOT_FOUND Permission not found on this role", "allow 404"},
		{"delete a built-in one", 204, drop("r:viewer"), "CONFLICT Cannot delete a built-in role", "allow 409"},
		{
			"delete", 204, drop("role"),
			"", `allow 204 {"before":{"description":"D","name":"clerk","permissions":[{"resource_glob":"job:*","verb":"accept"}]}}`,
		},
		{"delete again", 204, drop("role"), "NOT_FOUND Role not found", "allow 404"},
	} {
		if got := o.change(root, step.success, step.change); got != step.answer {
			t.Errorf("%s: answered %q, want %q", step.name, got, step.answer)
		}
		if got := o.row(t); got != step.row {
			t.Errorf("%s:\n got %s\nwant %s", step.name, got, step.row)
		}
	}
}

// TestRoles: all of them, by name, with what they permit.
func TestRoles(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.addRole(t, "clerk", "view job:*", "kill job:*")
	o.addRole(t, "empty")
	roles, err := o.Roles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []policy.Role
	for _, r := range roles {
		if one, err := o.Role(t.Context(), r.ID); err != nil || cmp.Diff(r, one) != "" {
			t.Error(err, cmp.Diff(r, one))
		}
		role := policy.Role{Name: r.Name, Description: r.Description, Builtin: r.Builtin}
		for _, p := range r.Permissions {
			role.Permissions = append(role.Permissions, p.Permission)
		}
		got = append(got, role)
	}
	builtin := policy.BuiltinRoles()
	for _, r := range builtin {
		slices.SortFunc(r.Permissions, func(a, b policy.Permission) int {
			return slices.Compare([]string{a.Verb, a.ResourceGlob}, []string{b.Verb, b.ResourceGlob})
		})
	}
	want := []policy.Role{
		builtin[0],
		{Name: "clerk", Permissions: []policy.Permission{{Verb: "kill", ResourceGlob: "job:*"}, {Verb: "view", ResourceGlob: "job:*"}}},
		{Name: "empty"},
		builtin[1], builtin[2],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := o.Role(t.Context(), uuid.New()); answer(err) != "NOT_FOUND Role not found" {
		t.Error(err)
	}
	if _, err := o.User(t.Context(), uuid.New()); answer(err) != "NOT_FOUND User not found" {
		t.Error(err)
	}
}

// TestName: what the gate calls what it is asked about.
func TestName(t *testing.T) {
	t.Parallel()
	o := open(t)
	for _, tt := range []struct {
		kind string
		id   uuid.UUID
		want string
		ok   bool
	}{
		{"user", o.names["root"], "root", true},
		{"role", o.names["r:viewer"], "viewer", true},
		{"role", o.names["root"], "", false},
		{"user", o.names["r:viewer"], "", false},
		{"key", o.names["root"], "", false},
		{"user", uuid.Nil, "", false},
	} {
		if got, ok, err := o.Name(t.Context(), tt.kind, tt.id); got != tt.want || ok != tt.ok || err != nil {
			t.Errorf("%s %s: %q, %v, %v", tt.kind, tt.id, got, ok, err)
		}
	}
}

// TestExplain: for anybody, with the roles of this moment.
func TestExplain(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.addUser(t, "ada", "viewer")
	o.addUser(t, "bob")
	explain := func(user, verb, resource string) string {
		v, err := o.Explain(t.Context(), o.names[user], verb, resource)
		if err != nil {
			return answer(err)
		}
		if v.Allowed {
			return "allow, " + v.Reason
		}
		return "deny, " + v.Reason
	}
	check := func(user, verb, resource, want string) {
		t.Helper()
		if got := explain(user, verb, resource); got != want {
			t.Errorf("%s %s %s: %q, want %q", user, verb, resource, got, want)
		}
	}
	check("ada", "view", "key:web-01", "allow, allowed by role viewer: view key:*")
	check("ada", "accept", "key:web-01", "deny, no match among 8 permissions of role viewer")
	check("bob", "view", "key:web-01", "deny, no roles")
	check("nobody", "view", "key:web-01", "NOT_FOUND User not found")
	check("ada", "", "key:*", "BAD_USER_INPUT verb: should have 1 to 64 characters")
	check("ada", "view", "key:\x00", "BAD_USER_INPUT resource: should be text without NUL characters")
	if got := o.change(o.as(t, "root"), 200, func(ctx context.Context) error {
		_, err := o.UpdateUser(ctx, o.names["ada"], directory.UserPatch{Active: ptr(false)})
		return err
	}); got != "" {
		t.Fatal(got)
	}
	check("ada", "view", "key:web-01", "deny, user is inactive")
}
