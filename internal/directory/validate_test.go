package directory_test

import (
	"context"
	"strings"
	"testing"

	"halite/internal/directory"
)

// TestArguments: each rule of each argument, at its bounds. ä is one character and two
// bytes.
func TestArguments(t *testing.T) {
	t.Parallel()
	o := open(t)
	root := o.as(t, "root")
	long := func(n int) string { return strings.Repeat("ä", n) }
	user := func(n directory.NewUser) func(context.Context) error {
		if n.Username == "" {
			n.Username = "ada"
		}
		if n.Password == "" {
			n.Password = password
		}
		return func(ctx context.Context) error { _, err := o.CreateUser(ctx, n); return err }
	}
	patch := func(p directory.UserPatch) func(context.Context) error {
		return func(ctx context.Context) error { _, err := o.UpdateUser(ctx, o.names["root"], p); return err }
	}
	role := func(name, description string) func(context.Context) error {
		return func(ctx context.Context) error { _, err := o.CreateRole(ctx, name, description); return err }
	}
	email := func(s string) func(context.Context) error {
		return patch(directory.UserPatch{Email: directory.Sent(&s)})
	}
	reset := func(s string) func(context.Context) error {
		return func(ctx context.Context) error { return o.ResetPassword(ctx, o.names["root"], s, false) }
	}
	const text = ": should be text without NUL characters"
	for _, tt := range []struct {
		change func(context.Context) error
		want   string // "": taken
	}{
		{user(directory.NewUser{Username: long(255), DisplayName: long(255), Email: ptr("a@b"), Password: long(1024)}), ""},
		{user(directory.NewUser{Username: long(256)}), "username: should have 1 to 255 characters"},
		{func(ctx context.Context) error {
			_, err := o.CreateUser(ctx, directory.NewUser{Password: password})
			return err
		}, "username: should have 1 to 255 characters"},
		{user(directory.NewUser{Username: "a\x00"}), "username" + text},
		{user(directory.NewUser{Username: "a\xff"}), "username" + text},
		{user(directory.NewUser{DisplayName: long(256)}), "displayName: should have at most 255 characters"},
		{user(directory.NewUser{DisplayName: "\x00"}), "displayName" + text},
		{user(directory.NewUser{Email: ptr("")}), "email: should be an e-mail address"},
		{user(directory.NewUser{Password: long(7)}), "password: should have at least 8 characters"},
		{user(directory.NewUser{Password: long(1025)}), "password: should have at most 1024 characters"},
		{user(directory.NewUser{Password: "long enough\x00"}), "password" + text},
		{user(directory.NewUser{Password: "long enough\xff"}), "password" + text},
		{patch(directory.UserPatch{DisplayName: ptr(long(255))}), ""},
		{patch(directory.UserPatch{DisplayName: ptr("")}), ""},
		{patch(directory.UserPatch{DisplayName: ptr(long(256))}), "displayName: should have at most 255 characters"},
		{email("a.b+c@example.org"), ""},
		{email("ä@example.org"), ""},
		{email(strings.Repeat("a", 243) + "@example.org"), ""},
		{email(strings.Repeat("a", 244) + "@example.org"), "email: should have at most 255 characters"},
		{email("Ada <ada@example.org>"), "email: should be an e-mail address"},
		{email("<ada@example.org>"), "email: should be an e-mail address"},
		{email(" ada@example.org"), "email: should be an e-mail address"},
		{email("ada@example.org, bob@example.org"), "email: should be an e-mail address"},
		{email("ada"), "email: should be an e-mail address"},
		{email("ada@"), "email: should be an e-mail address"},
		{email("a\x00@example.org"), "email" + text},
		{reset(long(8)), ""},
		{reset(long(7)), "newPassword: should have at least 8 characters"},
		{reset("long enough\xff"), "newPassword" + text},
		{role(long(64), long(255)), ""},
		{role("", ""), "name: should have 1 to 64 characters"},
		{role(long(65), ""), "name: should have 1 to 64 characters"},
		{role("\xff", ""), "name" + text},
		{role("x", long(256)), "description: should have at most 255 characters"},
		{func(ctx context.Context) error {
			_, err := o.UpdateRole(ctx, o.names["r:viewer"], ptr(long(256)))
			return err
		}, "description: should have at most 255 characters"},
		{o.permits("viewer", long(64), long(255)), ""},
		{o.permits("viewer", "", "*"), "verb: should have 1 to 64 characters"},
		{o.permits("viewer", long(65), "*"), "verb: should have 1 to 64 characters"},
		{o.permits("viewer", "*", ""), "resourceGlob: should have 1 to 255 characters"},
		{o.permits("viewer", "*", long(256)), "resourceGlob: should have 1 to 255 characters"},
		{o.permits("viewer", "*", "\x00"), "resourceGlob" + text},
	} {
		want, row := "", "allow 200"
		if tt.want != "" {
			want, row = "BAD_USER_INPUT "+tt.want, "allow 422"
		}
		if got := o.change(root, 200, tt.change); got != want || !strings.HasPrefix(o.row(t), row) {
			t.Errorf("answered %q, want %q; row %s", got, want, o.row(t))
		}
	}
}
