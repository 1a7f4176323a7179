package directory_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"halite/internal/auth"
	"halite/internal/directory"
	"halite/internal/guard"
	"halite/internal/pgtest"
)

const noAdministrator = "CONFLICT This would remove the last active administrator"

// strippings are the ways in which somebody stops being an administrator through the
// role that carries his name.
var strippings = map[string]func(context.Context, *office, string) error{
	"deactivated": func(ctx context.Context, o *office, user string) error {
		_, err := o.UpdateUser(ctx, o.names[user], directory.UserPatch{Active: ptr(false)})
		return err
	},
	"deleted": func(ctx context.Context, o *office, user string) error { return o.DeleteUser(ctx, o.names[user]) },
	"without the role": func(ctx context.Context, o *office, user string) error {
		return o.RemoveUserRole(ctx, o.names[user], o.names["r:"+user])
	},
	"role deleted": func(ctx context.Context, o *office, user string) error { return o.DeleteRole(ctx, o.names["r:"+user]) },
	"permission removed": func(ctx context.Context, o *office, user string) error {
		return o.RemovePermission(ctx, o.names["r:"+user], o.names["p:"+user+" * *"])
	},
}

// TestLastAdministrator: one stays, whichever way it is tried, and nothing changes.
func TestLastAdministrator(t *testing.T) {
	t.Parallel()
	for way, strip := range strippings {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			o := openURL(t, pgtest.URL(t))
			o.addRole(t, "a", "* *", "view *")
			o.addRole(t, "b", "* *")
			o.addRole(t, "c", "? *", "** *", "* ?*") // as good as any, but not it
			o.addUser(t, "a", "a")
			o.addUser(t, "b", "b")
			o.addUser(t, "c", "c", "b")
			first, second, third := o.as(t, "a"), o.as(t, "b"), o.as(t, "c")
			deactivate := func(ctx context.Context) error { return strippings["deactivated"](ctx, o, "c") }
			if got := o.change(second, 200, deactivate); got != "" { // he holds the pair, but is inactive then
				t.Fatal(got)
			}
			if got := o.change(second, 204, func(ctx context.Context) error { return strip(ctx, o, "a") }); got != "" {
				t.Errorf("one of two: %s", got)
			}
			before := o.dump(t)
			for _, ctx := range []context.Context{first, third} {
				if got := o.change(ctx, 204, func(ctx context.Context) error { return strip(ctx, o, "b") }); got != noAdministrator || o.row(t) != "allow 409" {
					t.Errorf("the last one: %q, row %s", got, o.row(t))
				}
			}
			if after := o.dump(t); after != before {
				t.Errorf("changed all the same:\n%s\n%s", before, after)
			}
		})
	}
}

// TestNoAdministratorAtAll: where there is none, nothing is kept from changing.
func TestNoAdministratorAtAll(t *testing.T) {
	t.Parallel()
	o := openURL(t, pgtest.URL(t))
	o.addRole(t, "a", "view *")
	o.addUser(t, "a", "a")
	o.addUser(t, "b")
	if got := o.change(o.as(t, "b"), 204, func(ctx context.Context) error { return o.DeleteUser(ctx, o.names["a"]) }); got != "" {
		t.Error(got)
	}
}

