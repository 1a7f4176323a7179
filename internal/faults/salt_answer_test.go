package faults

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

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

// hang is a hook that waits until the client has gone, and then answers as told; nil lets
// things take their course.
func hang(r *saltfake.Response) saltfake.Hook {
	return func(ctx context.Context, _ saltfake.Request) *saltfake.Response {
		<-ctx.Done()
		return r
	}
}

// calm takes the hooks away.
func (w *world) calm() {
	w.OnRequest(nil)
	w.OnAnswer(nil)
}

// fates are what can become of a job at a master that hangs, and of a connection.
var fates = []struct {
	name          string
	before, after saltfake.Hook // of the request for the job alone
	code          fault.Code    // which the caller is told, with outcomeUnknown
	ran           bool
}{
	{name: "salt-api gives up, and the job ran", after: answer(saltfake.Unexpected), code: fault.SaltError, ran: true},
	{name: "salt-api gives up, and the job did not run", before: answer(saltfake.Unexpected), code: fault.SaltError},
	{name: "we give up, and the master goes on later", before: hang(nil), code: fault.SaltUnavailable, ran: true},
	{name: "we give up, and the master never goes on", before: hang(saltfake.Cut), code: fault.SaltUnavailable},
	{name: "cut, and the job ran", after: answer(saltfake.Cut), code: fault.SaltUnavailable, ran: true},
	{name: "cut, and the job did not run", before: answer(saltfake.Cut), code: fault.SaltUnavailable},
}

// TestAnswerLost: whether a job whose answer was lost has run is not claimed to be known.
// It is not sent again, and its one row says afterwards whether it ran.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(t, w.url)
	if r := n.run("before"); r.err != nil {
		t.Fatal(r.err)
	}
	before, after := map[string]saltfake.Hook{}, map[string]saltfake.Hook{}
	for _, f := range fates {
		before[command(f.name)], after[command(f.name)] = f.before, f.after
	}
	by := func(hooks map[string]saltfake.Hook) saltfake.Hook {
		return on("cmd.run", func(ctx context.Context, r saltfake.Request) *saltfake.Response {
			if h := hooks[fmt.Sprint(r.Chunk["arg"].([]any)[0])]; h != nil {
				return h(ctx, r)
			}
			return nil
		})
	}
	w.OnRequest(by(before))
	w.OnAnswer(by(after))
	var wg sync.WaitGroup // some wait until we give up
	for _, f := range fates {
		wg.Go(func() {
			r := n.run(f.name)
			if r.err == nil || r.err.Code != f.code || !r.unknown || r.row != 0 {
				t.Errorf("%s: the caller was told %+v, of the row %d", f.name, r.err, r.row)
			}
		})
	}
	wg.Wait()
	for _, f := range fates {
		if f.ran {
			until(t, f.name, func() bool { return w.ran(f.name) == 1 })
		}
	}
	w.calm()
	if open := w.overdue(t); int(open) != len(fates) {
		t.Errorf("%d intents are open", open)
	}
	w.settle(t)
	for _, f := range fates {
		if sent := w.dispatched()[f.name].sent; sent != 1 {
			t.Errorf("%s: sent %d times", f.name, sent)
		}
		w.wantRow(t, settledLate(f.name, f.ran))
	}
	w.check(t, 0)
}

// TestSaltRestarted: salt-api is started again, which ends its logins, and is away between.
func TestSaltRestarted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(t, w.url)
	steps := []struct {
		name    string
		fault   func()
		code    fault.Code // empty: it is done
		unknown bool
		sent    int // requests that were read
		logins  int
		row     int // its code, unless it is settled late
	}{
		{"before", func() {}, "", false, 1, 1, 202},
		{"the login is forgotten", w.ForgetSessions, "", false, 2, 1, 202},
		{"and the next one is cut", func() {
			w.ForgetSessions()
			w.OnRequest(on("/login", answer(saltfake.Cut)))
		}, fault.SaltUnavailable, false, 1, 1, 503},
		{"and is granted later", w.calm, "", false, 1, 1, 202},
		{"the request is not read", func() { w.listener.cutting.Store(true) }, fault.SaltUnavailable, true, 0, 0, 0},
		{"the next one is", func() { w.listener.cutting.Store(false) }, "", false, 1, 0, 202},
		{"nobody listens", func() {
			_ = w.listener.Close()
			w.server.CloseClientConnections()
		}, fault.SaltUnavailable, false, 0, 0, 503},
	}
	for _, s := range steps {
		if s.name == "nobody listens" {
			w.settle(t) // while Salt can be asked
		}
		logins := w.Count("/login")
		s.fault()
		r := n.run(s.name)
		var code fault.Code
		if r.err != nil {
			code = r.err.Code
		}
		if code != s.code || r.unknown != s.unknown {
			t.Errorf("%s: the caller was told %+v", s.name, r.err)
		}
		if sent := w.dispatched()[s.name].sent; sent != s.sent || w.Count("/login") != logins+s.logins {
			t.Errorf("%s: sent %d times, with %d logins", s.name, sent, w.Count("/login")-logins)
		}
	}
	for _, s := range steps {
		if s.unknown {
			w.wantRow(t, settledLate(s.name, false))
		} else {
			w.wantRow(t, inTime(s.name, s.row))
		}
	}
	w.check(t, 1)
}
