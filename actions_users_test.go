package main

import (
	"slices"
	"testing"
)

// holds looks at the database when something was changed.
func holds(query, want string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		t.Helper()
		if got := w.text(t, query); got != w.named(want) {
			t.Errorf("%s\ngot  %s\nwant %s", w.named(query), got, w.named(want))
		}
	}
}

// signedOut is holds for one who has no session left, here or with the next request.
func signedOut(user, query, want string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		t.Helper()
		holds(query, want)(t, w)
		holds(`SELECT count(*) FROM sessions WHERE user_id = '$`+user+`'`, "0")(t, w)
		if codes := w.Query(t, w.cookies[user], "{ me { username } }", nil).Codes(); !slices.Equal(codes, []string{"UNAUTHENTICATED"}) {
			t.Errorf("%s is still signed in: %v", user, codes)
		}
	}
}

// rolesOf is a query of a user's roles.
func rolesOf(user string) string {
	return `SELECT string_agg(name, ',' ORDER BY name) FROM roles r JOIN user_roles u ON u.role_id = r.id WHERE u.user_id = '$` + user + `'`
}

const (
	badUUID      = "UUID must be written as 8-4-4-4-12 hexadecimal digits"
	noUser       = "User not found"
	lastAdmin    = "This would remove the last active administrator"
	tooMuch      = ` "* *" needs a permission that covers it`
	someUserArgs = `"display_name":"Dora","email":"dora@example.org","password":"<redacted>","must_change_pw":true`
)

// usersStory: users are looked at and administered.
func usersStory(t *testing.T, w *world) {
	w.userReads(t)
	w.userChanges(t)
	w.userRoles(t)
	w.userDeletion(t)
}

func (w *world) userReads(t *testing.T) {
	t.Helper()
	users := action{"Query.users", `users(limit: 2, offset: 1) { total users { username roles { name } } }`, "user.list", "view", "user:*", `{"limit":2,"offset":1}`}
	w.refuse(t, users)
	w.try(t, users, outcome{kind: "allowed", data: `{"total":8,"users":[{"username":"alice","roles":[{"name":"spare"}]},{"username":"bob","roles":[{"name":"spare"}]}]}`, result: 200})
	w.try(t, users, outcome{kind: "bad input", call: `users(limit: 501) { total }`, args: `{"limit":501,"offset":0}`, code: "BAD_USER_INPUT", result: 422})
	w.try(t, users, outcome{kind: "bad input", call: `users(offset: -1) { total }`, args: `{"limit":50,"offset":-1}`, code: "BAD_USER_INPUT", result: 422})

	user := action{"Query.user", `user(id: "$alice") { username isActive }`, "user.get", "view", "user:alice", `{"id":"$alice"}`}
	w.refuse(t, user)
	w.try(t, user, outcome{kind: "allowed", data: `{"username":"alice","isActive":true}`, result: 200})
	w.try(t, user, outcome{kind: "not found", call: `user(id: "$nobody") { username }`, resource: "user:$nobody", args: `{"id":"$nobody"}`, code: "NOT_FOUND", says: noUser, result: 404})
	w.try(t, user, outcome{kind: "bad input", call: `user(id: "alice") { username }`, code: "BAD_USER_INPUT", says: badUUID, noRow: true})
}

