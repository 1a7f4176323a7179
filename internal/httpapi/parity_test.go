package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"halite/internal/audit"
	"halite/internal/guard"
	"halite/internal/httpapi/apitest"
)

// TestAuthParity: sign-in, sign-out and the change of a password leave the same rows by
// either way, whatever their outcome.
func TestAuthParity(t *testing.T) {
	t.Parallel()
	const change = "/api/auth/change-password"
	for _, c := range []struct {
		name, user, path, body, mutation string
		codes                            string
	}{
		{
			"right", "", "/api/auth/login", `{"username":"ADMIN","password":"` + apitest.Password + `"}`,
			`login(username: "ADMIN", password: "` + apitest.Password + `") { username }`, "[]",
		},
		{"wrong", "", "/api/auth/login", `{"username":"admin","password":"x"}`, `login(username: "admin", password: "x") { username }`, "[UNAUTHENTICATED]"},
		{
			"inactive", "", "/api/auth/login", `{"username":"gone","password":"` + apitest.Password + `"}`,
			`login(username: "gone", password: "` + apitest.Password + `") { username }`, "[UNAUTHENTICATED]",
		},
		{"sign-out", "viewer", "/api/auth/logout", "", `logout`, "[]"},
		{"sign-out of nobody", "", "/api/auth/logout", "", `logout`, "[]"},
		{
			"change", "viewer", change, `{"current_password":"` + apitest.Password + `","new_password":"long enough"}`,
			`changePassword(currentPassword: "` + apitest.Password + `", newPassword: "long enough")`, "[]",
		},
		{"change, wrong", "viewer", change, `{"current_password":"x","new_password":"long enough"}`, `changePassword(currentPassword: "x", newPassword: "long enough")`, "[FORBIDDEN]"},
		{"change, short", "viewer", change, `{"current_password":"x","new_password":"short"}`, `changePassword(currentPassword: "x", newPassword: "short")`, "[BAD_USER_INPUT]"},
		{"change, nobody", "", change, `{"current_password":"x","new_password":"long enough"}`, `changePassword(currentPassword: "x", newPassword: "long enough")`, "[UNAUTHENTICATED]"},
		{
			"change, must", "new", change, `{"current_password":"` + apitest.Password + `","new_password":"long enough"}`,
			`changePassword(currentPassword: "` + apitest.Password + `", newPassword: "long enough")`, "[]",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var rows [2][]audit.Entry
			for i := range rows { // a server for each: what is done cannot be done twice
				s := apitest.Start(t, apitest.Options{})
				cookie := s.Cookie(t, c.user)
				if i == 0 {
					s.Do(t, "POST", c.path, c.body, "Cookie", cookie)
				} else if r := s.Query(t, cookie, "mutation { "+c.mutation+" }", nil); fmt.Sprint(r.Codes()) != c.codes || r.Status != 200 {
					t.Error(r.Body)
				}
				rows[i] = s.Rows(t)
				for j := range rows[i] { // the two servers' users are not the same
					if rows[i][j].UserID.Valid {
						rows[i][j].UserID.UUID = [16]byte{}
					}
				}
			}
			if diff := apitest.Diff(rows[0], rows[1]); diff != "" {
				t.Errorf("rows, -REST +GraphQL\n%s", diff)
			}
		})
	}
}

// slow is a reader that answers when its caller has gone.
type slow struct {
	audit.Reader
	asked chan struct{}
}

func (r slow) List(ctx context.Context, _ audit.Query) (audit.Page, error) {
	r.asked <- struct{}{}
	<-ctx.Done()
	return audit.Page{}, ctx.Err()
}

// told is a recorder that tells of each row.
type told struct {
	guard.Recorder
	rows chan audit.Entry
}

func (r told) Record(e audit.Entry) (audit.Entry, error) {
	e, err := r.Recorder.Record(e)
	r.rows <- e
	return e, err
}

// TestClientGone: who hangs up while he waits has left his row.
func TestClientGone(t *testing.T) {
	t.Parallel()
	asked, rows := make(chan struct{}, 1), make(chan audit.Entry, 1)
	s := apitest.Start(t, apitest.Options{
		Reader:   func(r audit.Reader) audit.Reader { return slow{r, asked} },
		Recorder: func(r guard.Recorder) guard.Recorder { return told{r, rows} },
	})
	admin := s.Cookie(t, "admin")
	for _, path := range []string{"/api/audit", "/graphql?query=%7BauditEntries%7Btotal%7D%7D"} {
		ctx, hangUp := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Cookie", admin)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
				_ = res.Body.Close()
				t.Errorf("%s: answered with %d", path, res.StatusCode)
			}
		}()
		<-asked
		hangUp()
		<-done
		if row := <-rows; row.ID == 0 || row.Decision != audit.Allow || row.ResultCode != 499 || row.Username != "admin" {
			t.Errorf("%s: row %+v", path, row)
		}
	}
}

// TestUnavailable: a log that cannot be written is 503 by either way, and nothing was
// done.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	broken := func(guard.Recorder) guard.Recorder { return unavailable{} }
	s := apitest.Start(t, apitest.Options{Recorder: broken, Changer: func(guard.Changer) guard.Changer { return unavailable{} }})
	admin := s.Cookie(t, "admin")
	const body = `{"detail":"The audit log is unavailable: nothing was done"}`
	for _, c := range []struct{ method, path, send, cookie string }{
		{"GET", "/api/audit", "", admin},
		{"GET", "/api/audit", "", ""},
		{"GET", "/api/audit", "", s.Cookie(t, "viewer")},
		{"GET", "/api/audit?limit=0", "", admin},
		{"POST", "/api/auth/login", `{"username":"admin","password":"` + apitest.Password + `"}`, ""},
		{"POST", "/api/auth/login", `{"username":"admin","password":"x"}`, ""},
		{"POST", "/api/auth/logout", "", admin},
		{"POST", "/api/auth/change-password", `{"current_password":"` + apitest.Password + `","new_password":"long enough"}`, admin},
	} {
		got := s.Do(t, c.method, c.path, c.send, "Cookie", c.cookie)
		if got.Status != 503 || got.Body != body || got.Header.Get("Retry-After") != "1" || got.Header.Get("X-Audit-Id") != "" || got.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s %s: %d %v %s", c.method, c.path, got.Status, got.Header, got.Body)
		}
	}
	if got := s.Do(t, "GET", "/api/auth/me", "", "Cookie", admin); got.Status != 200 {
		t.Errorf("the session has ended: %d", got.Status)
	}
}

type unavailable struct{}

func (unavailable) Record(audit.Entry) (audit.Entry, error) {
	return audit.Entry{}, audit.ErrUnavailable
}

func (unavailable) Change(context.Context, func(context.Context) error, func(error) audit.Entry) (audit.Entry, error) {
	return audit.Entry{}, audit.ErrUnavailable
}
