package db_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"halite/internal/pgtest"
	"halite/internal/policy"
)

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