func (w *world) userChanges(t *testing.T) {
	t.Helper()
	const input = `username: "dora", displayName: "Dora", email: "dora@example.org", `
	create := action{
		"Mutation.createUser", `createUser(input: {` + input + `password: "a good one", roleIds: ["$role_spare"]}) { username mustChangePassword }`,
		"user.create", "manage_user", "user:dora", `{"username":"dora",` + someUserArgs + `,"role_ids":["$role_spare"]}`,
	}
	w.refuse(t, create)
	w.try(t, create, outcome{kind: "bad input", call: `createUser(input: {` + input + `password: "short"}) { id }`, args: `{"username":"dora",` + someUserArgs + `,"role_ids":[]}`, code: "BAD_USER_INPUT", result: 422})
	w.try(t, create, outcome{
		kind: "bad input", call: `createUser(input: {` + input + `password: "a good one", roleIds: ["$nobody"]}) { id }`, args: `{"username":"dora",` + someUserArgs + `,"role_ids":["$nobody"]}`,
		code: "BAD_USER_INPUT", says: "Unknown role IDs: $nobody", result: 400,
	})
	w.try(t, create, outcome{
		kind: "denied", as: "mara", call: `createUser(input: {` + input + `password: "a good one", roleIds: ["$role_admin"]}) { id }`, args: `{"username":"dora",` + someUserArgs + `,"role_ids":["$role_admin"]}`,
		code: "FORBIDDEN", deny: true, reason: `granting` + tooMuch, result: 403,
	})
	w.try(t, create, outcome{
		kind: "allowed", data: `{"username":"dora","mustChangePassword":true}`, result: 201,
		args:   `{"username":"dora",` + someUserArgs + `,"role_ids":["$role_spare"],"after":{"id":` + anything + `,"username":"dora","roles":["spare"]}}`,
		change: holds(`SELECT display_name || ' ' || email FROM users WHERE username_lower = 'dora' AND is_active AND NOT is_builtin`, "Dora dora@example.org"),
	})
	w.try(t, create, outcome{kind: "taken", code: "CONFLICT", says: "Username already exists", result: 409})

	update := action{
		"Mutation.updateUser", `updateUser(id: "$bob", input: {displayName: "Bob", isActive: false}) { displayName isActive }`,
		"user.update", "manage_user", "user:bob", `{"id":"$bob","display_name":"Bob","is_active":false}`,
	}
	w.refuse(t, update)
	w.try(t, update, outcome{kind: "bad input", call: `updateUser(id: "$bob", input: {email: "bob"}) { id }`, args: `{"id":"$bob","email":"bob"}`, code: "BAD_USER_INPUT", result: 422})
	w.try(t, update, outcome{kind: "not found", call: `updateUser(id: "$nobody", input: {}) { id }`, resource: "user:$nobody", args: `{"id":"$nobody"}`, code: "NOT_FOUND", says: noUser, result: 404})
	w.try(t, update, outcome{
		kind: "last administrator", call: `updateUser(id: "$admin", input: {isActive: false}) { id }`, resource: "user:admin", args: `{"id":"$admin","is_active":false}`,
		code: "CONFLICT", says: lastAdmin, result: 409,
	})
	w.try(t, update, outcome{
		kind: "denied", as: "mara", call: `updateUser(id: "$ivan", input: {isActive: true}) { id }`, resource: "user:ivan", args: `{"id":"$ivan","is_active":true}`,
		code: "FORBIDDEN", deny: true, reason: `activating a user who holds` + tooMuch, result: 403,
	})
	w.try(t, update, outcome{
		kind: "allowed", data: `{"displayName":"Bob","isActive":false}`, result: 200,
		args:   `{"id":"$bob","display_name":"Bob","is_active":false,"before":{"display_name":"bob","is_active":true},"after":{"display_name":"Bob","is_active":false}}`,
		change: signedOut("bob", `SELECT display_name || is_active FROM users WHERE id = '$bob'`, "Bobfalse"),
	})

	reset := action{
		"Mutation.resetPassword", `resetPassword(id: "$alice", newPassword: "another one")`, "user.password_reset", "manage_user", "user:alice",
		`{"id":"$alice","new_password":"<redacted>","must_change_pw":true}`,
	}
	w.cookies["alice"] = signIn(t, w.URL, "alice", userPassword)
	w.refuse(t, reset)
	w.try(t, reset, outcome{
		kind: "bad input", call: `resetPassword(id: "$alice", newPassword: "short", mustChangePassword: false)`,
		args: `{"id":"$alice","new_password":"<redacted>","must_change_pw":false}`, code: "BAD_USER_INPUT", result: 422,
	})
	w.try(t, reset, outcome{
		kind: "not found", call: `resetPassword(id: "$nobody", newPassword: "another one")`, resource: "user:$nobody",
		args: `{"id":"$nobody","new_password":"<redacted>","must_change_pw":true}`, code: "NOT_FOUND", says: noUser, result: 404,
	})
	w.try(t, reset, outcome{
		kind: "denied", as: "mara", call: `resetPassword(id: "$admin", newPassword: "another one")`, resource: "user:admin",
		args: `{"id":"$admin","new_password":"<redacted>","must_change_pw":true}`, code: "FORBIDDEN", deny: true, reason: `resetting the password of a user who holds` + tooMuch, result: 403,
	})
	w.try(t, reset, outcome{
		kind: "allowed", data: `true`, result: 204, args: `{"id":"$alice","new_password":"<redacted>","must_change_pw":true,"after":{"must_change_pw":true}}`,
		change: signedOut("alice", `SELECT must_change_pw FROM users WHERE id = '$alice'`, "true"),
	})
	signIn(t, w.URL, "alice", "another one")
}

