package salt_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"halite/internal/fault"
	"halite/internal/salt"
	"halite/internal/salt/saltfake"
)

// What fails before there is a connection was not sent, though it was begun.
func TestNotSent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err     error
		message string
	}{
		"refused": {&net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("connection refused")}, "salt-api: unreachable: dial tcp: connection refused"},
		"DNS":     {&net.DNSError{Err: "no such host", Name: "salt.example"}, "salt-api: unreachable: lookup salt.example: no such host"},
		"timeout": {&net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}, "salt-api: unreachable: dial tcp: context deadline exceeded"},
	} {
		w := start(t)
		must[[]salt.Key](t)(w.Keys(t.Context()))
		w.DialWith(func(context.Context, string, string) (net.Conn, error) { return nil, c.err })
		_, err := w.Run(t.Context(), ping("*"), w.begin)
		wantFault(t, err, fault.SaltUnavailable, false, c.message)
		if w.begun.Load() != 1 {
			t.Errorf("%s: begun %d times", name, w.begun.Load())
		}
	}
}

// A connection of before takes nothing any more: net/http may try another one, since
// nothing was sent, and if there is none nothing was done.
func TestStaleConnection(t *testing.T) {
	t.Parallel()
	for _, another := range []bool{true, false} {
		inBubble(t, func(t *testing.T, w *world) {
			l := w.network
			var stale atomic.Bool
			w.DialWith(func(ctx context.Context, network, address string) (net.Conn, error) {
				if stale.Load() && !another {
					return nil, errors.New("connection refused")
				}
				c, err := l.dial(ctx, network, address)
				if !stale.Load() {
					c = staleConn{c, &stale}
				}
				return c, err
			})
			must[[]salt.Key](t)(w.Keys(t.Context()))
			stale.Store(true)
			_, err := w.Run(t.Context(), ping("*"), w.begin)
			if another {
				if n := w.Count("test.ping"); err != nil || n != 1 {
					t.Errorf("%v, sent %d times", err, n)
				}
				return
			}
			wantFault(t, err, fault.SaltUnavailable, false, "salt-api: unreachable: connection refused")
		})
	}
}

// staleConn takes nothing while stale is set.
type staleConn struct {
	net.Conn
	stale *atomic.Bool
}

func (c staleConn) Write(b []byte) (int, error) {
	if c.stale.Load() {
		return 0, errors.New("broken pipe")
	}
	return c.Conn.Write(b)
}

// Nobody listens, for real.
func TestConnectionRefused(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(saltfake.New())
	s.Close()
	c := connect(t, s.URL)
	_, err := c.Keys(t.Context())
	wantFault(t, err, fault.SaltUnavailable, false, "salt-api: unreachable: dial tcp "+s.Listener.Addr().String()+": connect: connection refused")
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for url, message := range map[string]string{
		"":                      `salt-api: unreachable: unsupported protocol scheme ""`,
		"http://":               "salt-api: unreachable: http: no Host in request URL",
		"ftp://salt.example":    `salt-api: unreachable: unsupported protocol scheme "ftp"`,
		"http://a b:secret@[::": "salt-api: its URL is not valid",
	} {
		_, err := connect(t, url).Keys(t.Context())
		wantFault(t, err, fault.SaltUnavailable, false, message)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(seeded())
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	_, err := connect(t, s.URL).Keys(t.Context())
	wantFault(t, err, fault.SaltUnavailable, false, "salt-api: unreachable: tls: failed to verify certificate: x509: certificate signed by unknown authority")

	var logged strings.Builder
	c := salt.New(salt.Settings{URL: s.URL, Username: saltfake.Admin, Password: saltfake.AdminPassword, EAuth: "file"},
		slog.New(slog.NewTextHandler(&logged, nil)))
	t.Cleanup(c.Close)
	must[[]salt.Key](t)(c.Keys(t.Context()))
	if got := logged.String(); strings.Count(got, "level=WARN") != 1 || strings.Count(got, "\n") != 1 {
		t.Errorf("logged %q", got)
	}
}

// A server that takes connections and then says nothing of TLS is given up.
func TestTLSTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, "https://salt.example")
		c.DialWith(func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			return ours, nil
		})
		begin := time.Now()
		_, err := c.Keys(t.Context())
		wantFault(t, err, fault.SaltUnavailable, false, "salt-api: unreachable: net/http: TLS handshake timeout")
		if d := time.Since(begin); d != 5*time.Second {
			t.Errorf("after %s", d)
		}
	})
}

// The server closes idle connections after 10 s: one that is 5 s old is not used.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		dials := 0
		w.DialWith(func(ctx context.Context, network, address string) (net.Conn, error) {
			dials++
			return w.network.dial(ctx, network, address)
		})
		for _, wait := range []time.Duration{0, 4 * time.Second, 4 * time.Second, 6 * time.Second} {
			time.Sleep(wait)
			must[[]salt.Key](t)(w.Keys(t.Context()))
		}
		if dials != 2 {
			t.Errorf("%d connections", dials)
		}
	})
}
