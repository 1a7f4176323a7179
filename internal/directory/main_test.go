package directory_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/auth"
	"halite/internal/directory"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/pgtest"
	"halite/internal/policy"
)

func TestMain(m *testing.M) { pgtest.Main(m, false) }

// office is a directory behind its gate, on a database of its own.
type office struct {
	*directory.Service
	url     string
	store   *db.DB
	guard   *guard.Guard
	console *directory.Console
	names   map[string]uuid.UUID // of users, roles (r:name) and permissions (p:name)
}

// open has the built-in roles and the user root with the role admin.
func open(t *testing.T) *office {
	t.Helper()
	o := openURL(t, pgtest.URL(t))
	if err := o.console.SeedRoles(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, role := range pgtest.Roles(t, o.store, "admin", "operator", "viewer") {
		o.names["r:"+role.Name] = role.ID
	}
	o.addUser(t, "root", "admin")
	return o
}

// openURL is another server on a database.
func openURL(t *testing.T, url string) *office {
	t.Helper()
	o := &office{url: url, store: pgtest.OpenURL(t, url), names: map[string]uuid.UUID{}}
	recorder := audit.NewRecorder(o.store, 64, pgtest.Quiet)
	t.Cleanup(recorder.Stop)
	o.guard = guard.New(guard.Config{Recorder: recorder, Changer: o.store, Intents: o.store, Logger: pgtest.Quiet, AuditReads: true, Refusals: 60})
	t.Cleanup(o.guard.Stop)
	hasher, err := auth.NewHasher()
	if err != nil {
		t.Fatal(err)
	}
	o.Service = directory.NewService(o.store, hasher)
	o.console = directory.NewConsole(o.Service, o.guard)
	return o
}

func (o *office) addUser(t *testing.T, name string, roles ...string) {
	t.Helper()
	o.names[name] = uuid.New()
	u := directory.User{ID: o.names[name], Username: name, Active: true, Roles: pgtest.Roles(t, o.store, roles...)}
	if err := o.store.CreateUser(t.Context(), u, "none"); err != nil {
		t.Fatal(err)
	}
}

// addRole makes a role with pairs, written "verb glob".
func (o *office) addRole(t *testing.T, name string, pairs ...string) {
	t.Helper()
	o.names["r:"+name] = uuid.New()
	if err := o.store.CreateRole(t.Context(), directory.Role{ID: o.names["r:"+name], Name: name}); err != nil {
		t.Fatal(err)
	}
	for _, pair := range pairs {
		verb, glob, _ := strings.Cut(pair, " ")
		p := directory.Permission{ID: uuid.New(), Permission: policy.Permission{Verb: verb, ResourceGlob: glob}}
		o.names["p:"+name+" "+pair] = p.ID
		if err := o.store.AddPermission(t.Context(), o.names["r:"+name], p); err != nil {
			t.Fatal(err)
		}
	}
}

// as is the context of a request of a user's, with his rights of this moment.
func (o *office) as(t *testing.T, user string) context.Context {
	t.Helper()
	p, err := o.store.Principal(t.Context(), o.names[user])
	if err != nil {
		t.Fatal(err)
	}
	return guard.WithCaller(t.Context(), &guard.Caller{Principal: p})
}

// change puts a change to the gate as its callers do. The answer is "", or the code, the
// field if the message does not begin with it, and the message.
func (o *office) change(ctx context.Context, success int, fn func(context.Context) error) string {
	err := o.guard.Do(ctx, guard.Action{
		Name: "test", Resource: "test:1", Effect: guard.Change, Success: success, Judge: guard.SignedIn,
	}, fn)
	return answer(err)
}

func answer(err error) string {
	f := fault.From(err)
	switch {
	case f == nil:
		return ""
	case f.Field != "" && !strings.HasPrefix(f.Message, f.Field+": "):
		return fmt.Sprintf("%s %s: %s", f.Code, f.Field, f.Message)
	}
	return fmt.Sprintf("%s %s", f.Code, f.Message)
}

// row is the last row of the log: decision, code, arguments and the reason of a
// denial. Ids that the test knows stand in it by their names.
func (o *office) row(t *testing.T) string {
	t.Helper()
	page, err := o.store.List(t.Context(), audit.Query{Limit: 1})
	if err != nil || len(page.Entries) != 1 {
		t.Fatalf("%d rows, %v", len(page.Entries), err)
	}
	e := page.Entries[0]
	row := fmt.Sprintf("%s %d", e.Decision, e.ResultCode)
	if e.Args != nil {
		var args any
		if err := json.Unmarshal(e.Args, &args); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(args)
		if err != nil {
			t.Fatal(err)
		}
		row += " " + string(b)
	}
	if e.Decision == audit.Deny {
		row += " " + e.Reason
	}
	for name, id := range o.names {
		row = strings.ReplaceAll(row, id.String(), "<"+name+">")
	}
	return row
}

func ptr[T any](v T) *T { return &v }
