package salt_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"halite/internal/fault"
	"halite/internal/salt"
	"halite/internal/salt/saltfake"
)

// TestOutcome is the table of what can become of the one request that has an effect.
func TestOutcome(t *testing.T) {
	t.Parallel()
	const unknown, done = true, false // done is for: it is known that nothing was
	for name, c := range map[string]struct {
		answer  *saltfake.Response
		code    fault.Code
		unknown bool
		message string
	}{
		"400":               {saltfake.Page(400, "Client disabled: 'local_async'. Add to 'netapi_enable_clients' master config option to enable."), fault.SaltError, done, "salt-api: 400 Client disabled: 'local_async'. Add to 'netapi_enable_clients' master config option to enable."},
		"404":               {saltfake.Page(404, "The path '/' was not found."), fault.SaltError, done, "salt-api: 404 The path '/' was not found."},
		"403 of a proxy":    {&saltfake.Response{Status: 403, Body: "no"}, fault.SaltError, done, "salt-api: 403 Forbidden"},
		"302":               {&saltfake.Response{Status: 302, Body: "<p>over there</p>"}, fault.SaltError, done, "salt-api: 302 over there"},
		"406":               {saltfake.Page(406, "Your client sent this Accept header"), fault.SaltError, unknown, "salt-api: 406 Your client sent this Accept header"},
		"500":               {saltfake.Unexpected, fault.SaltError, unknown, "salt-api: 500 An unexpected error occurred"},
		"502 of a proxy":    {&saltfake.Response{Status: 502, Body: "<html><h1>Bad gateway</h1></html>"}, fault.SaltError, unknown, "salt-api: 502 Bad Gateway"},
		"503":               {saltfake.Page(503, "Salt Master is not available."), fault.SaltUnavailable, unknown, "salt-api: 503 Salt Master is not available."},
		"504 of a proxy":    {&saltfake.Response{Status: 504, Body: `{"message": "upstream timed out"}`}, fault.SaltError, unknown, "salt-api: 504 upstream timed out"},
		"202":               {&saltfake.Response{Status: 202, Body: `{"return": [{}]}`}, fault.SaltError, unknown, "salt-api: 202 Accepted"},
		"200, page":         {&saltfake.Response{Status: 200, Body: "<p>sign in</p>"}, fault.SaltError, unknown, "salt-api: 200 with an unknown answer: invalid character '<' looking for beginning of value"},
		"200, too long":     {&saltfake.Response{Status: 200, Body: strings.Repeat(" ", 16<<20) + "{}"}, fault.SaltError, unknown, "salt-api: 200 with an unknown answer: longer than 16 MiB"},
		"cut":               {saltfake.Cut, fault.SaltUnavailable, unknown, "salt-api: connection lost: EOF"},
		"denied":            {saltfake.Page(401, "Authorization error occurred."), fault.SaltError, done, "salt-api: 401 not permitted: Authorization error occurred."},
		"denied, then 500s": {saltfake.Page(401, "No permission -- see authorization schemes"), fault.SaltError, done, "salt-api: 401 not permitted: No permission -- see authorization schemes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			must[[]salt.Key](t)(w.Keys(t.Context())) // so that the connection is one of before
			w.OnRequest(on("test.ping", answer(c.answer)))
			_, err := w.Run(t.Context(), ping("*"), w.begin)
			wantFault(t, err, c.code, c.unknown, c.message)
			if n := w.begun.Load(); n != 1 {
				t.Errorf("begun %d times", n)
			}
		})
	}
}

// The connection is lost after the request was read, and the effect took place: it is not
// asked for again, neither by the client nor by net/http.
func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	for fun, effect := range map[string]func(w *world) error{
		"test.ping":  func(w *world) error { _, err := w.Run(t.Context(), ping("*"), w.begin); return err },
		"key.accept": func(w *world) error { return w.AcceptKey(t.Context(), "new1", w.begin) },
		"key.reject": func(w *world) error { return w.RejectKey(t.Context(), "new1", w.begin) },
		"key.delete": func(w *world) error { return w.DeleteKey(t.Context(), "new1", w.begin) },
	} {
		w := start(t)
		must[[]salt.Key](t)(w.Keys(t.Context()))
		w.OnAnswer(on(fun, answer(saltfake.Cut)))
		wantFault(t, effect(w), fault.SaltUnavailable, true, "salt-api: connection lost: EOF")
		if n := w.Count(fun); n != 1 {
			t.Errorf("%s came %d times", fun, n)
		}
		if fun == "key.accept" && len(w.KeysIn(saltfake.Pending)) != 1 {
			t.Error("the fake did nothing before it cut the connection")
		}
	}
}

// An answer that ends early is a lost connection too.
func TestAnswerCutShort(t *testing.T) {
	t.Parallel()
	c := connect(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			fmt.Fprint(w, `{"return": [{"token": "0123456789", "start": 1, "expire": 1000}]}`)
			return
		}
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, `{"return": [`)
	}))
	_, err := c.Run(t.Context(), ping("*"), func(context.Context) error { return nil })
	wantFault(t, err, fault.SaltUnavailable, true, "salt-api: connection lost: unexpected EOF")
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := serve(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	for _, status := range []int{301, 307, 308} {
		c := connect(t, serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, status) }))
		_, err := c.Keys(t.Context())
		wantFault(t, err, fault.SaltError, false, fmt.Sprintf("salt-api: %d %s", status, http.StatusText(status)))
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

// serve answers with f, and returns the URL.
func serve(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}
