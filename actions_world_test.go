package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/alexedwards/argon2id"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/directory"
	"halite/internal/pgtest"
	"halite/internal/policy"
	"halite/internal/salt/saltfake"
)

// world is an instance with its database, a Salt master that it may be connected to,
// and users of every kind:
//
//   - admin may do all, and is the last active administrator
//   - mara manages users and roles, and may look at everything
//   - olga may run some commands, and accept some keys
//   - vera has a role that permits nothing of what is asked here
//   - nina may do all, once she has changed her password
//   - alice and bob are those who are administered; ivan too, an inactive administrator
type world struct {
	*instance
	*saltfake.Master
	saltURL  string
	store    *db.DB
	conn     *pgx.Conn         // as the owner
	ids      map[string]string // what stands for $name in queries and in what they should bring
	cookies  map[string]string // of the users who ask; nobody's is empty
	coverage *coverage         // may be nil
}

const userPassword = "correct horse"

// newWorld starts a world; env is the instance's. Salt is not configured.
func newWorld(t *testing.T, env ...string) *world {
	t.Helper()
	w := &world{
		Master:  saltfake.New(),
		ids:     map[string]string{"nobody": "3f4b2c1a-0000-4000-8000-000000000007", "nojob": "20200101000000000000"},
		cookies: map[string]string{},
	}
	w.AddMinion("web1", nil)
	w.AddMinion("web2", nil)
	w.AddMinion("db1", nil)
	w.AddKeys(saltfake.Pending, "new1", "new2", "new3")
	salt := httptest.NewServer(w.Master)
	t.Cleanup(salt.Close)
	w.saltURL = salt.URL
	database := pgtest.URL(t)
	w.store = pgtest.OpenURL(t, database)
	w.instance = w.start(t, database, env...)
	w.conn = pgtest.Conn(t, database, "halite")

	w.addRole(t, "manager", [2]string{"manage_*", "*"}, [2]string{"view", "*"})
	w.addRole(t, "keeper", [2]string{"execute", "salt:test.*"}, [2]string{"accept", "key:new*"})
	w.addRole(t, "bystander", [2]string{"view", "minion:*"})
	w.addRole(t, "most", [2]string{"[!_]*", "*"}) // all that can be asked for, but not the pair that makes an administrator
	w.addRole(t, "spare", [2]string{"view", "grain:*"})
	for _, r := range must(w.store.Roles(t.Context()))(t) {
		w.ids["role_"+r.Name] = r.ID.String()
		for _, p := range r.Permissions {
			w.ids["permission_"+r.Name] = p.ID.String()
		}
	}
	hash := must(cheapHash())(t)
	for _, u := range []struct {
		name, role string
		must, gone bool
	}{
		{name: "mara", role: "manager"},
		{name: "olga", role: "keeper"},
		{name: "vera", role: "bystander"},
		{name: "nina", role: "most", must: true},
		{name: "alice", role: "spare"},
		{name: "bob", role: "spare"},
		{name: "ivan", role: "admin", gone: true},
	} {
		id := uuid.New()
		w.ids[u.name] = id.String()
		if err := w.store.CreateUser(t.Context(), directory.User{
			ID: id, Username: u.name, DisplayName: u.name, Active: !u.gone, MustChangePassword: u.must,
			Roles: pgtest.Roles(t, w.store, u.role),
		}, hash); err != nil {
			t.Fatal(err)
		}
	}
	w.ids["admin"] = w.text(t, "SELECT id FROM users WHERE username = 'admin'")
	w.cookies["admin"] = signIn(t, w.URL, "admin", adminPassword)
	for _, name := range []string{"mara", "olga", "vera", "nina", "bob"} {
		w.cookies[name] = signIn(t, w.URL, name, userPassword)
	}
	return w
}

// start starts an instance, of which the rows can be read too.
func (w *world) start(t *testing.T, database string, env ...string) *instance {
	t.Helper()
	i := start(t, database, env...)
	i.DB = w.store
	return i
}

// cheapHash is the hash of userPassword with the least work.
var cheapHash = sync.OnceValues(func() (string, error) {
	return argon2id.CreateHash(userPassword, &argon2id.Params{Memory: 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
})

func (w *world) addRole(t *testing.T, name string, pairs ...[2]string) {
	t.Helper()
	r := directory.Role{ID: uuid.New(), Name: name}
	if err := w.store.CreateRole(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for _, p := range pairs {
		permission := directory.Permission{ID: uuid.New(), Permission: policy.Permission{Verb: p[0], ResourceGlob: p[1]}}
		if err := w.store.AddPermission(t.Context(), r.ID, permission); err != nil {
			t.Fatal(err)
		}
	}
}

// connect sets where Salt is and who asks it.
func (w *world) connect(t *testing.T, url, user, password string) {
	t.Helper()
	r := w.Query(t, w.cookies["admin"], `mutation ($i: SaltSettingsInput!) { updateSaltSettings(input: $i) { salt { passwordSet } } }`,
		map[string]any{"i": map[string]any{"url": url, "username": user, "password": password, "eauth": "FILE"}})
	if r.Errors != nil || r.Status != http.StatusOK {
		t.Fatal(r.Body)
	}
}

// named puts ids into the place of $name.
func (w *world) named(text string) string {
	return os.Expand(text, func(name string) string {
		if id, ok := w.ids[name]; ok {
			return id
		}
		return "$" + name
	})
}

// text is the one value of a query.
func (w *world) text(t *testing.T, sql string) string {
	t.Helper()
	var s string
	if err := w.conn.QueryRow(context.Background(), "SELECT ("+w.named(sql)+")::text").Scan(&s); err != nil {
		t.Fatalf("%v: %s", err, sql)
	}
	return s
}

// since returns the rows beyond the first n, but for those of servers that came and went.
func (w *world) since(t *testing.T, n int) []audit.Entry {
	t.Helper()
	rows := w.Rows(t)
	return slices.DeleteFunc(rows[min(n, len(rows)):], func(e audit.Entry) bool { return strings.HasPrefix(e.Action, "server.") })
}

// state is all that an action may change: in the database, and at Salt.
func (w *world) state(t *testing.T) string {
	t.Helper()
	state := w.text(t, `SELECT jsonb_build_array(
		(SELECT jsonb_agg(to_jsonb(x) - 'last_login_at' ORDER BY x.id) FROM users x), (SELECT jsonb_agg(x ORDER BY x.id) FROM roles x),
		(SELECT jsonb_agg(x ORDER BY x.id) FROM permissions x), (SELECT jsonb_agg(x ORDER BY x.user_id, x.role_id) FROM user_roles x),
		(SELECT jsonb_agg(id_hash ORDER BY id_hash) FROM sessions), (SELECT jsonb_agg(x) FROM settings x),
		(SELECT jsonb_agg(x ORDER BY x.id) FROM audit_intents x))`)
	for _, b := range []saltfake.Bucket{saltfake.Accepted, saltfake.Pending, saltfake.Rejected, saltfake.Denied} {
		state += fmt.Sprint(b, w.KeysIn(b))
	}
	jobs := 0
	for _, r := range w.Requests() {
		if jid, _ := r.Chunk["jid"].(string); r.Fun() != "jobs.list_job" {
			jobs += w.Runs(jid)
		}
	}
	return state + fmt.Sprint(jobs, w.Count("saltutil.kill_job"))
}

// must is the value of a call that cannot fail here.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
