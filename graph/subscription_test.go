package graph_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"halite/internal/audit"
	"halite/internal/guard"
	"halite/internal/httpapi/apitest"
	"halite/internal/live"
	"halite/internal/pgtest"
)

const (
	added      = `subscription ($after: ID, $filter: AuditFilter) { auditEntryAdded(after: $after, filter: $filter) { id action } }`
	allowAdmin = "allowed by role admin: * *"
)

type object = map[string]any

// record leaves a row.
func record(t *testing.T, s *apitest.Server, action string, args object) {
	t.Helper()
	if err := s.Guard.Do(guard.WithCaller(context.Background(), &guard.Caller{Name: "system:test"}), guard.Action{
		Name: action, Resource: "x:y", Args: args, Anonymous: true, Judge: guard.Allowed("a test"),
	}, func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
}

// awaitRow waits for a row of an action, and returns the first one.
func awaitRow(t *testing.T, s *apitest.Server, action string) audit.Entry {
	t.Helper()
	for {
		entries, err := s.DB.Ascend(t.Context(), audit.Filter{Action: &action}, 1, 1<<40, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) > 0 {
			return entries[0]
		}
	}
}

// sse is an operation over SSE as its client sees it.
type sse struct {
	*http.Response
	in *bufio.Reader
}

func overSSE(t *testing.T, s *apitest.Server, cookie string, body object) *sse {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/graphql", strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Cookie": cookie, "Content-Type": "application/json", "Accept": "text/event-stream",
		"User-Agent": apitest.UserAgent, "X-Request-Id": apitest.RequestID,
	} {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return &sse{res, bufio.NewReader(res.Body)}
}

// next is the next event, its name and its data; io.EOF stands for both at the end.
func (s *sse) next(t *testing.T) string {
	t.Helper()
	var lines []string
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return err.Error()
		}
		switch line = strings.TrimSuffix(line, "\n"); {
		case line == "" && len(lines) > 0:
			return strings.Join(lines, " ")
		case line != "" && line != ":":
			_, value, _ := strings.Cut(line, ": ")
			lines = append(lines, value)
		}
	}
}

// rest is what follows, until the end.
func (s *sse) rest(t *testing.T) (out []string) {
	t.Helper()
	for {
		e := s.next(t)
		if e == io.EOF.Error() {
			return out
		}
		out = append(out, strings.TrimSpace(e))
	}
}

