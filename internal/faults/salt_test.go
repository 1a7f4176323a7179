package faults

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"halite/internal/audit"
	"halite/internal/dispatch"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/pgtest"
	"halite/internal/policy"
	"halite/internal/salt"
	"halite/internal/salt/saltfake"
	"halite/internal/seal"
	"halite/internal/settings"
)

// cookieSecret is that of every server: with another the password of Salt cannot be read.
const cookieSecret = "forty characters are a secret for a test"

// world is a Salt master with one minion, and a database whose servers are to use it. It
// remembers what callers were told. reply and the master are safe for concurrent use.
type world struct {
	*saltfake.Master
	connection salt.Settings
	server     *httptest.Server
	listener   *listener
	url        string // of the database, not through a proxy
	look       *pgx.Conn
	sealer     *seal.Sealer

	mu      sync.Mutex
	replies map[string]reply // by the name of what was asked for
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Master: saltfake.New(), url: pgtest.URL(t), replies: map[string]reply{}}
	w.AddMinion("web1", nil)
	server := httptest.NewUnstartedServer(w.Master)
	w.listener = &listener{Listener: server.Listener}
	server.Listener = w.listener
	server.Start()
	t.Cleanup(server.Close)
	var err error
	if w.sealer, err = seal.New("settings/salt/password", []byte(cookieSecret)); err != nil {
		t.Fatal(err)
	}
	c := salt.Settings{URL: server.URL, Username: saltfake.Admin, Password: saltfake.AdminPassword, EAuth: "file", Verify: true}
	w.connection, w.server = c, server
	_, err = pgtest.OpenURL(t, w.url).SetSaltSettings(t.Context(), settings.Stored{
		URL: c.URL, Username: c.Username, SealedPassword: w.sealer.Seal(c.Password), EAuth: c.EAuth, Verify: c.Verify,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.look = pgtest.Conn(t, w.url, "halite")
	return w
}

// reply is what a caller was told of an effect.
type reply struct {
	err     *fault.Error // nil: it was done
	jid     string       // of a job that was started
	row     int64        // 0: none was named
	unknown bool         // it was said not to be known, or nothing was said
}

// told remembers what was said of the effect name, and returns it.
func (w *world) told(name string, r reply) reply {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.replies[name] = r
	return r
}

// node is a server without its edges: the gate with its settler, and what is behind it.
type node struct {
	*world
	guard    *guard.Guard
	dispatch *dispatch.Service
}

// node starts a server on the database that url reaches.
func (w *world) node(t *testing.T, url string) *node {
	t.Helper()
	d := pgtest.OpenURL(t, url)
	r := audit.NewRecorder(d, audit.DefaultQueue, pgtest.Quiet)
	t.Cleanup(r.Stop)
	s := settings.NewService(d, w.sealer, pgtest.Quiet)
	t.Cleanup(s.Close)
	n := &node{world: w, dispatch: dispatch.NewService(s, d)}
	n.guard = guard.New(guard.Config{
		Recorder: r, Changer: d, Intents: d, Settler: n.dispatch.Settle, Logger: pgtest.Quiet, AuditReads: true, Refusals: 60,
	})
	t.Cleanup(n.guard.Stop)
	return n
}

var admin = &policy.Principal{
	UserID: uuid.MustParse("3f4b2c1a-0000-0000-0000-000000000001"), Username: "admin", Active: true,
	Roles: []policy.Role{{Name: "admin", Permissions: []policy.Permission{{Verb: "*", ResourceGlob: "*"}}}},
}

// run has the minion run a command by which the job can be found.
func (n *node) run(name string) reply {
	var started salt.Started
	r := n.do(name, guard.Action{Name: "salt.run", Verb: "execute", Resource: "salt:cmd.run", Success: 202}, func(ctx context.Context) (err error) {
		started, err = n.dispatch.Run(ctx, salt.Job{Target: "web1", TargetType: "glob", Fun: "cmd.run", Args: []string{command(name)}})
		return err
	})
	r.jid = started.JID
	return n.told(name, r)
}

// do puts an effect through the gate. Its row has the name for the id of the request.
func (n *node) do(name string, a guard.Action, effect func(context.Context) error) reply {
	caller := &guard.Caller{Principal: admin, RequestID: name}
	a.Effect = guard.Outside
	var r reply
	if err := n.guard.Do(guard.WithCaller(context.Background(), caller), a, effect); err != nil {
		r.err = fault.From(err)
		r.row, r.unknown = r.err.AuditID, r.err.OutcomeUnknown
	} else if rows := caller.Rows(); len(rows) == 1 {
		r.row = rows[0]
	}
	return n.told(name, r)
}

func command(name string) string { return "echo " + name }

// dispatched is what came to the master for one name.
type dispatched struct {
	jid  string
	sent int
}

// dispatched returns what came for each name.
func (w *world) dispatched() map[string]dispatched {
	all := map[string]dispatched{}
	for _, r := range w.Requests() {
		if args, ok := r.Chunk["arg"].([]any); ok && r.Fun() == "cmd.run" && len(args) == 1 {
			name := strings.TrimPrefix(fmt.Sprint(args[0]), command(""))
			all[name] = dispatched{fmt.Sprint(r.Chunk["jid"]), all[name].sent + 1}
		}
	}
	return all
}

// ran says how often the job name was run.
func (w *world) ran(name string) int { return w.Runs(w.dispatched()[name].jid) }

// open says how many intents are open.
func (w *world) open(t *testing.T) int { return w.count(t, "SELECT count(*) FROM audit_intents") }

// due says how many of them are to be settled.
func (w *world) due(t *testing.T) int {
	return w.count(t, "SELECT count(*) FROM audit_intents WHERE deadline < clock_timestamp()")
}

func (w *world) count(t *testing.T, sql string) (n int) {
	t.Helper()
	if err := w.look.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// overdue moves the deadlines of open intents so far back that they are to be settled,
// and ends leases. It says how many there are.
func (w *world) overdue(t *testing.T) int64 {
	t.Helper()
	tag, err := w.look.Exec(t.Context(), "UPDATE audit_intents SET deadline = clock_timestamp() - interval '1 hour', leased_until = NULL")
	if err != nil {
		t.Fatal(err)
	}
	return tag.RowsAffected()
}

// settle makes open intents overdue, and returns when none is open.
func (w *world) settle(t *testing.T) {
	t.Helper()
	w.overdue(t)
	until(t, "the intents to be settled", func() bool { return w.open(t) == 0 })
}

// until asks again and again until the answer is yes.
func until(t *testing.T, what string, yes func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	late := time.After(patience)
	for !yes() {
		select {
		case <-ticker.C:
		case <-late:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
