package auth_test

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"halite/internal/audit"
	"halite/internal/httpapi/apitest"
)

// start runs a server that takes X-Forwarded-For from the tests.
func start(t *testing.T) *apitest.Server {
	t.Helper()
	return apitest.Start(t, apitest.Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
}

func signIn(t *testing.T, s *apitest.Server, address, name, password string) apitest.Answer {
	t.Helper()
	return s.Do(t, "POST", "/api/auth/login", fmt.Sprintf(`{"username":%q,"password":%q}`, name, password), "X-Forwarded-For", address)
}

// lastRow is the last row and how many there are.
func lastRow(t *testing.T, s *apitest.Server) (audit.Entry, int) {
	t.Helper()
	rows := s.Rows(t)
	return rows[len(rows)-1], len(rows)
}

func TestFailuresPerName(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i := range 10 {
		if got := signIn(t, s, "192.0.2.1", []string{"admin", "ADMIN"}[i%2], "wrong"); got.Status != 401 || got.Header.Get("X-Audit-Id") == "" {
			t.Fatalf("failure %d: %d %s", i, got.Status, got.Body)
		}
	}
	limited := func(name, password string) {
		t.Helper()
		got := signIn(t, s, "192.0.2.1", name, password)
		if got.Status != 429 || got.Header.Get("Retry-After") == "" || got.Body != `{"detail":"Too many failed attempts, try again later"}` {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	limited("Admin", "wrong")
	row, n := lastRow(t, s)
	want := s.Row("", "auth.login", "", "user:Admin", audit.Deny, 429, `{"password":"<redacted>","username":"Admin"}`, "too many failed attempts")
	want.ID, want.SourceIP = 11, "192.0.2.1"
	if diff := apitest.Diff([]audit.Entry{want}, []audit.Entry{row}); diff != "" || n != 11 {
		t.Errorf("%d rows, -want +got\n%s", n, diff)
	}
	limited("admin", apitest.Password) // the right one comes too late
	limited("admin", "wrong")
	if _, n := lastRow(t, s); n != 11 {
		t.Errorf("%d rows: a window is recorded once", n)
	}
	if got := s.Query(t, "", `mutation { login(username: "admin", password: "x") { username } }`, nil); got.Status != 200 {
		t.Errorf("another address: %d %s", got.Status, got.Body)
	}
	if got := signIn(t, s, "192.0.2.2", "admin", apitest.Password); got.Status != 200 {
		t.Errorf("another address: %d %s", got.Status, got.Body)
	}
	if got := signIn(t, s, "192.0.2.1", "operator", apitest.Password); got.Status != 200 {
		t.Errorf("another name: %d %s", got.Status, got.Body)
	}
}

func TestFailuresPerAddress(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i := range 30 {
		if got := signIn(t, s, "192.0.2.1", []string{"admin", "operator", "viewer"}[i%3], "wrong"); got.Status != 401 {
			t.Fatalf("failure %d: %d %s", i, got.Status, got.Body)
		}
	}
	for range 3 {
		if got := signIn(t, s, "192.0.2.1", "new", apitest.Password); got.Status != 429 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	}
	if row, n := lastRow(t, s); n != 31 || row.ResultCode != 429 || row.Resource != "user:new" {
		t.Errorf("%d rows, the last is %+v", n, row)
	}
	// Nothing but sign-in and the change of a password is limited by it.
	if got := s.Do(t, "GET", "/api/audit?limit=1", "", "Cookie", s.Cookie(t, "admin"), "X-Forwarded-For", "192.0.2.1"); got.Status != 200 {
		t.Errorf("a read: %d", got.Status)
	}
}

// TestFailuresPerNetwork: who has a /64 of IPv6 has one address.
func TestFailuresPerNetwork(t *testing.T) {
	t.Parallel()
	s := start(t)
	statuses := map[int]int{}
	for i := range 15 {
		statuses[signIn(t, s, fmt.Sprintf("2001:db8::%x:%x", i, i), "admin", "wrong").Status]++
	}
	if _, n := lastRow(t, s); statuses[401] != 10 || statuses[429] != 5 || n != 11 {
		t.Errorf("%v, %d rows", statuses, n)
	}
	if got := signIn(t, s, "2001:db8:0:1::1", "admin", apitest.Password); got.Status != 200 {
		t.Errorf("the next /64: %d", got.Status)
	}
}

func TestSuccessesDoNotCount(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i := range 35 {
		if got := signIn(t, s, "192.0.2.1", "admin", apitest.Password); got.Status != 200 {
			t.Fatalf("success %d: %d %s", i, got.Status, got.Body)
		}
	}
	cookie := s.Cookie(t, "operator")
	for i := range 15 { // nor does a new password that breaks a rule
		if got := s.Do(t, "POST", "/api/auth/change-password", `{"current_password":"wrong","new_password":"short"}`, "Cookie", cookie); got.Status != 422 {
			t.Fatalf("change %d: %d %s", i, got.Status, got.Body)
		}
	}
}

func TestPasswordChangeIsLimited(t *testing.T) {
	t.Parallel()
	s := start(t)
	cookie := s.Cookie(t, "operator")
	change := func(current string) apitest.Answer {
		return s.Do(t, "POST", "/api/auth/change-password", fmt.Sprintf(`{"current_password":%q,"new_password":"long enough"}`, current), "Cookie", cookie)
	}
	for i := range 10 {
		if got := change("wrong"); got.Status != 403 {
			t.Fatalf("failure %d: %d %s", i, got.Status, got.Body)
		}
	}
	for range 2 {
		if got := change(apitest.Password); got.Status != 429 || got.Header.Get("Retry-After") == "" {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	}
	row, n := lastRow(t, s)
	want := s.Row("operator", "auth.change_password", "", "user:operator", audit.Deny, 429, `{"current_password":"<redacted>","new_password":"<redacted>"}`, "too many failed attempts")
	want.ID = 11
	if diff := apitest.Diff([]audit.Entry{want}, []audit.Entry{row}); diff != "" || n != 11 {
		t.Errorf("%d rows, -want +got\n%s", n, diff)
	}
}

// TestAttemptsSideBySide: many at once cannot pass the bound together.
func TestAttemptsSideBySide(t *testing.T) {
	t.Parallel()
	s := start(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range 25 {
		wg.Go(func() {
			got := signIn(t, s, "192.0.2.1", "admin", "wrong")
			mu.Lock()
			defer mu.Unlock()
			statuses[got.Status]++
		})
	}
	wg.Wait()
	if _, n := lastRow(t, s); statuses[401] != 10 || statuses[429] != 15 || n != 11 {
		t.Errorf("%v, %d rows", statuses, n)
	}
}
