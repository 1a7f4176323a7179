package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"halite/internal/fault"
	"halite/internal/pgtest"
	"halite/internal/salt/saltfake"
)

// serve starts the program on the database that url reaches.
func (w *world) serve(t *testing.T, program, url string) *process {
	t.Helper()
	return serve(t, program, "DATABASE_URL="+url, "COOKIE_SECRET="+cookieSecret)
}

// run asks the program for a command, as node.run does.
func (p *process) run(w *world, client *http.Client, name string) reply {
	return w.told(name, p.runCommand(client, name))
}

func (p *process) runCommand(client *http.Client, name string) reply {
	body, err := json.Marshal(map[string]any{
		"query":     "mutation ($input: RunCommandInput!) { runCommand(input: $input) { jid } }",
		"variables": map[string]any{"input": map[string]any{"target": "web1", "fun": "cmd.run", "args": []string{command(name)}}},
	})
	if err != nil {
		panic(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, p.base+"/graphql", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Request-Id", name)
	req.Header.Set("Cookie", p.cookie)
	resp, err := client.Do(req)
	if err != nil {
		return reply{unknown: true}
	}
	defer resp.Body.Close()
	var said struct {
		Data   struct{ RunCommand *struct{ JID string } }
		Errors []struct {
			Message    string
			Extensions struct {
				Code           fault.Code
				OutcomeUnknown bool
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
		return reply{unknown: true}
	}
	var r reply
	r.row, _ = strconv.ParseInt(resp.Header.Get("X-Audit-Id"), 10, 64) // there is none without a row
	switch {
	case len(said.Errors) > 0:
		e := said.Errors[0]
		r.err = &fault.Error{Code: e.Extensions.Code, Message: e.Message, OutcomeUnknown: e.Extensions.OutcomeUnknown}
		r.unknown = r.err.OutcomeUnknown
	case said.Data.RunCommand != nil:
		r.jid = said.Data.RunCommand.JID
	}
	return r
}

// moments are when the program is killed. hold has the next job be held there; it returns
// what tells that the moment has come, and what lets go when the program has ended.
var moments = []struct {
	name string
	hold func(t *testing.T, w *world, p *proxy) (come func(), letGo func())
	ran  bool
	late bool // the row is not the program's
	sent int
}{
	{"before the request: the intent has just become durable", atProxy(intentAnswer), false, true, 0},
	{"before the request is repeated: during another login", func(t *testing.T, w *world, _ *proxy) (func(), func()) {
		w.ForgetSessions()
		return held(t, w.OnRequest, "/login", saltfake.Cut)
	}, false, true, 1},
	{"before the answer: the job does not run", func(t *testing.T, w *world, _ *proxy) (func(), func()) {
		return held(t, w.OnRequest, "cmd.run", saltfake.Cut)
	}, false, true, 1},
	{"before the answer: the job runs afterwards", func(t *testing.T, w *world, _ *proxy) (func(), func()) {
		return held(t, w.OnRequest, "cmd.run", nil)
	}, true, true, 1},
	{"before the answer: the job has run", func(t *testing.T, w *world, _ *proxy) (func(), func()) {
		return held(t, w.OnAnswer, "cmd.run", nil)
	}, true, true, 1},
	{"before the row: its place is waited for", atHead, true, true, 1},
	{"before COMMIT", atProxy(beforeCommit), true, true, 1},
	{"during COMMIT", atProxy(duringCommit), true, false, 1},
	{"before the answer of COMMIT", atProxy(commitAnswer), true, false, 1},
}

// TestKillAtSalt kills the program while a job is under way. Another server settles what
// it left open.
func TestKillAtSalt(t *testing.T) {
	t.Parallel()
	program := build(t)
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.node(t, w.url) // the other server
			p := newProxy(t, w.url)
			victim := w.serve(t, program, p.through(w.url))
			client := &http.Client{Timeout: patience}
			t.Cleanup(client.CloseIdleConnections)
			if r := victim.run(w, client, "before"); r.jid == "" {
				t.Fatalf("the first job: %+v", r.err)
			}
			come, letGo := m.hold(t, w, p)
			done := make(chan reply, 1)
			go func() { done <- victim.run(w, client, "killed") }()
			come()
			if err := victim.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			receive(t, victim.ended, "the end of the program")
			letGo()
			if r := receive(t, done, "the caller to be released"); !r.unknown || r.err != nil {
				t.Errorf("the caller was told %+v", r)
			}
			w.calm()
			if m.ran {
				until(t, "the job to run", func() bool { return w.ran("killed") == 1 })
			}
			if open := w.overdue(t); (open == 1) != m.late {
				t.Errorf("%d intents are open", open)
			}
			w.settle(t)
			if sent := w.dispatched()["killed"].sent; sent != m.sent {
				t.Errorf("sent %d times", sent)
			}
			if m.late {
				w.wantRow(t, settledLate("killed", m.ran))
			} else {
				w.wantRow(t, inTime("killed", http.StatusAccepted))
			}
			w.check(t, 0)
		})
	}
}

// atProxy holds the connection to the database at a point.
func atProxy(at point) func(*testing.T, *world, *proxy) (func(), func()) {
	return func(t *testing.T, _ *world, p *proxy) (func(), func()) {
		release := p.armHeld(at)
		return func() { receive(t, p.hit, "the held transaction") }, func() { close(release) }
	}
}

// atHead has the row wait for the lock that hands out its id.
func atHead(t *testing.T, w *world, _ *proxy) (func(), func()) {
	tx, err := pgtest.Conn(t, w.url, "halite").BeginTx(t.Context(), pgx.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT FROM audit_head FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	waiting := func() (yes bool) {
		const sql = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
		if err := w.look.QueryRow(t.Context(), sql).Scan(&yes); err != nil {
			t.Fatal(err)
		}
		return yes
	}
	return func() { until(t, "the row to be waited for", waiting) }, func() { _ = tx.Rollback(t.Context()) }
}

// held has what comes for a function or a path hang until its client has gone, and go on
// with other, or as if nothing had been.
func held(t *testing.T, hook func(saltfake.Hook), what string, other *saltfake.Response) (come func(), letGo func()) {
	here := make(chan struct{}, 1)
	hook(on(what, func(ctx context.Context, r saltfake.Request) *saltfake.Response {
		here <- struct{}{}
		return hang(other)(ctx, r)
	}))
	return func() { receive(t, here, "the held request") }, func() {}
}
