package salt_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"halite/internal/fault"
	"halite/internal/salt"
	"halite/internal/salt/saltfake"
)

const wrongPassword = "salt-api: 401 Could not authenticate using provided credentials"

func TestRequests(t *testing.T) {
	t.Parallel()
	w := start(t)
	for range 2 {
		must[[]salt.Key](t)(w.Keys(t.Context()))
	}
	requests := w.Requests()
	if len(requests) != 3 || requests[0].Path != "/login" {
		t.Fatalf("%d requests, want one login and two calls", len(requests))
	}
	if got, want := string(requests[0].Body), `{"eauth":"file","password":"admin-pw","username":"peeradmin"}`; got != want {
		t.Errorf("login %s", got)
	}
	for _, r := range requests[1:] {
		if got, want := string(r.Body), `[{"client":"wheel","fun":"key.list_all"}]`; got != want {
			t.Errorf("lowstate %s", got)
		}
		if len(r.Header.Get("X-Auth-Token")) != 40 {
			t.Errorf("token %q", r.Header.Get("X-Auth-Token"))
		}
	}
	for _, r := range requests {
		if r.Method != http.MethodPost || r.Header.Get("Accept") != "application/json" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Cookie") != "" {
			t.Errorf("%s %s with %v", r.Method, r.Path, r.Header)
		}
	}
}

func TestPathOfURL(t *testing.T) {
	t.Parallel()
	paths := make(chan string, 1)
	c := connect(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { paths <- r.URL.Path })+"/salt//")
	c.Test(t.Context())
	if got := <-paths; got != "/salt/login" {
		t.Errorf("asked %s", got)
	}
}

func TestOneLoginForMany(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.OnRequest(on("/login", func(context.Context, saltfake.Request) *saltfake.Response {
			time.Sleep(time.Second) // everybody is waiting by then
			return nil
		}))
		many(20, func() { must[[]salt.Key](t)(w.Keys(t.Context())) })
		if n := w.Count("/login"); n != 1 {
			t.Errorf("%d logins", n)
		}
	})
}

// The first caller goes away during the login; the second one gets it.
func TestLoginOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.OnRequest(on("/login", func(context.Context, saltfake.Request) *saltfake.Response {
			time.Sleep(10 * time.Second)
			return nil
		}))
		first, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var both sync.WaitGroup
		both.Go(func() {
			_, err := w.Keys(first)
			wantFault(t, err, fault.SaltUnavailable, false, "salt-api: given up during the login")
		})
		both.Go(func() { must[[]salt.Key](t)(w.Keys(t.Context())) })
		both.Wait()
		if n := w.Count("/login"); n != 1 {
			t.Errorf("%d logins", n)
		}
	})
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	for lifetime, used := range map[time.Duration]time.Duration{
		12 * time.Hour:   12*time.Hour - time.Minute,
		2 * time.Minute:  time.Minute,
		90 * time.Second: 45 * time.Second,
		48 * time.Hour:   24*time.Hour - time.Minute,
	} {
		inBubble(t, func(t *testing.T, w *world) {
			w.SetTokenLifetime(lifetime)
			must[[]salt.Key](t)(w.Keys(t.Context()))
			time.Sleep(used - time.Second)
			must[[]salt.Key](t)(w.Keys(t.Context()))
			if n := w.Count("/login"); n != 1 {
				t.Errorf("%s: %d logins before %s", lifetime, n, used)
			}
			time.Sleep(time.Second)
			must[[]salt.Key](t)(w.Keys(t.Context()))
			if n := w.Count("/login"); n != 2 {
				t.Errorf("%s: %d logins after %s", lifetime, n, used)
			}
		})
	}
}

// A master whose clock is elsewhere grants tokens that last all the same, and one that does
// not say how long is not asked each time.
func TestLifetimeIsRelative(t *testing.T) {
	t.Parallel()
	for _, times := range []string{`"start": 1000.5, "expire": 1600.5`, `"start": 5e9, "expire": 5000000600`, `"start": null`, `"start": 600, "expire": 500`} {
		inBubble(t, func(t *testing.T, w *world) {
			w.OnAnswer(on("/login", func(_ context.Context, r saltfake.Request) *saltfake.Response {
				return &saltfake.Response{Status: 200, ContentType: "application/json", Body: `{"return": [{"token": "t", ` + times + `}]}`}
			}))
			w.OnRequest(on("key.list_all", answer(&saltfake.Response{Status: 200, ContentType: "application/json", Body: `{"return": [{"data": {"success": true, "return": {}}}]}`})))
			for _, wait := range []time.Duration{0, 9*time.Minute - time.Second, time.Second} {
				time.Sleep(wait)
				must[[]salt.Key](t)(w.Keys(t.Context()))
			}
			if n := w.Count("/login"); n != 2 {
				t.Errorf("%s: %d logins in 9 minutes", times, n)
			}
		})
	}
}

// After a restart of salt-api many find their token unknown: one of them logs in, and each
// call is repeated once. Begin is called once for all that.
func TestForgottenSessions(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*saltfake.Master){"restart": (*saltfake.Master).ForgetSessions, "expiry": (*saltfake.Master).ExpireTokens} {
		w := start(t)
		must[[]salt.Key](t)(w.Keys(t.Context()))
		end(w.Master)
		// All of the first 8 calls are refused before any is answered.
		var came atomic.Int32
		all := make(chan struct{})
		w.OnAnswer(on("test.ping", func(context.Context, saltfake.Request) *saltfake.Response {
			if came.Add(1) == 8 {
				close(all)
			}
			<-all
			return nil
		}))
		many(8, func() { must[salt.Started](t)(w.Run(t.Context(), ping("*"), w.begin)) })
		if logins, calls := w.Count("/login"), w.Count("test.ping"); logins != 2 || calls != 16 || w.begun.Load() != 8 {
			t.Errorf("%s: %d logins, %d calls, begun %d times", name, logins, calls, w.begun.Load())
		}
	}
}

