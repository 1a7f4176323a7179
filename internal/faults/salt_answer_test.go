package faults

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"halite/internal/fault"
	"halite/internal/salt/saltfake"
)

// listener is that of salt-api.
type listener struct {
	net.Listener
	cutting atomic.Bool // what comes reaches nobody: its connection is cut
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &conn{c, l}, err
}

type conn struct {
	net.Conn
	listener *listener
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.listener.cutting.Load() {
		c.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

// on calls the hook for the requests of one function or path alone.
func on(what string, h saltfake.Hook) saltfake.Hook {
	return func(ctx context.Context, r saltfake.Request) *saltfake.Response {
		if r.Fun() == what || r.Path == what && r.Path != "/" {
			return h(ctx, r)
		}
		return nil
	}
}

// answer is a hook that answers always the same.
func answer(r *saltfake.Response) saltfake.Hook {
	return func(context.Context, saltfake.Request) *saltfake.Response { return r }
}

// answers are what can go wrong between the request for a job and its answer.
var answers = []struct {
	name  string
	fault func(w *world) (over func())
	// What the caller is told, in words of the closed set; empty: that it was done.
	code    fault.Code
	unknown bool
	ran     bool
	sent    int // requests for the job that were read
}{
	{
		"salt-api gives up on a master that hangs, and the job ran",
		func(w *world) func() { w.OnAnswer(on("cmd.run", answer(saltfake.Unexpected))); return w.calm },
		fault.SaltError, true, true, 1,
	}, {
		"salt-api gives up on a master that hangs, and the job did not run",
		func(w *world) func() { w.OnRequest(on("cmd.run", answer(saltfake.Unexpected))); return w.calm },
		fault.SaltError, true, false, 1,
	}, {
		"we give up on a master that hangs, which goes on later",
		func(w *world) func() {
			goOn := make(chan struct{})
			w.OnRequest(on("cmd.run", func(context.Context, saltfake.Request) *saltfake.Response { <-goOn; return nil }))
			return func() { close(goOn); w.calm() }
		},
		fault.SaltUnavailable, true, true, 1,
	}, {
		"we give up on a master that hangs, which never goes on",
		func(w *world) func() {
			w.OnRequest(on("cmd.run", func(ctx context.Context, _ saltfake.Request) *saltfake.Response { <-ctx.Done(); return saltfake.Cut }))
			return w.calm
		},
		fault.SaltUnavailable, true, false, 1,
	}, {
		"the connection is cut before the request was read",
		func(w *world) func() {
			w.listener.cutting.Store(true)
			return func() { w.listener.cutting.Store(false) }
		},
		fault.SaltUnavailable, true, false, 0,
	}, {
		"the connection is cut after the request was read, and the job did not run",
		func(w *world) func() { w.OnRequest(on("cmd.run", answer(saltfake.Cut))); return w.calm },
		fault.SaltUnavailable, true, false, 1,
	}, {
		"the connection is cut after the request was read, and the job ran",
		func(w *world) func() { w.OnAnswer(on("cmd.run", answer(saltfake.Cut))); return w.calm },
		fault.SaltUnavailable, true, true, 1,
	}, {
		"salt-api was started again and has forgotten the login",
		func(w *world) func() { w.ForgetSessions(); return w.calm },
		"", false, true, 2,
	}, {
		"salt-api was started again, and does not answer the next login",
		func(w *world) func() {
			w.ForgetSessions()
			w.OnRequest(on("/login", answer(saltfake.Cut)))
			return w.calm
		},
		fault.SaltUnavailable, false, false, 1,
	},
}

// calm takes the hooks away.
func (w *world) calm() {
	w.OnRequest(nil)
	w.OnAnswer(nil)
}

// TestSaltAnswer: whatever becomes of the answer, the job is sent once, its caller is told
// what is true, and its one row says whether it ran.
func TestSaltAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range answers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			n := w.node(t, w.url)
			if r := n.run("before"); r.err != nil {
				t.Fatal(r.err)
			}
			over := c.fault(w)
			r := n.run("lost")
			over()
			var code fault.Code
			if r.err != nil {
				code = r.err.Code
			}
			if code != c.code || r.unknown != c.unknown || r.unknown == (r.row != 0) {
				t.Errorf("the caller was told %+v, of the row %d", r.err, r.row)
			}
			if c.ran {
				until(t, "the job to run", func() bool { return w.ran("lost") == 1 })
			}
			if open := w.overdue(t); (open == 1) != c.unknown {
				t.Errorf("%d intents are open", open)
			}
			w.settle(t)
			if r := n.run("after"); r.err != nil {
				t.Error(r.err)
			}
			sent := w.dispatched()["lost"]
			if sent.sent != c.sent || (w.ran("lost") == 1) != c.ran {
				t.Errorf("sent %d times, ran %d times", sent.sent, w.ran("lost"))
			}
			want := effectRow{Name: "lost", Action: "salt.run", Code: 202, Late: c.unknown}
			switch {
			case c.ran:
			case c.unknown:
				want.Code = 504
			default:
				want.Code = c.code.HTTPStatus()
			}
			w.wantRow(t, want)
			w.check(t, max(0, c.sent-1))
		})
	}
}

// wantRow checks that there is one row of the name, and that it is as wanted. Whether its
// jid is that of the job check says.
func (w *world) wantRow(t *testing.T, want effectRow) {
	t.Helper()
	got := w.rows(t)[want.Name]
	for i := range got {
		got[i].ID, got[i].JID = 0, ""
	}
	if diff := cmp.Diff([]effectRow{want}, got); diff != "" {
		t.Errorf("rows of %s, -want +got\n%s", want.Name, diff)
	}
}
