package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"halite/internal/audit"
	"halite/internal/export"
	"halite/internal/guard"
	"halite/internal/httpapi/apitest"
	"halite/internal/live"
	"halite/internal/pgtest"
)

const streamPath = "/api/audit/stream"

// events is a stream as its client sees it.
type events struct {
	*http.Response
	in *bufio.Reader
}

// event is one of them. A field that was not sent is empty.
type event struct{ id, name, data, comment, retry string }

// listen opens a stream. The header is given as name, value, name, value.
func listen(t *testing.T, s *apitest.Server, cookie, query string, header ...string) *events {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+streamPath+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", cookie)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return &events{res, bufio.NewReader(res.Body)}
}

// next is the next event; the error is that of the connection.
func (s *events) next() (e event, err error) {
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return e, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			return e, nil
		case name == "":
			e.comment = value
		case name == "id":
			e.id = value
		case name == "event":
			e.name = value
		case name == "data":
			e.data += value
		case name == "retry":
			e.retry = value
		}
	}
}

func (s *events) mustNext(t *testing.T) event {
	t.Helper()
	e, err := s.next()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// record leaves a row.
func record(ctx context.Context, s *apitest.Server, action string, args map[string]any) error {
	return s.Guard.Do(guard.WithCaller(ctx, &guard.Caller{Name: "system:test"}), guard.Action{
		Name: action, Resource: "x:y", Args: args, Anonymous: true, Judge: guard.Allowed("a test"),
	}, func(context.Context) error { return nil })
}

func mustRecord(t *testing.T, s *apitest.Server, action string) {
	t.Helper()
	if err := record(t.Context(), s, action, nil); err != nil {
		t.Fatal(err)
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

// TestStreamRoute is GET /api/audit/stream for those who do not get it, and the rows they
// leave.
func TestStreamRoute(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	row := func(user string, decision audit.Decision, code int, args, reason string) []audit.Entry {
		return []audit.Entry{s.Row(user, "audit.stream", "view", "audit:*", decision, code, args, reason)}
	}
	forbidden := func(place, name, value string) string {
		return `{"type":"extra_forbidden","loc":["` + place + `","` + name + `"],"msg":"Extra inputs are not permitted","input":"` + value + `"}`
	}
	const get = "GET"
	admin := s.Cookie(t, "admin")
	run(t, s, []step{
		{
			name: "no cookie", method: get, path: streamPath, status: 401, body: `{"detail":"Not authenticated"}`,
			rows: row("", audit.Deny, 401, `{}`, "not authenticated"),
		},
		{
			name: "not permitted", method: get, path: streamPath + "?action=a.b&after=1", cookie: s.Cookie(t, "viewer"), status: 403, body: `{"detail":"Forbidden"}`,
			rows: row("viewer", audit.Deny, 403, `{"after":"1","filter":{"action":"a.b"}}`, reasonViewer),
		},
		{
			name: "what a stream does not have", method: get, path: streamPath + "?until=x&since=y&limit=1&offset=2&user_id=3", cookie: admin, status: 422,
			body: `{"detail":[{"type":"uuid_parsing","loc":["query","user_id"],"msg":"Input should be a valid UUID, invalid length: expected length 32 for simple format, found 1","input":"3",` +
				`"ctx":{"error":"invalid length: expected length 32 for simple format, found 1"}},` +
				forbidden("query", "since", "y") + `,` + forbidden("query", "until", "x") + `,` + forbidden("query", "limit", "1") + `,` + forbidden("query", "offset", "2") + `]}`,
			rows: row("admin", audit.Allow, 422, `{"filter":{"since":"y","until":"x","user_id":"3"},"limit":1,"offset":2}`, reasonAdmin),
		},
		{
			name: "no number", method: get, path: streamPath + "?after=x", cookie: admin, status: 422,
			body: `{"detail":[{"type":"int_parsing","loc":["query","after"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"x"}]}`,
			rows: row("admin", audit.Allow, 422, `{"after":"x"}`, reasonAdmin),
		},
		{
			name: "beyond the log, whatever after says", method: get, path: streamPath + "?after=1", header: []string{"Last-Event-ID", "5"}, cookie: admin, status: 422,
			body: `{"detail":[{"type":"value_error","loc":["header","Last-Event-ID"],"msg":"Value error, after: should be from 0 to 4, the last entry","input":"5",` +
				`"ctx":{"error":"after: should be from 0 to 4, the last entry"}}]}`,
			rows: row("admin", audit.Allow, 422, `{"after":"5"}`, reasonAdmin),
		},
		{
			name: "another method", method: "POST", path: streamPath, cookie: admin, status: 405, body: `{"detail":"Method Not Allowed"}`,
			sets: map[string]string{"Allow": "GET"},
		},
	})
}

// TestStreamOfEntries: from its own row on, or behind an id, what the filter selects comes as
// an export writes it; what ends it is recorded.
func TestStreamOfEntries(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	admin := s.Cookie(t, "admin")
	mustRecord(t, s, "before")
	st := listen(t, s, admin, "?action=wanted")
	h := st.Header
	if st.StatusCode != http.StatusOK || h.Get("Content-Type") != "text/event-stream" || h.Get("X-Audit-Id") != "2" || h.Get("Cache-Control") != "no-store" || h.Get("X-Accel-Buffering") != "no" {
		t.Errorf("%d %v", st.StatusCode, h)
	}
	if diff := cmp.Diff(event{id: "2", retry: "2000"}, st.mustNext(t), cmp.AllowUnexported(event{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for _, action := range []string{"wanted", "other", "wanted"} {
		mustRecord(t, s, action)
	}
	var lines export.Lines
	for _, id := range []int64{3, 5} {
		e, err := s.DB.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		want := event{id: strconv.FormatInt(id, 10), data: string(lines.Append(nil, &e))}
		if diff := cmp.Diff(want, st.mustNext(t), cmp.AllowUnexported(event{})); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
	_ = st.Body.Close()
	end := awaitRow(t, s, "audit.stream.end")
	if end.ResultCode != 499 || end.Decision != audit.Allow || string(end.Args) != `{"began": 2, "count": 2}` {
		t.Errorf("%+v, %s", end, end.Args)
	}
	// With an id it begins behind that, its own row included.
	st = listen(t, s, admin, "?after=5", "Last-Event-ID", "")
	var got []string
	for range 3 {
		got = append(got, st.mustNext(t).id)
	}
	if want := []string{"5", "6", "7"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestStreamResumes: while several write, readers that are cut and come again with the last
// id that they saw get every entry once.
func TestStreamResumes(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	const writers, each, last = 4, 150, "the.last"
	var writing, reading sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for range each {
				if err := record(t.Context(), s, "written", nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, name := range []string{"admin", "operator"} {
		cookie := s.Cookie(t, name)
		reading.Go(func() {
			seen, ended, connections := int64(0), false, 0
			for ; !ended; connections++ {
				st := listen(t, s, cookie, "?after=0", "Last-Event-ID", strconv.FormatInt(seen, 10))
				if st.StatusCode != http.StatusOK {
					t.Errorf("status %d", st.StatusCode)
					return
				}
				for n := 0; n < 97 && !ended; n++ {
					e, err := st.next()
					if err != nil {
						t.Error(err)
						return
					}
					id, _ := strconv.ParseInt(e.id, 10, 64)
					if e.data == "" { // how far it is
						if id < seen {
							t.Errorf("%d after %d", id, seen)
						}
						continue
					}
					if id != seen+1 {
						t.Errorf("%d follows %d", id, seen)
					}
					seen, ended = id, strings.Contains(e.data, `"action":"`+last+`"`)
				}
				_ = st.Body.Close()
			}
			if connections < 4 {
				t.Errorf("%s: only %d connections", name, connections)
			}
		})
	}
	writing.Wait()
	mustRecord(t, s, last)
	reading.Wait()
}

// TestStreamsAtOnce: a user has only some at once, and is told when there are more.
func TestStreamsAtOnce(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	admin := s.Cookie(t, "admin")
	var open []*events
	for range live.MaxPerUser {
		st := listen(t, s, admin, "")
		st.mustNext(t)
		open = append(open, st)
	}
	got := s.Do(t, "GET", streamPath, "", "Cookie", admin)
	row := s.Row("admin", "audit.stream", "view", "audit:*", audit.Allow, 429, `{}`, reasonAdmin)
	row.ID = live.MaxPerUser + 1
	if diff := apitest.Diff([]audit.Entry{row}, s.Rows(t)[live.MaxPerUser:]); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got.Status != http.StatusTooManyRequests || got.Header.Get("Retry-After") != "10" {
		t.Errorf("status %d, %v, %s", got.Status, got.Header, got.Body)
	}
	if st := listen(t, s, s.Cookie(t, "operator"), ""); st.StatusCode != http.StatusOK {
		t.Errorf("another user: status %d", st.StatusCode)
	}
	_ = open[0].Body.Close()
	awaitRow(t, s, "audit.stream.end")
	for { // the place is free when the request has ended
		st := listen(t, s, admin, "")
		_ = st.Body.Close()
		if st.StatusCode == http.StatusOK {
			break
		}
	}
}

// TestStreamIsSlow: who does not take what is sent is cut off; those who write do not notice.
func TestStreamIsSlow(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{Patience: 300 * time.Millisecond})
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n\r\n", streamPath, s.Cookie(t, "admin")); err != nil {
		t.Fatal(err)
	}
	awaitRow(t, s, "audit.stream")
	filler := map[string]any{"filler": strings.Repeat("x", 30<<10)}
	ended := func() bool {
		action := "audit.stream.end"
		entries, err := s.DB.Ascend(t.Context(), audit.Filter{Action: &action}, 1, 1<<40, 1)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries) > 0
	}
	written := 0
	for ; !ended(); written++ { // until all buffers between here and there are full
		if err := record(t.Context(), s, "large", filler); err != nil {
			t.Fatal(err)
		}
	}
	end := awaitRow(t, s, "audit.stream.end")
	var args struct{ Count int }
	if err := json.Unmarshal(end.Args, &args); err != nil || end.ResultCode != 499 || args.Count > written {
		t.Errorf("%+v of %d, %v", end, written, err)
	}
}

// TestStreamIsRevoked: a stream ends when its session or its permission does, and says why.
func TestStreamIsRevoked(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{Recheck: 20 * time.Millisecond})
	db := pgtest.Conn(t, s.DBURL, "halite")
	cookie := s.Cookie(t, "operator")
	for _, c := range []struct {
		revoke     func()
		end        string
		code       int
		reason     string
		comesAgain int
	}{
		{
			func() {
				if _, err := db.Exec(t.Context(), "DELETE FROM user_roles WHERE user_id = $1", s.ID("operator")); err != nil {
					t.Fatal(err)
				}
			},
			`{"code":"FORBIDDEN","message":"Forbidden"}`, 403, "ended: Forbidden", 403,
		},
		{
			func() { s.Do(t, "POST", "/api/auth/logout", "", "Cookie", cookie) },
			`{"code":"UNAUTHENTICATED","message":"Session expired"}`, 401, "ended: Session expired", 401,
		},
	} {
		st := listen(t, s, cookie, "?action=none")
		st.mustNext(t)
		c.revoke()
		if diff := cmp.Diff(event{name: "end", data: c.end}, st.mustNext(t), cmp.AllowUnexported(event{})); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if e, err := st.next(); err == nil {
			t.Errorf("it goes on with %+v", e)
		}
		rows := s.Rows(t)
		end := rows[len(rows)-1]
		if end.Action != "audit.stream.end" || end.Decision != audit.Deny || end.ResultCode != c.code || end.Reason != c.reason {
			t.Errorf("%+v", end)
		}
		if again := listen(t, s, cookie, ""); again.StatusCode != c.comesAgain {
			t.Errorf("status %d, want %d", again.StatusCode, c.comesAgain)
		}
		if _, err := db.Exec(t.Context(), "INSERT INTO user_roles (user_id, role_id) SELECT $1, id FROM roles WHERE name = 'operator' ON CONFLICT DO NOTHING", s.ID("operator")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStreamBeats: a stream that has nothing to say is heard of, and outlives the time that a
// request may take to be read.
func TestStreamBeats(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{Beat: 50 * time.Millisecond, ReadTimeout: 100 * time.Millisecond})
	st := listen(t, s, s.Cookie(t, "admin"), "?action=none")
	st.mustNext(t)
	for range 8 {
		if diff := cmp.Diff(event{comment: "nothing new", id: "1"}, st.mustNext(t), cmp.AllowUnexported(event{})); diff != "" {
			t.Fatalf("-want +got\n%s", diff)
		}
	}
	mustRecord(t, s, "other")
	for st.mustNext(t).id != "2" { // it tells that it looked at that too
		continue
	}
}

// TestStreamFromElsewhere: pages of other origins get none, unless they are allowed.
func TestStreamFromElsewhere(t *testing.T) {
	t.Parallel()
	const friend = "https://friend.example"
	s := apitest.Start(t, apitest.Options{AllowedOrigins: []string{friend}})
	admin := s.Cookie(t, "admin")
	for _, c := range []struct {
		header []string
		status int
	}{
		{[]string{"Origin", "https://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-site", "Origin", "https://evil.example"}, 403},
		{[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		{[]string{"Origin", friend, "Sec-Fetch-Site", "cross-site"}, 200},
	} {
		before := len(s.Rows(t))
		st := listen(t, s, admin, "", c.header...)
		_ = st.Body.Close()
		if st.StatusCode != c.status || c.status == 403 && len(s.Rows(t)) != before {
			t.Errorf("%v: status %d, %d rows", c.header, st.StatusCode, len(s.Rows(t))-before)
		}
		if c.status == 200 && c.header[0] == "Origin" && st.Header.Get("Access-Control-Allow-Origin") != friend {
			t.Errorf("%v: %v", c.header, st.Header)
		}
		if c.status == 200 {
			for { // its row comes when it has noticed
				rows := s.Rows(t)
				if rows[len(rows)-1].Action == "audit.stream.end" {
					break
				}
			}
		}
	}
	preflight := s.Do(t, "OPTIONS", streamPath, "", "Origin", friend, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "last-event-id")
	if preflight.Header.Get("Access-Control-Allow-Headers") == "" {
		t.Errorf("%v", preflight.Header)
	}
}