func (w *world) userRoles(t *testing.T) {
	t.Helper()
	add := action{
		"Mutation.addUserRole", `addUserRole(userId: "$alice", roleId: "$role_viewer") { roles { name } }`, "user.role_add", "manage_user", "user:alice",
		`{"user_id":"$alice","role_id":"$role_viewer"}`,
	}
	const both = `{"roles":[{"name":"spare"},{"name":"viewer"}]}`
	w.refuse(t, add)
	w.try(t, add, outcome{
		kind: "bad input", call: `addUserRole(userId: "$alice", roleId: "$nobody") { id }`, args: `{"user_id":"$alice","role_id":"$nobody"}`,
		code: "BAD_USER_INPUT", says: "Role not found", result: 400,
	})
	w.try(t, add, outcome{
		kind: "not found", call: `addUserRole(userId: "$nobody", roleId: "$role_viewer") { id }`, resource: "user:$nobody",
		args: `{"user_id":"$nobody","role_id":"$role_viewer"}`, code: "NOT_FOUND", says: noUser, result: 404,
	})
	w.try(t, add, outcome{
		kind: "denied", as: "mara", call: `addUserRole(userId: "$mara", roleId: "$role_admin") { id }`, resource: "user:mara",
		args: `{"user_id":"$mara","role_id":"$role_admin"}`, code: "FORBIDDEN", deny: true, reason: `granting` + tooMuch, result: 403,
	})
	w.try(t, add, outcome{
		kind: "allowed", data: both, result: 201, change: holds(rolesOf("alice"), "spare,viewer"),
		args: `{"user_id":"$alice","role_id":"$role_viewer","before":{"roles":["spare"]},"after":{"roles":["spare","viewer"]}}`,
	})
	w.try(t, add, outcome{kind: "allowed", data: both, result: 200})

	remove := action{
		"Mutation.removeUserRole", `removeUserRole(userId: "$alice", roleId: "$role_viewer")`, "user.role_remove", "manage_user", "user:alice",
		`{"user_id":"$alice","role_id":"$role_viewer"}`,
	}
	w.refuse(t, remove)
	w.try(t, remove, outcome{
		kind: "last administrator", call: `removeUserRole(userId: "$admin", roleId: "$role_admin")`, resource: "user:admin",
		args: `{"user_id":"$admin","role_id":"$role_admin"}`, code: "CONFLICT", says: lastAdmin, result: 409,
	})
	w.try(t, remove, outcome{
		kind: "allowed", data: `true`, result: 204, change: holds(rolesOf("alice"), "spare"),
		args: `{"user_id":"$alice","role_id":"$role_viewer","before":{"roles":["spare","viewer"]},"after":{"roles":["spare"]}}`,
	})
	w.try(t, remove, outcome{kind: "not found", code: "NOT_FOUND", says: "Role assignment not found", result: 404})
	w.try(t, remove, outcome{kind: "bad input", call: `removeUserRole(userId: "$alice", roleId: "viewer")`, code: "BAD_USER_INPUT", says: badUUID, noRow: true})
}

func (w *world) userDeletion(t *testing.T) {
	t.Helper()
	remove := action{"Mutation.deleteUser", `deleteUser(id: "$alice")`, "user.delete", "manage_user", "user:alice", `{"id":"$alice"}`}
	w.cookies["alice"] = signIn(t, w.URL, "alice", "another one")
	w.refuse(t, remove)
	w.try(t, remove, outcome{
		kind: "oneself", call: `deleteUser(id: "$admin")`, resource: "user:admin", args: `{"id":"$admin"}`,
		code: "CONFLICT", says: "Cannot delete yourself", result: 409,
	})
	w.try(t, remove, outcome{
		kind: "built-in", as: "mara", call: `deleteUser(id: "$admin")`, resource: "user:admin", args: `{"id":"$admin"}`,
		code: "CONFLICT", says: "Cannot delete a built-in user", result: 409, reason: "allowed by role manager: manage_* *",
	})
	w.try(t, remove, outcome{
		kind: "allowed", data: `true`, result: 204, change: signedOut("alice", `SELECT count(*) FROM users WHERE id = '$alice'`, "0"),
		args: `{"id":"$alice","before":{"username":"alice","display_name":"alice","email":null,"is_active":true,"roles":["spare"]}}`,
	})
	w.try(t, remove, outcome{kind: "not found", resource: "user:$alice", code: "NOT_FOUND", says: noUser, result: 404})
	w.try(t, remove, outcome{kind: "bad input", call: `deleteUser(id: "")`, code: "BAD_USER_INPUT", says: badUUID, noRow: true})
}