// TestAdministratorsStripEachOther at the same time, on two servers, while others sign
// in and the log is written: one of them is left each time, and nobody waits in a circle.
func TestAdministratorsStripEachOther(t *testing.T) {
	t.Parallel()
	one := openURL(t, pgtest.URL(t))
	two := openURL(t, one.url)
	two.names = one.names
	c := pgtest.Conn(t, one.url, "halite")
	var ways []string
	for way := range strippings {
		ways = append(ways, way)
	}
	const rounds = 60
	outcomes := map[string]int{}
	for round := range rounds {
		if _, err := c.Exec(t.Context(), "DELETE FROM users; DELETE FROM roles"); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b"} {
			one.addRole(t, name, "* *")
			one.addUser(t, name, name)
		}
		way := map[string]string{"a": ways[rand.IntN(len(ways))], "b": ways[rand.IntN(len(ways))]}
		answers := map[string]string{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		start := make(chan struct{})
		for o, pair := range map[*office][2]string{one: {"a", "b"}, two: {"b", "a"}} {
			ctx := o.as(t, pair[0])
			wg.Go(func() {
				<-start
				got := o.change(ctx, 204, func(ctx context.Context) error { return strippings[way[pair[1]]](ctx, o, pair[1]) })
				mu.Lock()
				defer mu.Unlock()
				answers[pair[1]] = got
			})
			wg.Go(func() { // what sign-in locks, in its order
				<-start
				signIn := func(ctx context.Context) error {
					u, err := o.store.UserByName(ctx, pair[1])
					if errors.Is(err, auth.ErrNoUser) {
						return nil
					}
					id := uuid.New()
					return errors.Join(err, o.store.CreateSession(ctx, auth.Session{IDHash: append(id[:], id[:]...), UserID: u.ID}, 1), o.store.SignedIn(ctx, u.ID))
				}
				if got := o.change(ctx, 200, signIn); got != "" {
					t.Errorf("round %d, sign-in: %s", round, got)
				}
			})
			wg.Go(func() {
				<-start
				err := o.guard.Do(ctx, guard.Action{Name: "test", Resource: "test:1", Judge: guard.SignedIn}, func(context.Context) error { return nil })
				if err != nil {
					t.Errorf("round %d, a row: %v", round, err)
				}
			})
		}
		close(start)
		wg.Wait()
		var left int
		err := c.QueryRow(t.Context(), `SELECT count(DISTINCT u.id) FROM users u JOIN user_roles ur ON ur.user_id = u.id
			JOIN permissions p ON p.role_id = ur.role_id WHERE u.is_active AND p.verb = '*' AND p.resource_glob = '*'`).Scan(&left)
		a, b := answers["a"], answers["b"]
		oneDid := a == "" && b == noAdministrator || b == "" && a == noAdministrator
		if err != nil || left != 1 || !oneDid {
			t.Errorf("round %d: %d administrators left, %v, a %s: %q, b %s: %q", round, left, err, way["a"], a, way["b"], b)
		}
		outcomes[a]++
	}
	t.Logf("%d rounds: %v", rounds, outcomes)
}

// TestNobodyGrantsWhatHeDoesNotHold, by whatever way.
func TestNobodyGrantsWhatHeDoesNotHold(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.addRole(t, "clerks", "manage_* *", "view key:*", "kill job:1*")
	o.addRole(t, "small", "kill job:1?", "view key:web-*")
	o.addRole(t, "large", "view key:*", "kill job:*", "run *")
	o.addRole(t, "empty")
	o.addUser(t, "clerk", "clerks")
	o.addUser(t, "small", "small")
	o.addUser(t, "large", "large")
	o.addUser(t, "new")
	for _, user := range []string{"small", "large"} {
		o.addUser(t, "inactive "+user, user)
		if got := o.change(o.as(t, "root"), 200, o.sets("inactive "+user, directory.UserPatch{Active: ptr(false)})); got != "" {
			t.Fatal(got)
		}
	}
	clerk := o.as(t, "clerk")
	refused := func(what, pair string) string {
		return fmt.Sprintf("%s %q needs a permission that covers it", what, pair)
	}
	for _, tt := range []struct {
		name    string
		change  func(context.Context) error
		refused string
	}{
		{"create with less", o.creates("u1", "small", "empty"), ""},
		{"create with more", o.creates("u2", "small", "large"), refused("granting", "kill job:*")},
		{"create without roles", o.creates("u3"), ""},
		{"give less", o.gives("new", "small"), ""},
		{"give the same", o.gives("new", "clerks"), ""},
		{"give more", o.gives("new", "large"), refused("granting", "kill job:*")},
		{"give admin to oneself", o.gives("clerk", "admin"), refused("granting", "* *")},
		{"what is there already", o.gives("large", "large"), ""},
		{"permit less", o.permits("empty", "view", "key:[ab]"), ""},
		{"permit more", o.permits("empty", "view", "*"), refused("granting", "view *")},
		{"permit oneself more", o.permits("clerks", "kill", "job:2"), refused("granting", "kill job:2")},
		{"password of one with less", o.resets("small"), ""},
		{"password of one with more", o.resets("large"), refused("resetting the password of a user who holds", "kill job:*")},
		{"one's own password", o.resets("clerk"), ""},
		{"activate one with less", o.sets("inactive small", directory.UserPatch{Active: ptr(true)}), ""},
		{"activate one with more", o.sets("inactive large", directory.UserPatch{Active: ptr(true)}), refused("activating a user who holds", "kill job:*")},
		{"rename one with more", o.sets("large", directory.UserPatch{DisplayName: ptr("x"), Active: ptr(true)}), ""},
		{"password of an administrator", o.resets("root"), refused("resetting the password of a user who holds", "* *")},
	} {
		want, row := "", "allow 2"
		if tt.refused != "" {
			want, row = "FORBIDDEN "+tt.refused, "deny 403 "+tt.refused
		}
		if got := o.change(clerk, 200, tt.change); got != want || !strings.HasPrefix(o.row(t), row) {
			t.Errorf("%s: answered %q, want %q; row %s", tt.name, got, want, o.row(t))
		}
	}
	if got := o.change(o.as(t, "root"), 200, o.creates("u4", "large", "admin")); got != "" {
		t.Errorf("an administrator: %s", got)
	}
	// Without a principal it is whoever runs the server's own commands.
	ctx := guard.WithCaller(t.Context(), &guard.Caller{Name: "cli:root"})
	if err := o.guard.Do(ctx, guard.Action{Name: "test", Resource: "test:1", Effect: guard.Change, Anonymous: true, Judge: guard.SignedIn}, o.resets("root")); err != nil {
		t.Errorf("the command line: %v", err)
	}
}

