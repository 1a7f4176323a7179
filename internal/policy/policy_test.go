package policy

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func principal(roles ...Role) *Principal {
	return &Principal{Active: true, Roles: roles}
}

func builtin(t testing.TB, name string) Role {
	t.Helper()
	for _, role := range BuiltinRoles() {
		if role.Name == name {
			return role
		}
	}
	t.Fatalf("no role %s", name)
	return Role{}
}

func TestDecide(t *testing.T) {
	admin, operator, viewer := builtin(t, "admin"), builtin(t, "operator"), builtin(t, "viewer")
	web := Role{Name: "web", Permissions: []Permission{{"accept", "key:web-*"}, {"[vV]iew", "k?y:[*]"}}}
	inactive := principal(admin)
	inactive.Active = false
	mustChange := principal(admin)
	mustChange.MustChangePassword = true

	for _, tt := range []struct {
		name           string
		principal      *Principal
		verb, resource string
		want           Verdict
	}{
		{"wildcard", principal(admin), "edit", "settings:salt", Verdict{true, "allowed by role admin: * *"}},
		{"object through its class", principal(operator), "accept", "key:db-01", Verdict{true, "allowed by role operator: accept key:*"}},
		{"object", principal(web), "accept", "key:web-01", Verdict{true, "allowed by role web: accept key:web-*"}},
		{"other object", principal(web), "accept", "key:db-01", Verdict{false, "no match among 2 permissions of role web"}},
		{"an object's pair does not cover the class", principal(web), "accept", "key:*", Verdict{false, "no match among 2 permissions of role web"}},
		{"pair that matches only the text of the class", principal(web), "View", "key:db-01", Verdict{true, "allowed by role web: [vV]iew k?y:[*]"}},
		{"verb is case-sensitive", principal(viewer), "View", "key:*", Verdict{false, "no match among 8 permissions of role viewer"}},
		{"class ends at the first colon", principal(operator), "kill", "job:a:b", Verdict{true, "allowed by role operator: kill job:*"}},
		{"no colon, no class", principal(operator), "kill", "job", Verdict{false, "no match among 7 permissions of role operator"}},
		{"empty", principal(operator), "", "", Verdict{false, "no match among 7 permissions of role operator"}},
		{"first match is named", principal(viewer, operator), "view", "key:x", Verdict{true, "allowed by role viewer: view key:*"}},
		{"second role", principal(viewer, operator), "run", "x:y", Verdict{true, "allowed by role operator: run *"}},
		{"several roles", principal(viewer, operator), "edit", "settings:*", Verdict{false, "no match among 15 permissions of roles viewer, operator"}},
		{"one permission", principal(Role{Name: "r", Permissions: []Permission{{"a", "b"}}}), "x", "y:z", Verdict{false, "no match among 1 permission of role r"}},
		{"empty role", principal(Role{Name: "r"}), "x", "y:z", Verdict{false, "no match among 0 permissions of role r"}},
		{"no roles", principal(), "view", "key:*", Verdict{false, "no roles"}},
		{"inactive", inactive, "view", "key:*", Verdict{false, "user is inactive"}},
		{"nobody", nil, "view", "key:*", Verdict{false, "not signed in"}},
		{"must change the password", mustChange, "view", "key:*", Verdict{true, "allowed by role admin: * *"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Decide(tt.principal, tt.verb, tt.resource)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBuiltinRolesRights(t *testing.T) {
	for _, tt := range []struct{ right, roles string }{
		{"view audit:*", "admin operator"},
		{"view user:*", "admin operator"},
		{"view inventory:*", "admin operator viewer"},
		{"collect inventory:*", "admin"},
		{"edit settings:*", "admin"},
		{"manage_user user:*", "admin"},
		{"execute salt:*", "admin operator"},
		{"reject key:*", "admin operator"},
	} {
		verb, resource, _ := strings.Cut(tt.right, " ")
		var holders []string
		for _, role := range BuiltinRoles() {
			if Decide(principal(role), verb, resource).Allowed {
				holders = append(holders, role.Name)
			}
			if !role.Builtin || role.Description == "" {
				t.Errorf("role %s: builtin %v, description %q", role.Name, role.Builtin, role.Description)
			}
		}
		if got := strings.Join(holders, " "); got != tt.roles {
			t.Errorf("%s: held by %s, want %s", tt.right, got, tt.roles)
		}
	}
}

func TestReasonIsBounded(t *testing.T) {
	var roles []Role
	for i := range 200 {
		roles = append(roles, Role{Name: fmt.Sprintf("role-%03d", i)})
	}
	reason := Decide(principal(roles...), "x", "y:z").Reason
	if n := utf8.RuneCountInString(reason); n > maxReason || !strings.HasSuffix(reason, " more") {
		t.Errorf("%d characters: %s", n, reason)
	}
	listed := strings.Count(reason, "role-")
	if want := fmt.Sprintf("and %d more", 200-listed); !strings.HasSuffix(reason, want) {
		t.Errorf("%d of 200 roles are named, so it should end in %q: %s", listed, want, reason)
	}

	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SliceOfN(rapid.StringN(0, 400, -1), 0, 5).Draw(t, "names")
		glob := rapid.SampledFrom([]string{"y:*", "n:*"}).Draw(t, "glob")
		p := principal()
		for _, name := range name {
			p.Roles = append(p.Roles, Role{Name: name, Permissions: []Permission{{"*", glob}}})
		}
		v := Decide(p, "x", "y:z")
		if want := glob == "y:*" && len(name) > 0; v.Allowed != want {
			t.Fatalf("allowed = %v, want %v", v.Allowed, want)
		}
		if n := utf8.RuneCountInString(v.Reason); n > maxReason || n == 0 || !utf8.ValidString(v.Reason) {
			t.Fatalf("%d characters: %q", n, v.Reason)
		}
	})
}

// manyPairs returns a principal with n permissions of the usual kind, none of
// which allows `edit settings:salt`.
func manyPairs(n int) *Principal {
	p := principal()
	for len(p.Roles) < 4 {
		role := Role{Name: fmt.Sprintf("role-%d", len(p.Roles))}
		for i := range n / 4 {
			role.Permissions = append(role.Permissions, Permission{
				[]string{"view", "*", "accept", "edit"}[i%4], fmt.Sprintf("key:web-%02d-*", i),
			})
		}
		p.Roles = append(p.Roles, role)
	}
	return p
}

func TestDecideAllocationsDoNotGrow(t *testing.T) {
	few, many := manyPairs(4), manyPairs(4000)
	allocs := func(p *Principal) float64 {
		return testing.AllocsPerRun(100, func() { Decide(p, "edit", "settings:salt") })
	}
	if a, b := allocs(few), allocs(many); b > a+1 {
		t.Errorf("%v allocations with 4 pairs, %v with 4000", a, b)
	}
}

func BenchmarkDecide(b *testing.B) {
	p := manyPairs(100)
	b.ReportAllocs()
	for b.Loop() {
		Decide(p, "edit", "settings:salt")
	}
}

func ExampleDecide() {
	p := &Principal{Active: true, Roles: BuiltinRoles()[1:]}
	fmt.Println(Decide(p, "execute", "salt:test.ping").Reason)
	fmt.Println(Decide(p, "edit", "settings:salt").Reason)
	// Output:
	// allowed by role operator: execute salt:*
	// no match among 15 permissions of roles operator, viewer
}
