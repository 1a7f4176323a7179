package main

import (
	"strings"
	"testing"
)

const noRole = "Role not found"

// rolesStory: roles are looked at and administered.
func rolesStory(t *testing.T, w *world) {
	w.roleReads(t)
	w.rolePermissions(t)
	w.roleChanges(t)
}

func (w *world) roleReads(t *testing.T) {
	t.Helper()
	roles := action{"Query.roles", `roles { name }`, "role.list", "view", "role:*", ""}
	w.refuse(t, roles)
	w.try(t, roles, outcome{
		kind: "allowed", result: 200,
		data: `[{"name":"admin"},{"name":"bystander"},{"name":"keeper"},{"name":"manager"},{"name":"most"},{"name":"operator"},{"name":"spare"},{"name":"viewer"}]`,
	})

	role := action{"Query.role", `role(id: "$role_spare") { name isBuiltin permissions { verb resourceGlob } }`, "role.get", "view", "role:spare", `{"id":"$role_spare"}`}
	w.refuse(t, role)
	w.try(t, role, outcome{kind: "allowed", data: `{"name":"spare","isBuiltin":false,"permissions":[{"verb":"view","resourceGlob":"grain:*"}]}`, result: 200})
	w.try(t, role, outcome{kind: "not found", call: `role(id: "$nobody") { name }`, resource: "role:$nobody", args: `{"id":"$nobody"}`, code: "NOT_FOUND", says: noRole, result: 404})
	w.try(t, role, outcome{kind: "bad input", call: `role(id: "spare") { name }`, code: "BAD_USER_INPUT", says: badUUID, noRow: true})
}

func (w *world) rolePermissions(t *testing.T) {
	t.Helper()
	const pairs = `SELECT count(*) FROM permissions WHERE role_id = '$role_spare' AND resource_glob = 'key:web-*'`
	add := action{
		"Mutation.addPermission", `addPermission(roleId: "$role_spare", verb: "accept", resourceGlob: "key:web-*") { verb resourceGlob }`,
		"role.permission_add", "manage_role", "role:spare", `{"role_id":"$role_spare","verb":"accept","resource_glob":"key:web-*"}`,
	}
	w.refuse(t, add)
	w.try(t, add, outcome{
		kind: "bad input", call: `addPermission(roleId: "$role_spare", verb: "", resourceGlob: "x") { id }`, args: `{"role_id":"$role_spare","verb":"","resource_glob":"x"}`,
		code: "BAD_USER_INPUT", result: 422,
	})
	w.try(t, add, outcome{
		kind: "not found", call: `addPermission(roleId: "$nobody", verb: "view", resourceGlob: "x:y") { id }`, resource: "role:$nobody",
		args: `{"role_id":"$nobody","verb":"view","resource_glob":"x:y"}`, code: "NOT_FOUND", says: noRole, result: 404,
	})
	w.try(t, add, outcome{
		kind: "denied", as: "mara", code: "FORBIDDEN", deny: true, reason: `granting "accept key:web-*" needs a permission that covers it`, result: 403,
	})
	w.try(t, add, outcome{
		kind: "allowed", data: `{"verb":"accept","resourceGlob":"key:web-*"}`, result: 201, change: holds(pairs, "1"),
		args: `{"role_id":"$role_spare","verb":"accept","resource_glob":"key:web-*","after":{"id":` + anything + `,"verb":"accept","resource_glob":"key:web-*"}}`,
	})
	w.try(t, add, outcome{kind: "taken", code: "CONFLICT", says: "The role has this permission already", result: 409})

	w.ids["added"] = w.text(t, `SELECT id FROM permissions WHERE role_id = '$role_spare' AND verb = 'accept'`)
	remove := action{
		"Mutation.removePermission", `removePermission(roleId: "$role_spare", permissionId: "$added")`, "role.permission_remove", "manage_role", "role:spare",
		`{"role_id":"$role_spare","permission_id":"$added"}`,
	}
	w.refuse(t, remove)
	w.try(t, remove, outcome{
		kind: "last administrator", call: `removePermission(roleId: "$role_admin", permissionId: "$permission_admin")`, resource: "role:admin",
		args: `{"role_id":"$role_admin","permission_id":"$permission_admin"}`, code: "CONFLICT", says: lastAdmin, result: 409,
	})
	w.try(t, remove, outcome{
		kind: "not found", call: `removePermission(roleId: "$role_viewer", permissionId: "$added")`, resource: "role:viewer",
		args: `{"role_id":"$role_viewer","permission_id":"$added"}`, code: "NOT_FOUND", says: "Permission not found on this role", result: 404,
	})
	w.try(t, remove, outcome{
		kind: "allowed", data: `true`, result: 204, change: holds(pairs, "0"),
		args: `{"role_id":"$role_spare","permission_id":"$added","before":{"id":"$added","verb":"accept","resource_glob":"key:web-*"}}`,
	})
	w.try(t, remove, outcome{kind: "bad input", call: `removePermission(roleId: "$role_spare", permissionId: "x")`, code: "BAD_USER_INPUT", says: badUUID, noRow: true})
}