// TestSSE is what is answered over SSE to those who get no subscription, and to other
// operations.
func TestSSE(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	admin := s.Cookie(t, "admin")
	row := func(user string, decision audit.Decision, code int, args, reason string) []audit.Entry {
		return []audit.Entry{s.Row(user, "audit.stream", "view", "audit:*", decision, code, args, reason)}
	}
	fails := func(message, code, more string) []string {
		return []string{`next {"errors":[{"message":"` + message + `","locations":[{"line":1,"column":51}],"path":["auditEntryAdded"],"extensions":{` + more + `"code":"` + code + `"}}]}`, "complete"}
	}
	for _, c := range []struct {
		name, cookie string
		body         object
		want         []string
		rows         []audit.Entry
	}{
		{
			name: "no session", body: object{"query": added},
			want: fails("Not authenticated", "UNAUTHENTICATED", `"auditId":"1",`), rows: row("", audit.Deny, 401, "", "not authenticated"),
		},
		{
			name: "not permitted", cookie: s.Cookie(t, "viewer"), body: object{"query": added, "variables": object{"filter": object{"decision": "DENY"}}},
			want: fails("Forbidden", "FORBIDDEN", `"auditId":"2",`), rows: row("viewer", audit.Deny, 403, `{"filter":{"decision":"deny"}}`, "no match among 8 permissions of role viewer"),
		},
		{
			name: "beyond the log", cookie: admin, body: object{"query": added, "variables": object{"after": "7"}},
			want: fails("after: should be from 0 to 2, the last entry", "BAD_USER_INPUT", `"auditId":"3","field":"after",`),
			rows: row("admin", audit.Allow, 422, `{"after":"7"}`, allowAdmin),
		},
		{
			name: "no id", cookie: admin, body: object{"query": added, "variables": object{"after": "x"}},
			want: fails("after: should be the id of an entry, or 0", "BAD_USER_INPUT", `"auditId":"4","field":"after",`),
			rows: row("admin", audit.Allow, 422, `{"after":"x"}`, allowAdmin),
		},
		{
			name: "times", cookie: admin, body: object{"query": added, "variables": object{"filter": object{"since": "2026-01-01T00:00:00Z"}}},
			want: fails("since: a stream has none: it begins behind an entry", "BAD_USER_INPUT", `"auditId":"5","field":"since",`),
			rows: row("admin", audit.Allow, 422, `{"filter":{"since":"2026-01-01T00:00:00Z"}}`, allowAdmin),
		},
		{
			name: "a query", cookie: admin, body: object{"query": "{ me { username } }"},
			want: []string{`next {"data":{"me":{"username":"admin"}}}`, "complete"},
		},
		{
			name: "a field that is not there", cookie: admin, body: object{"query": "subscription { no }"},
			want: []string{`next {"errors":[{"message":"Cannot query field \"no\" on type \"Subscription\".","locations":[{"line":1,"column":16}],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}`, "complete"},
		},
		{
			name: "two streams", cookie: admin, body: object{"query": "subscription { a: auditEntryAdded { id } b: auditEntryAdded { id } }"},
			want: []string{`next {"errors":[{"message":"A subscription selects one field at its root","extensions":{"code":"BAD_REQUEST"}}]}`, "complete"},
		},
		{
			name: "none", cookie: admin, body: object{"query": "subscription { auditEntryAdded @skip(if: true) { id } }"},
			want: []string{`next {"errors":[{"message":"A subscription selects one field at its root","extensions":{"code":"BAD_REQUEST"}}]}`, "complete"},
		},
	} {
		before := len(s.Rows(t))
		got := overSSE(t, s, c.cookie, c.body)
		if got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%s: %d, %v", c.name, got.StatusCode, got.Header)
		}
		if diff := cmp.Diff(values(t, c.want), values(t, got.rest(t))); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.name, diff)
		}
		for i := range c.rows {
			c.rows[i].ID = int64(before + 1 + i)
		}
		if diff := apitest.Diff(c.rows, s.Rows(t)[before:]); diff != "" {
			t.Errorf("%s: rows, -want +got\n%s", c.name, diff)
		}
	}
	for _, c := range []struct {
		name, method, path, body, accept string
		status                           int
		says                             string
	}{
		{"a subscription as JSON", "POST", "/graphql", `{"query":"subscription { auditEntryAdded { id } }"}`, "application/json", 406, "text/event-stream, or by the protocol graphql-transport-ws"},
		{"no body", "POST", "/graphql", `{}`, "text/event-stream", 400, "query is missing"},
		{"a mutation by GET", "GET", "/graphql?query=mutation{logout}", "", "text/event-stream", 405, "GET serves no mutations"},
	} {
		before := len(s.Rows(t))
		got := s.Do(t, c.method, c.path, c.body, "Cookie", admin, "Accept", c.accept)
		if got.Status != c.status || !strings.Contains(got.Body, c.says) || len(s.Rows(t)) != before {
			t.Errorf("%s: %d %s", c.name, got.Status, got.Body)
		}
	}
}

// values are events with their data parsed.
func values(t *testing.T, events []string) (out []any) {
	t.Helper()
	for _, e := range events {
		name, data, _ := strings.Cut(e, " ")
		var v any
		if data != "" {
			if err := json.Unmarshal([]byte(data), &v); err != nil {
				t.Fatalf("%v: %s", err, e)
			}
		}
		out = append(out, name, v)
	}
	return out
}