// TestRightsOfThisMoment: what the caller has lost since his request began he does not
// give away any more.
func TestRightsOfThisMoment(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]string{
		"role":    "DELETE FROM user_roles WHERE user_id = (SELECT id FROM users WHERE username = 'clerk')",
		"active":  "UPDATE users SET is_active = false WHERE username = 'clerk'",
		"account": "DELETE FROM users WHERE username = 'clerk'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := open(t)
			o.addUser(t, "clerk", "admin")
			clerk := o.as(t, "clerk")
			if got := o.change(clerk, 201, o.creates("u1", "viewer")); got != "" {
				t.Fatal(got)
			}
			if _, err := pgtest.Conn(t, o.url, "halite").Exec(t.Context(), lose); err != nil {
				t.Fatal(err)
			}
			if got := o.change(clerk, 201, o.creates("u2", "viewer")); !strings.HasPrefix(got, "FORBIDDEN granting") {
				t.Errorf("answered %q", got)
			}
		})
	}
}

func (o *office) creates(name string, roles ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		n := directory.NewUser{Username: name, Password: password}
		for _, r := range roles {
			n.RoleIDs = append(n.RoleIDs, o.names["r:"+r])
		}
		_, err := o.CreateUser(ctx, n)
		return err
	}
}

func (o *office) gives(user, role string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := o.AddUserRole(ctx, o.names[user], o.names["r:"+role])
		return err
	}
}

func (o *office) permits(role, verb, glob string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := o.AddPermission(ctx, o.names["r:"+role], verb, glob)
		return err
	}
}

func (o *office) sets(user string, p directory.UserPatch) func(context.Context) error {
	return func(ctx context.Context) error { _, err := o.UpdateUser(ctx, o.names[user], p); return err }
}

func (o *office) resets(user string) func(context.Context) error {
	return func(ctx context.Context) error { return o.ResetPassword(ctx, o.names[user], password, false) }
}

// dump is all that there is of users, roles and permissions.
func (o *office) dump(t *testing.T) string {
	t.Helper()
	var all string
	err := pgtest.Conn(t, o.url, "halite").QueryRow(t.Context(), `SELECT concat_ws(E'\n',
		(SELECT string_agg(u::text, E'\n' ORDER BY id) FROM users u), (SELECT string_agg(r::text, E'\n' ORDER BY id) FROM roles r),
		(SELECT string_agg(ur::text, E'\n' ORDER BY ur::text) FROM user_roles ur), (SELECT string_agg(p::text, E'\n' ORDER BY id) FROM permissions p))`).Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
