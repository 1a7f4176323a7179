package policy

// BuiltinRoles returns the roles that exist from the first start on: admin, operator
// and viewer. Each call returns values of its own.
func BuiltinRoles() []Role {
	viewer := Role{
		Name:        "viewer",
		Description: "Read-only access to everything except audit.",
		Builtin:     true,
	}
	for _, glob := range []string{
		"minion:*", "key:*", "job:*", "grain:*", "pillar:*", "event:*", "setting:*", "inventory:*",
	} {
		viewer.Permissions = append(viewer.Permissions, Permission{"view", glob})
	}
	return []Role{
		{
			Name:        "admin",
			Description: "Full access to all features and administration.",
			Builtin:     true,
			Permissions: []Permission{{"*", "*"}},
		},
		{
			Name:        "operator",
			Description: "Run salt commands and manage keys, but no user administration.",
			Builtin:     true,
			Permissions: []Permission{
				{"view", "*"},
				{"run", "*"},
				{"accept", "key:*"},
				{"delete", "key:*"},
				{"execute", "salt:*"},
				{"kill", "job:*"},
				{"reject", "key:*"},
			},
		},
		viewer,
	}
}
