package graph_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"halite/internal/audit"
	"halite/internal/httpapi/apitest"
	"halite/internal/live"
)

const protocol = "graphql-transport-ws"

// socket is a WebSocket as its client sees it.
type socket struct{ *websocket.Conn }

// dial opens one; the header is given as name, value, name, value.
func dial(t *testing.T, s *apitest.Server, cookie string, header ...string) (*socket, *http.Response, error) {
	t.Helper()
	o := &websocket.DialOptions{Subprotocols: []string{protocol}, HTTPHeader: http.Header{}}
	o.HTTPHeader.Set("Cookie", cookie)
	o.HTTPHeader.Set("User-Agent", apitest.UserAgent)
	o.HTTPHeader.Set("X-Request-Id", apitest.RequestID)
	for i := 0; i < len(header); i += 2 {
		if o.HTTPHeader.Set(header[i], header[i+1]); header[i] == "Sec-WebSocket-Protocol" {
			o.Subprotocols = []string{header[i+1]}
		}
	}
	c, res, err := websocket.Dial(t.Context(), s.URL+"/graphql", o)
	if err != nil {
		return nil, res, err
	}
	c.SetReadLimit(1 << 22)
	t.Cleanup(func() { _ = c.CloseNow() })
	return &socket{c}, res, nil
}

// connect opens one and says hello.
func connect(t *testing.T, s *apitest.Server, cookie string) *socket {
	t.Helper()
	c, _, err := dial(t, s, cookie)
	if err != nil {
		t.Fatal(err)
	}
	c.send(t, `{"type":"connection_init"}`)
	if got := c.next(t); got != `{"type":"connection_ack"}` {
		t.Fatal(got)
	}
	return c
}