func (w *world) roleChanges(t *testing.T) {
	t.Helper()
	create := action{
		"Mutation.createRole", `createRole(name: "warden", description: "Wards.") { name permissions { verb } }`, "role.create", "manage_role", "role:warden",
		`{"name":"warden","description":"Wards."}`,
	}
	w.refuse(t, create)
	w.try(t, create, outcome{
		kind: "bad input", call: `createRole(name: "") { id }`, resource: "role:", args: `{"name":"","description":""}`, code: "BAD_USER_INPUT", result: 422,
	})
	w.try(t, create, outcome{
		kind: "allowed", data: `{"name":"warden","permissions":[]}`, result: 201, change: holds(`SELECT description FROM roles WHERE name = 'warden'`, "Wards."),
		args: `{"name":"warden","description":"Wards.","after":{"id":` + anything + `}}`,
	})
	w.try(t, create, outcome{kind: "taken", code: "CONFLICT", says: "Role name already exists", result: 409})

	update := action{
		"Mutation.updateRole", `updateRole(id: "$role_spare", description: "Spare.") { description }`, "role.update", "manage_role", "role:spare",
		`{"id":"$role_spare","description":"Spare."}`,
	}
	long := strings.Repeat("x", 256)
	w.refuse(t, update)
	w.try(t, update, outcome{
		kind: "bad input", call: `updateRole(id: "$role_spare", description: "` + long + `") { id }`, args: `{"id":"$role_spare","description":"` + long + `"}`,
		code: "BAD_USER_INPUT", result: 422,
	})
	w.try(t, update, outcome{
		kind: "not found", call: `updateRole(id: "$nobody", description: "x") { id }`, resource: "role:$nobody", args: `{"id":"$nobody","description":"x"}`,
		code: "NOT_FOUND", says: noRole, result: 404,
	})
	w.try(t, update, outcome{
		kind: "allowed", data: `{"description":"Spare."}`, result: 200, change: holds(`SELECT description FROM roles WHERE id = '$role_spare'`, "Spare."),
		args: `{"id":"$role_spare","description":"Spare.","before":{"description":""},"after":{"description":"Spare."}}`,
	})

	remove := action{"Mutation.deleteRole", `deleteRole(id: "$role_spare")`, "role.delete", "manage_role", "role:spare", `{"id":"$role_spare"}`}
	w.refuse(t, remove)
	w.try(t, remove, outcome{
		kind: "built-in", call: `deleteRole(id: "$role_viewer")`, resource: "role:viewer", args: `{"id":"$role_viewer"}`,
		code: "CONFLICT", says: "Cannot delete a built-in role", result: 409,
	})
	w.try(t, remove, outcome{
		kind: "allowed", data: `true`, result: 204, change: holds(`SELECT count(*) FROM user_roles WHERE user_id = '$alice'`, "0"),
		args: `{"id":"$role_spare","before":{"name":"spare","description":"Spare.","permissions":[{"verb":"view","resource_glob":"grain:*"}]}}`,
	})
	w.try(t, remove, outcome{kind: "not found", resource: "role:$role_spare", code: "NOT_FOUND", says: noRole, result: 404})
	w.try(t, remove, outcome{kind: "bad input", call: `deleteRole(id: "spare")`, code: "BAD_USER_INPUT", says: badUUID, noRow: true})
}
