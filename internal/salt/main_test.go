package salt_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"halite/internal/fault"
	"halite/internal/salt"
	"halite/internal/salt/saltfake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a fake master and a client of it.
type world struct {
	*saltfake.Master
	*salt.Client
	begun   atomic.Int32 // how often Begin was called
	network *pipes       // of a bubble
}

// newJID is an id that no other job of the tests has.
func newJID() string { return salt.NewJID(time.Unix(0, jids.Add(int64(time.Microsecond)))) }

var jids atomic.Int64

// Run is the client's. A job that has no id is given one.
func (w *world) Run(ctx context.Context, j salt.Job, begin salt.Begin) (salt.Started, error) {
	if j.JID == "" {
		j.JID = newJID()
	}
	return w.Client.Run(ctx, j, begin)
}

// begin is the Begin of tests.
func (w *world) begin(context.Context) error {
	w.begun.Add(1)
	return nil
}

// start serves a master with the minions web1, web2 and db1 over TCP.
func start(t *testing.T, change ...func(*salt.Settings)) *world {
	t.Helper()
	m := seeded()
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	return &world{Master: m, Client: connect(t, s.URL, change...)}
}

// inBubble serves such a master over pipes, so that in the bubble of a synctest time passes
// when everybody waits.
func inBubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := seeded()
		l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		s := &http.Server{Handler: m}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		t.Cleanup(func() { s.Close(); <-served })
		w := &world{Master: m, Client: connect(t, "http://salt.example:8000"), network: l}
		w.DialWith(l.dial)
		f(t, w)
	})
}

func connect(t *testing.T, url string, change ...func(*salt.Settings)) *salt.Client {
	t.Helper()
	s := salt.Settings{URL: url, Username: saltfake.Admin, Password: saltfake.AdminPassword, EAuth: "file", Verify: true}
	for _, f := range change {
		f(&s)
	}
	c := salt.New(s, slog.New(slog.DiscardHandler))
	t.Cleanup(c.Close)
	return c
}

func seeded() *saltfake.Master {
	m := saltfake.New()
	m.AddMinion("web1", map[string]any{"role": "web"})
	m.AddMinion("web2", map[string]any{"role": "web"})
	m.AddMinion("db1", map[string]any{"role": "db"})
	m.AddKeys(saltfake.Pending, "new1", "new2")
	m.AddKeys(saltfake.Rejected, "bad1")
	m.AddKeys(saltfake.Denied, "web1", "twin1")
	return m
}

// pipes is a network in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// wantFault checks that err is a failure with these properties, and returns it.
func wantFault(t *testing.T, err error, code fault.Code, unknown bool, message string) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	switch {
	case !ok:
		t.Errorf("%v, want %s", err, code)
	case f.Code != code || f.OutcomeUnknown != unknown || f.Message != message:
		t.Errorf("%s, %q, outcome unknown: %t\nwant %s, %q, %t", f.Code, f.Message, f.OutcomeUnknown, code, message, unknown)
	}
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// on calls f for the requests of one function or path alone.
func on(what string, f saltfake.Hook) saltfake.Hook {
	return func(ctx context.Context, r saltfake.Request) *saltfake.Response {
		if r.Fun() == what || r.Path == what && r.Path != "/" {
			return f(ctx, r)
		}
		return nil
	}
}

// answer is a hook that answers always the same.
func answer(r *saltfake.Response) saltfake.Hook {
	return func(context.Context, saltfake.Request) *saltfake.Response { return r }
}

// hang is a hook that waits until the client has gone.
func hang(ctx context.Context, _ saltfake.Request) *saltfake.Response {
	<-ctx.Done()
	return saltfake.Cut
}