func (c *socket) send(t *testing.T, text string) {
	t.Helper()
	if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func (c *socket) subscribe(t *testing.T, id string, payload object) {
	t.Helper()
	b, err := json.Marshal(object{"id": id, "type": "subscribe", "payload": payload})
	if err != nil {
		t.Fatal(err)
	}
	c.send(t, string(b))
}

// next is the next message, or the code and the reason with which the connection was closed.
func (c *socket) next(t *testing.T) string {
	t.Helper()
	_, b, err := c.Read(t.Context())
	if closed, ok := errors.AsType[websocket.CloseError](err); ok {
		return fmt.Sprint(int(closed.Code), " ", closed.Reason)
	}
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// TestSocketProtocol is what the protocol asks of a server, message by message. Where the
// client breaks it the connection is closed with the code that it names.
func TestSocketProtocol(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	admin := s.Cookie(t, "admin")
	const hello, welcome = `{"type":"connection_init","payload":{"x":1}}`, `{"type":"connection_ack"}`
	const quiet = `{"id":"a","type":"subscribe","payload":{"query":"subscription { auditEntryAdded(filter: {action: \"none\"}) { id } }"}}`
	for name, c := range map[string]struct {
		send, want []string
	}{
		"ping":                     {[]string{`{"type":"ping"}`, hello, `{"type":"ping","payload":{"n":1}}`, `{"type":"pong"}`, `{"type":"ping"}`}, []string{`{"type":"pong"}`, welcome, `{"type":"pong","payload":{"n":1}}`, `{"type":"pong"}`}},
		"subscribed too early":     {[]string{quiet}, []string{"4401 Unauthorized"}},
		"hello twice":              {[]string{hello, hello}, []string{welcome, "4429 Too many initialisation requests"}},
		"no JSON":                  {[]string{hello, `{`}, []string{welcome, "4400 The message is not one of the protocol"}},
		"no object":                {[]string{hello, `[1]`}, []string{welcome, "4400 The message is not one of the protocol"}},
		"no type":                  {[]string{hello, `null`}, []string{welcome, "4400 The type of the message is not known"}},
		"a server's type":          {[]string{hello, `{"type":"next"}`}, []string{welcome, "4400 The type of the message is not known"}},
		"an unknown type at first": {[]string{`{"type":"start"}`}, []string{"4400 The type of the message is not known"}},
		"no id":                    {[]string{hello, `{"type":"subscribe","payload":{"query":"{ me { username } }"}}`}, []string{welcome, "4400 id is missing"}},
		"no query":                 {[]string{hello, `{"id":"a","type":"subscribe","payload":{}}`}, []string{welcome, "4400 query is missing"}},
		"no payload":               {[]string{hello, `{"id":"a","type":"subscribe"}`}, []string{welcome, "4400 The body must be a JSON object with a query"}},
		"the same id":              {[]string{hello, quiet, quiet}, []string{welcome, `4409 Subscriber for "a" already exists`}},
		"complete what is not":     {[]string{hello, `{"id":"b","type":"complete"}`, `{"type":"ping"}`}, []string{welcome, `{"type":"pong"}`}},
		"too large":                {[]string{hello, `{"type":"ping","payload":{"x":"` + strings.Repeat("x", 1<<20) + `"}}`}, []string{welcome, "1009 read limited at 1048577 bytes"}},
		"a query": {
			[]string{hello, `{"id":"a","type":"subscribe","payload":{"query":"{ me { username } }"}}`},
			[]string{welcome, `{"id":"a","type":"error","payload":[{"message":"This connection serves subscriptions only; send the rest with POST","extensions":{"code":"BAD_REQUEST"}}]}`},
		},
		"beyond a limit": {
			[]string{hello, `{"id":"a","type":"subscribe","payload":{"query":"subscription { auditEntryAdded { ` + strings.Repeat("a: id b: id ", 16) + ` } }"}}`},
			[]string{welcome, "*ALIAS"},
		},
		"not persisted": {
			[]string{hello, `{"id":"a","type":"subscribe","payload":{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}}`},
			[]string{welcome, `{"id":"a","type":"error","payload":[{"message":"PersistedQueryNotFound","extensions":{"code":"PERSISTED_QUERY_NOT_FOUND"}}]}`},
		},
	} {
		conn, _, err := dial(t, s, admin)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range c.send {
			_ = conn.Write(t.Context(), websocket.MessageText, []byte(m)) // it may be closed by then
		}
		for _, want := range c.want {
			got := conn.next(t)
			if code, partly := strings.CutPrefix(want, "*"); partly && strings.Contains(got, `"type":"error"`) && strings.Contains(got, code) {
				continue
			}
			if got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
		_ = conn.CloseNow()
	}
	c, _, err := dial(t, s, admin)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(t.Context(), websocket.MessageBinary, []byte(hello)); err != nil {
		t.Fatal(err)
	}
	if got := c.next(t); got != "4400 The message is not one of the protocol" {
		t.Error(got)
	}
}

// TestSocketIsOpened: for whom a connection is made at all.
func TestSocketIsOpened(t *testing.T) {
	t.Parallel()
	const friend = "https://friend.example"
	s := apitest.Start(t, apitest.Options{AllowedOrigins: []string{friend}})
	admin := s.Cookie(t, "admin")
	for _, c := range []struct {
		header []string
		status int
	}{
		{nil, 101},
		{[]string{"Origin", s.URL}, 101},
		{[]string{"Origin", friend}, 101},
		{[]string{"Origin", "https://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Origin", s.URL, "Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Origin", "https://friend.example.evil.example"}, 403},
	} {
		conn, res, err := dial(t, s, admin, c.header...)
		if res == nil || res.StatusCode != c.status || (err == nil) != (c.status == 101) {
			t.Errorf("%v: %+v, %v, want %d", c.header, res, err, c.status)
		}
		if err == nil {
			_ = conn.CloseNow()
		}
	}
	conn, _, err := dial(t, s, admin, "Sec-WebSocket-Protocol", "graphql-ws")
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.next(t); got != "4406 Subprotocol not acceptable" {
		t.Error(got)
	}
	if rows := s.Rows(t); len(rows) > 0 {
		t.Errorf("rows %+v", rows)
	}
}

// TestSocketsAtOnce: a user, and an address without a session, have only some at once, and the
// one's places are not the other's.
func TestSocketsAtOnce(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	admin := s.Cookie(t, "admin")
	for _, c := range []struct {
		cookie string
		bound  int
	}{{"", 4}, {admin, 8}} {
		var open []*socket
		for range c.bound {
			open = append(open, connect(t, s, c.cookie))
		}
		_, res, err := dial(t, s, c.cookie)
		if err == nil || res == nil || res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "10" {
			t.Fatalf("%v, %+v", err, res)
		}
		_ = open[0].CloseNow()
		for {
			again, _, err := dial(t, s, c.cookie)
			if err == nil {
				_ = again.CloseNow()
				break
			}
		}
	}
}

// TestSocketIsLeftAlone: who says nothing, is not there or wants nothing is not waited for.
func TestSocketIsLeftAlone(t *testing.T) {
	t.Parallel()
	const soon, late = 50 * time.Millisecond, time.Hour
	for name, c := range map[string]struct {
		init, ping, idle time.Duration
		hello            bool
		want             string
	}{
		"no connection_init": {soon, late, late, false, "4408 Connection initialisation timeout"},
		"no subscription":    {late, time.Second, 2 * time.Second, true, "1000 Nothing is subscribed to"},
	} {
		s := apitest.Start(t, apitest.Options{})
		s.GraphQL.SetTimes(c.init, c.ping, c.idle)
		conn, _, err := dial(t, s, s.Cookie(t, "admin"))
		if err != nil {
			t.Fatal(err)
		}
		if c.hello {
			conn.send(t, `{"type":"connection_init"}`)
			conn.next(t)
		}
		if got := conn.next(t); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	// A client who is not there any more does not answer pings; its subscription ends.
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	s.GraphQL.SetTimes(late, time.Second, late)
	conn := connect(t, s, s.Cookie(t, "admin"))
	conn.subscribe(t, "a", object{"query": added})
	if end := awaitRow(t, s, "audit.stream.end"); end.ResultCode != 499 { // nobody reads here
		t.Errorf("%+v", end)
	}
}

// TestSocketRefuses: who may not subscribe is told, and leaves the row that he would anywhere.
func TestSocketRefuses(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	row := func(user string, decision audit.Decision, code int, args, reason string) []audit.Entry {
		return []audit.Entry{s.Row(user, "audit.stream", "view", "audit:*", decision, code, args, reason)}
	}
	admin := s.Cookie(t, "admin")
	left := s.Cookie(t, "admin")
	gone := connect(t, s, left) // its session ends while the connection lasts
	s.Do(t, "POST", "/api/auth/logout", "", "Cookie", left)
	for _, c := range []struct {
		name, cookie  string
		conn          *socket
		payload       object
		message, code string
		rows          []audit.Entry
	}{
		{
			name: "no session", payload: object{"query": added}, message: "Not authenticated", code: "UNAUTHENTICATED",
			rows: row("", audit.Deny, 401, "", "not authenticated"),
		},
		{
			name: "a session that has ended", conn: gone, payload: object{"query": added}, message: "Session expired", code: "UNAUTHENTICATED",
			rows: row("", audit.Deny, 401, "", "session expired"),
		},
		{
			name: "not permitted", cookie: s.Cookie(t, "viewer"), payload: object{"query": added, "variables": object{"after": "0"}}, message: "Forbidden", code: "FORBIDDEN",
			rows: row("viewer", audit.Deny, 403, `{"after":"0"}`, "no match among 8 permissions of role viewer"),
		},
		{
			name: "bad input", cookie: admin, payload: object{"query": added, "variables": object{"after": "-1"}}, message: "after: should be from 0 to 4, the last entry", code: "BAD_USER_INPUT",
			rows: row("admin", audit.Allow, 422, `{"after":"-1"}`, allowAdmin),
		},
	} {
		before := len(s.Rows(t))
		if c.conn == nil {
			c.conn = connect(t, s, c.cookie)
		}
		c.conn.subscribe(t, "x", c.payload)
		var got struct {
			ID, Type string
			Payload  []apitest.Error
		}
		if err := json.Unmarshal([]byte(c.conn.next(t)), &got); err != nil {
			t.Fatal(err)
		}
		if got.ID != "x" || got.Type != "error" || len(got.Payload) != 1 || got.Payload[0].Message != c.message || got.Payload[0].Extensions["code"] != c.code ||
			got.Payload[0].Extensions["auditId"] != strconv.Itoa(before+1) {
			t.Errorf("%s: %+v", c.name, got)
		}
		c.rows[0].ID = int64(before + 1)
		if diff := apitest.Diff(c.rows, s.Rows(t)[before:]); diff != "" {
			t.Errorf("%s: rows, -want +got\n%s", c.name, diff)
		}
	}
}

// TestSocketSubscriptions: several on one connection, each until its client completes it; one
// too many is refused with a row.
func TestSocketSubscriptions(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	conn := connect(t, s, s.Cookie(t, "admin"))
	began := func(n int) { // rows are there before the first entry
		t.Helper()
		for len(s.Rows(t)) < n {
			continue
		}
	}
	for i := range live.MaxPerUser {
		conn.subscribe(t, strconv.Itoa(i), object{"query": added, "variables": object{"filter": object{"action": fmt.Sprint("for.", i)}}})
		began(i + 1)
	}
	conn.subscribe(t, "more", object{"query": added})
	if got := conn.next(t); !strings.HasPrefix(got, `{"id":"more","type":"error","payload":[`) || !strings.Contains(got, `"RATE_LIMITED"`) || !strings.Contains(got, `"retryAfter":10`) {
		t.Error(got)
	}
	record(t, s, "for.2", nil)
	record(t, s, "for.none", nil)
	record(t, s, "for.0", nil)
	want := map[string]bool{
		`{"id":"2","type":"next","payload":{"data":{"auditEntryAdded":{"id":"6","action":"for.2"}}}}`: true,
		`{"id":"0","type":"next","payload":{"data":{"auditEntryAdded":{"id":"8","action":"for.0"}}}}`: true,
	}
	for range 2 {
		got := conn.next(t)
		if !want[got] {
			t.Error(got)
		}
		delete(want, got)
	}
	conn.send(t, `{"id":"0","type":"complete"}`)
	if end := awaitRow(t, s, "audit.stream.end"); end.ResultCode != 499 || string(end.Args) != `{"began": 1, "count": 1}` {
		t.Errorf("%+v, %s", end, end.Args)
	}
	conn.subscribe(t, "0", object{"query": added, "variables": object{"after": "7", "filter": object{"action": "for.0"}}}) // the id is free again
	if got := conn.next(t); got != `{"id":"0","type":"next","payload":{"data":{"auditEntryAdded":{"id":"8","action":"for.0"}}}}` {
		t.Error(got)
	}
}

// TestSocketResumes: while several write, a reader who loses the connection again and again,
// and begins behind the last entry that he saw, gets every entry once.
func TestSocketResumes(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	admin := s.Cookie(t, "admin")
	const writers, each, last = 3, 150, "the.last"
	var writing sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for range each {
				record(t, s, "written", nil)
			}
		})
	}
	go func() {
		writing.Wait()
		record(t, s, last, nil)
	}()
	seen, ended, connections := 0, false, 0
	for ; !ended; connections++ {
		conn := connect(t, s, admin)
		conn.subscribe(t, "a", object{"query": added, "variables": object{"after": strconv.Itoa(seen)}})
		for n := 0; n < 71 && !ended; n++ {
			var m struct {
				Type    string
				Payload struct {
					Data struct{ AuditEntryAdded struct{ ID, Action string } }
				}
			}
			text := conn.next(t)
			if err := json.Unmarshal([]byte(text), &m); err != nil || m.Type != "next" {
				t.Fatal(text)
			}
			e := m.Payload.Data.AuditEntryAdded
			if e.ID != strconv.Itoa(seen+1) {
				t.Fatalf("%s follows %d", e.ID, seen)
			}
			seen++
			ended = e.Action == last
		}
		_ = conn.CloseNow()
	}
	if connections < 4 {
		t.Errorf("only %d connections", connections)
	}
}

// TestSocketIsRevoked: a subscription ends with an error when its session does, and the
// connection goes on.
func TestSocketIsRevoked(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true, Recheck: 20 * time.Millisecond})
	cookie := s.Cookie(t, "admin")
	conn := connect(t, s, cookie)
	conn.subscribe(t, "a", object{"query": added, "variables": object{"filter": object{"action": "none"}}})
	awaitRow(t, s, "audit.stream")
	s.Do(t, "POST", "/api/auth/logout", "", "Cookie", cookie)
	if got, want := conn.next(t), `{"id":"a","type":"error","payload":[{"message":"Session expired","extensions":{"auditId":"3","code":"UNAUTHENTICATED"}}]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if end := awaitRow(t, s, "audit.stream.end"); end.Decision != audit.Deny || end.ResultCode != 401 || end.Reason != "ended: Session expired" || end.ID != 3 {
		t.Errorf("%+v", end)
	}
	conn.send(t, `{"type":"ping"}`)
	if got := conn.next(t); got != `{"type":"pong"}` {
		t.Error(got)
	}
}

// TestSocketStrangers: those who are not signed in have few places, wherever they are from, and
// take none of those who are.
func TestSocketStrangers(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	for i := range 16 {
		if _, _, err := dial(t, s, "", "X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i)); err != nil {
			t.Fatal(i, err)
		}
	}
	if _, res, err := dial(t, s, "", "X-Forwarded-For", "192.0.2.99"); err == nil || res == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("%v, %+v", err, res)
	}
	connect(t, s, s.Cookie(t, "admin"))
}

// held is a log whose reads wait.
type held struct {
	audit.Reader
	come chan struct{} // told of each
	open chan struct{} // until it is closed
}

func (h *held) Bounds(ctx context.Context, f audit.Filter) (first, last int64, err error) {
	h.come <- struct{}{}
	select {
	case <-h.open:
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	return h.Reader.Bounds(ctx, f)
}

// TestSocketOperations: a connection has only some operations at once, those that have not
// begun yet included; its other ones go on.
func TestSocketOperations(t *testing.T) {
	t.Parallel()
	const most = 8
	h := &held{come: make(chan struct{}, 2*most), open: make(chan struct{})}
	s := apitest.Start(t, apitest.Options{SilentReads: true, Reader: func(r audit.Reader) audit.Reader { h.Reader = r; return h }})
	conn := connect(t, s, s.Cookie(t, "admin"))
	for i := range most {
		conn.subscribe(t, strconv.Itoa(i), object{"query": added, "variables": object{"after": "0"}})
		<-h.come
	}
	conn.subscribe(t, "more", object{"query": added, "variables": object{"after": "0"}})
	want := `{"id":"more","type":"error","payload":[{"message":"A connection has 8 subscriptions at once","extensions":{"code":"RATE_LIMITED"}}]}`
	if got := conn.next(t); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if rows := s.Rows(t); len(rows) > 0 {
		t.Errorf("rows %+v", rows)
	}
	close(h.open)
	for len(s.Rows(t)) < most { // each of them is let through, or one too many of the user
		continue
	}
}

// TestSocketEndsWithServer: a server that ends closes its connections so that clients come
// again, and waits for their last rows.
func TestSocketEndsWithServer(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	admin := s.Cookie(t, "admin")
	idle, busy := connect(t, s, admin), connect(t, s, admin)
	busy.subscribe(t, "a", object{"query": added, "variables": object{"after": "0"}})
	if got := busy.next(t); !strings.Contains(got, `"id":"1"`) {
		t.Error(got)
	}
	var closed sync.WaitGroup
	for _, c := range []*socket{idle, busy} {
		closed.Go(func() {
			if got := c.next(t); got != "1012 Try again" {
				t.Error(got)
			}
		})
	}
	s.Stop()
	closed.Wait()
	rows := s.Rows(t)
	if end := rows[len(rows)-1]; end.Action != "audit.stream.end" || end.Decision != audit.Allow || end.ResultCode != 503 {
		t.Errorf("%+v", end)
	}
	if diff := cmp.Diff(2, len(rows)); diff != "" {
		t.Errorf("rows, -want +got\n%s", diff)
	}
}