// The two texts of a 401 that say that the account may not cause no further login.
func TestNotPermitted(t *testing.T) {
	t.Parallel()
	w := start(t, func(s *salt.Settings) { s.Username, s.Password = saltfake.Limited, saltfake.LimitedPassword })
	must[salt.Started](t)(w.Run(t.Context(), ping("web*"), w.begin))
	_, err := w.Run(t.Context(), ping("*"), w.begin)
	wantFault(t, err, fault.SaltError, false, "salt-api: 401 not permitted: Authorization error occurred.")
	_, err = w.Keys(t.Context())
	wantFault(t, err, fault.SaltError, false, `salt-api: 401 not permitted: Authentication failure of type "token" occurred for user limited.`)
	if n := w.Count("/login"); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// A salt-api that knows no token whatever is asked twice and not more; once, if the token
// is new.
func TestSecond401(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.OnRequest(on("key.list_all", answer(saltfake.Page(401, "No permission -- see authorization schemes"))))
	for i, want := range []struct{ logins, calls int }{{1, 1}, {2, 3}, {3, 5}} {
		_, err := w.Keys(t.Context())
		wantFault(t, err, fault.SaltError, false, "salt-api: 401 not permitted: No permission -- see authorization schemes")
		if logins, calls := w.Count("/login"), w.Count("key.list_all"); logins != want.logins || calls != want.calls {
			t.Errorf("call %d: %d logins, %d calls", i, logins, calls)
		}
	}
}

// The login that a 401 calls for is refused: that is the answer, and the effect has not
// taken place.
func TestPasswordChanged(t *testing.T) {
	t.Parallel()
	w := start(t)
	must[[]salt.Key](t)(w.Keys(t.Context()))
	w.ForgetSessions()
	w.OnRequest(on("/login", answer(saltfake.Page(401, "Could not authenticate using provided credentials"))))
	_, err := w.Run(t.Context(), ping("*"), w.begin)
	wantFault(t, err, fault.SaltError, false, wrongPassword)
	if n := w.Count("test.ping"); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.OnRequest(on("/login", answer(saltfake.Page(401, "Could not authenticate using provided credentials"))))
		fails := func() {
			_, err := w.Keys(t.Context())
			wantFault(t, err, fault.SaltError, false, wrongPassword)
		}
		many(20, fails)
		time.Sleep(5*time.Second - time.Millisecond)
		many(20, fails)
		if n := w.Count("/login"); n != 1 {
			t.Errorf("%d logins within 5 s", n)
		}
		time.Sleep(time.Millisecond)
		w.OnRequest(nil)
		many(20, func() { must[[]salt.Key](t)(w.Keys(t.Context())) })
		if n := w.Count("/login"); n != 2 {
			t.Errorf("%d logins", n)
		}
	})
}

// Those who share a failure do not share its *fault.Error, into which a row's id is written.
func TestSharedFailureIsCopied(t *testing.T) {
	t.Parallel()
	w := start(t, func(s *salt.Settings) { s.Password = "wrong" })
	for i := range 3 {
		_, err := w.Keys(t.Context())
		f := fault.From(err)
		if f.AuditID != 0 {
			t.Errorf("failure %d names row %d", i, f.AuditID)
		}
		f.AuditID = 7
	}
}

// A login that fails otherwise says nothing about the next one.
func TestLoginFails(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]*saltfake.Response{
		"SALT_UNAVAILABLE salt-api: 503 Message timed out":                                       saltfake.Page(503, "Message timed out"),
		"SALT_ERROR salt-api: 500 An unexpected error occurred":                                  saltfake.Unexpected,
		"SALT_ERROR salt-api: 200 with an unknown answer: no token in the answer to the login":   {Status: 200, Body: `{"return": [{"token": ""}]}`},
		"SALT_ERROR salt-api: 200 with an unknown answer: no token in the answer to the login ":  {Status: 200, Body: `hello`},
		"SALT_ERROR salt-api: 200 with an unknown answer: no token in the answer to the login  ": {Status: 200, Body: `{"return": []}`},
		"SALT_ERROR salt-api: 302 Found":                                                         {Status: 302},
		"SALT_ERROR salt-api: 400 Client disabled":                                               saltfake.Page(400, "Client disabled"),
		"SALT_UNAVAILABLE salt-api: connection lost: EOF":                                        saltfake.Cut,
	} {
		w := start(t)
		w.OnRequest(on("/login", answer(r)))
		_, err := w.Run(t.Context(), ping("*"), w.begin)
		code, message, _ := strings.Cut(strings.TrimSpace(want), " ")
		wantFault(t, err, fault.Code(code), false, message)
		if w.begun.Load() != 0 {
			t.Error("begun without a login")
		}
		w.OnRequest(nil)
		must[[]salt.Key](t)(w.Keys(t.Context()))
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.OnRequest(on("/login", hang))
		var waiting sync.WaitGroup
		waiting.Go(func() {
			_, err := w.Keys(t.Context())
			wantFault(t, err, fault.SaltUnavailable, false, "salt-api: given up before it answered")
		})
		synctest.Wait()
		w.Close()
		waiting.Wait()
		_, err := w.Keys(t.Context())
		wantFault(t, err, fault.SaltUnavailable, false, "salt-api: the connection was closed")
	})
}

// many runs f n times at once.
func many(n int, f func()) {
	var all sync.WaitGroup
	for range n {
		all.Go(f)
	}
	all.Wait()
}