// TestSSEOfEntries: entries come as they are written; the client's end leaves a row, and so
// does that of the permission, which the client is told.
func TestSSEOfEntries(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true, Beat: 20 * time.Millisecond, Recheck: 20 * time.Millisecond, ReadTimeout: 50 * time.Millisecond})
	cookie := s.Cookie(t, "operator")
	wanted := object{"query": added, "variables": object{"filter": object{"action": "wanted"}}}
	st := overSSE(t, s, cookie, wanted)
	if st.StatusCode != http.StatusOK || st.Header.Get("X-Audit-Id") != "1" || st.Header.Get("Cache-Control") != "no-store" || st.Header.Get("X-Accel-Buffering") != "no" {
		t.Errorf("%d %v", st.StatusCode, st.Header)
	}
	for beats := 0; beats < 5; { // it outlives the time that a request may take to be read
		line, err := st.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == ":\n" {
			beats++
		}
	}
	for _, action := range []string{"wanted", "other", "wanted"} {
		record(t, s, action, nil)
	}
	for _, id := range []string{"2", "4"} {
		if got, want := st.next(t), `next {"data":{"auditEntryAdded":{"id":"`+id+`","action":"wanted"}}}`; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	_ = st.Body.Close()
	end := awaitRow(t, s, "audit.stream.end")
	if end.ResultCode != 499 || end.Resource != "audit:*" || end.Decision != audit.Allow || string(end.Args) != `{"began": 1, "count": 2}` || end.RequestID != apitest.RequestID {
		t.Errorf("%+v, %s", end, end.Args)
	}

	wanted["variables"].(object)["after"] = "2"
	st = overSSE(t, s, cookie, wanted)
	if got, want := st.next(t), `next {"data":{"auditEntryAdded":{"id":"4","action":"wanted"}}}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, err := pgtest.Conn(t, s.DBURL, "halite").Exec(t.Context(), "DELETE FROM user_roles WHERE user_id = $1", s.ID("operator")); err != nil {
		t.Fatal(err)
	}
	want := []string{`next {"errors":[{"message":"Forbidden","extensions":{"code":"FORBIDDEN","auditId":"7"}}]}`, "complete"}
	if diff := cmp.Diff(values(t, want), values(t, st.rest(t))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	rows := s.Rows(t)
	last := rows[len(rows)-1]
	if last.Action != "audit.stream.end" || last.Decision != audit.Deny || last.ResultCode != 403 || last.Reason != "ended: Forbidden" {
		t.Errorf("%+v", last)
	}
}

// TestSSEAtOnce: one too many is refused with its status, whatever the protocol.
func TestSSEAtOnce(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	admin := s.Cookie(t, "admin")
	for range live.MaxPerUser {
		if st := overSSE(t, s, admin, object{"query": added}); st.StatusCode != http.StatusOK {
			t.Fatalf("status %d", st.StatusCode)
		}
	}
	st := overSSE(t, s, admin, object{"query": added})
	if st.StatusCode != http.StatusTooManyRequests || st.Header.Get("Retry-After") != "10" || st.Header.Get("X-Audit-Id") != strconv.Itoa(live.MaxPerUser+1) {
		t.Errorf("%d, %v", st.StatusCode, st.Header)
	}
	rows := s.Rows(t)
	if last := rows[len(rows)-1]; last.Action != "audit.stream" || last.ResultCode != 429 {
		t.Errorf("%+v", last)
	}
}

// TestSSEEndsWithServer: a server that ends does not say that the subscription is complete:
// the client comes again.
func TestSSEEndsWithServer(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	st := overSSE(t, s, s.Cookie(t, "admin"), object{"query": added, "variables": object{"after": "0"}})
	if got := st.next(t); !strings.Contains(got, `"id":"1"`) {
		t.Error(got)
	}
	s.Stop()
	if got := st.rest(t); len(got) > 0 {
		t.Errorf("%v", got)
	}
	if end := awaitRow(t, s, "audit.stream.end"); end.ResultCode != 503 || end.Decision != audit.Allow {
		t.Errorf("%+v", end)
	}
}
