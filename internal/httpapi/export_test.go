package httpapi_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/httpapi/apitest"
	"halite/internal/pgtest"
)

const exportPath = "/api/audit/export"

// TestExportRoute is GET /api/audit/export for everybody, and the rows it leaves.
func TestExportRoute(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	export := func(user string, decision audit.Decision, code int, args, reason string) []audit.Entry {
		return []audit.Entry{s.Row(user, "audit.export", "export", "audit:*", decision, code, args, reason)}
	}
	// done is what an export leaves that is the n-th row.
	done := func(args string, n, count int) []audit.Entry {
		end := s.Row("admin", "audit.export.end", "export", "audit:*", audit.Allow, 200, fmt.Sprintf(`{"began":%d,"count":%d}`, n, count), fmt.Sprintf("let through by entry %d", n))
		return append(export("admin", audit.Allow, 200, args, reasonAdmin), end)
	}
	const get = "GET"
	run := func(c step) string { // X-Audit-Id is sent before the last row is written
		t.Helper()
		before := len(s.Rows(t))
		got := s.Do(t, get, c.path, "", "Cookie", c.cookie)
		rows := s.Rows(t)[before:]
		for i := range c.rows {
			c.rows[i].ID = int64(before + 1 + i)
		}
		if diff := apitest.Diff(c.rows, rows); diff != "" {
			t.Errorf("%s: rows, -want +got\n%s", c.name, diff)
		}
		if got.Status != c.status || got.Header.Get("X-Audit-Id") != fmt.Sprint(before+1) {
			t.Errorf("%s: status %d, X-Audit-Id %q: %s", c.name, got.Status, got.Header.Get("X-Audit-Id"), got.Body)
		}
		if c.body != "*" && got.Body != c.body {
			t.Errorf("%s: body, -want +got\n%s", c.name, cmp.Diff(c.body, got.Body))
		}
		for name, value := range c.sets {
			if got.Header.Get(name) != value {
				t.Errorf("%s: %s %q, want %q", c.name, name, got.Header.Get(name), value)
			}
		}
		return got.Body
	}
	run(step{
		name: "no cookie", path: exportPath, status: 401, body: `{"detail":"Not authenticated"}`,
		rows: export("", audit.Deny, 401, `{"format":"ndjson"}`, "not authenticated"),
	})
	run(step{
		name: "who may view may not export", path: exportPath + "?format=csv", cookie: s.Cookie(t, "operator"), status: 403, body: `{"detail":"Forbidden"}`,
		rows: export("operator", audit.Deny, 403, `{"format":"csv"}`, "no match among 7 permissions of role operator"),
	})
	run(step{
		name: "bad input", path: exportPath + "?format=xml&since=x&limit=9&offset=-1", cookie: s.Cookie(t, "admin"), status: 422,
		body: `{"detail":[{"type":"datetime_from_date_parsing","loc":["query","since"],"msg":"Input should be a valid datetime or date, input is too short","input":"x","ctx":{"error":"input is too short"}},` +
			`{"type":"enum","loc":["query","format"],"msg":"Input should be 'ndjson' or 'csv'","input":"xml","ctx":{"expected":"'ndjson' or 'csv'"}},` +
			`{"type":"extra_forbidden","loc":["query","limit"],"msg":"Extra inputs are not permitted","input":"9"},` +
			`{"type":"extra_forbidden","loc":["query","offset"],"msg":"Extra inputs are not permitted","input":"-1"}]}`,
		rows: export("admin", audit.Allow, 422, `{"filter":{"since":"x"},"format":"xml","limit":9,"offset":-1}`, reasonAdmin),
	})
	body := run(step{
		name: "all", path: exportPath, cookie: s.Cookie(t, "admin"), status: 200, body: "*", rows: done(`{"format":"ndjson"}`, 4, 3),
		sets: map[string]string{
			"Content-Type": "application/x-ndjson", "Content-Disposition": `attachment; filename="halite-audit-1-3.ndjson"`,
			"Cache-Control": "no-store", "Vary": "Accept-Encoding",
		},
	})
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], `{"id":1,`) || !strings.HasPrefix(lines[3], `{"footer":{"count":3,"first_id":1,"last_id":3,"filter":null,`) {
		t.Errorf("%s", body)
	}
	body = run(step{
		name: "a filter", path: exportPath + "?format=csv&decision=deny", cookie: s.Cookie(t, "admin"), status: 200, body: "*",
		rows: done(`{"filter":{"decision":"deny"},"format":"csv"}`, 6, 2),
		sets: map[string]string{"Content-Type": "text/csv; charset=utf-8; header=present", "Content-Disposition": `attachment; filename="halite-audit-1-5.csv"`},
	})
	r := csv.NewReader(strings.NewReader(body))
	r.FieldsPerRecord = -1
	if records, err := r.ReadAll(); err != nil || len(records) != 4 || records[2][0] != "2" || !strings.HasPrefix(records[3][0], `#footer {"count":2,`) {
		t.Errorf("%v, %s", err, body)
	}
	run(step{
		name: "nothing", path: exportPath + "?until=2001-01-01T00:00:00Z", cookie: s.Cookie(t, "admin"), status: 200, body: "*",
		rows: done(`{"filter":{"until":"2001-01-01T00:00:00Z"},"format":"ndjson"}`, 8, 0),
	})
}

// TestExportCompresses: gzip for who takes it.
func TestExportCompresses(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	admin := s.Cookie(t, "admin")
	for range 3 {
		s.Do(t, "GET", "/api/audit", "", "Cookie", admin)
	}
	for _, c := range []struct {
		accept string
		packed bool
	}{
		{"gzip", true}, {"br, GZIP;q=0.5", true}, {"*", true}, {"identity", false}, {"gzip;q=0", false}, {"gzip; q=0.0, br", false},
	} {
		got := s.Do(t, "GET", exportPath+"?until=2100-01-01T00:00:00Z", "", "Cookie", admin, "Accept-Encoding", c.accept)
		if (got.Header.Get("Content-Encoding") == "gzip") != c.packed {
			t.Errorf("%s: %v", c.accept, got.Header)
			continue
		}
		text := got.Body
		if c.packed {
			z, err := gzip.NewReader(strings.NewReader(got.Body))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(z)
			if err != nil {
				t.Fatal(err)
			}
			text = string(b)
		}
		last := text[strings.LastIndex(strings.TrimSuffix(text, "\n"), "\n")+1:]
		var footer struct{ Footer struct{ Count, Last_ID int } } //nolint:revive // a name of the wire
		if err := json.Unmarshal([]byte(last), &footer); err != nil || footer.Footer.Count < 3 || footer.Footer.Count != footer.Footer.Last_ID {
			t.Errorf("%s: %v, %s", c.accept, err, last)
		}
	}
}

// slowLog is a reader that hands out two batches and then waits.
type slowLog struct {
	audit.Reader
	batches chan error // the answer of each read beyond the first
}

func (l slowLog) Bounds(context.Context, audit.Filter) (first, last int64, err error) {
	return 1, 100_000, nil
}

func (l slowLog) Ascend(ctx context.Context, _ audit.Filter, first, _ int64, limit int) ([]audit.Entry, error) {
	if first > 1 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case err := <-l.batches:
			if err != nil {
				return nil, err
			}
		}
	}
	out := make([]audit.Entry, limit)
	for i := range out {
		out[i] = audit.Entry{ID: first + int64(i), At: time.Unix(0, 0), Action: "a.b", Resource: "a:b", Decision: audit.Allow, ResultCode: 200}
	}
	return out, nil
}

// begin starts an export and returns its answer, whose first line has come.
func begin(t *testing.T, s *apitest.Server, cookie string) (*http.Response, *bufio.Reader) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+exportPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", cookie)
	req.Header.Set("Accept-Encoding", "identity") // compressed it all fits into the buffers
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		return res, nil
	}
	body := bufio.NewReader(res.Body)
	if _, err := body.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return res, body
}

// ends waits for the last row to be that of an export's end with this code.
func ends(t *testing.T, s *apitest.Server, code int) {
	t.Helper()
	for {
		rows, err := s.DB.List(t.Context(), audit.Query{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if e := rows.Entries[0]; e.Action == "audit.export.end" {
			if e.ResultCode != code {
				t.Errorf("%+v, want %d", e, code)
			}
			return
		}
	}
}

// TestExportIsCut: an answer that could not be finished is seen to be cut, by HTTP and by
// its missing footer, and its last row says why.
func TestExportIsCut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cut  func(s *apitest.Server, log slowLog, res *http.Response)
		code int
	}{
		"the database fails": {func(_ *apitest.Server, log slowLog, _ *http.Response) { log.batches <- errors.New("gone") }, 500},
		"the server ends":    {func(s *apitest.Server, _ slowLog, _ *http.Response) { s.Guard.EndStreams() }, 503},
		"the client goes":    {func(_ *apitest.Server, _ slowLog, res *http.Response) { _ = res.Body.Close() }, 499},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := slowLog{batches: make(chan error)}
			s := apitest.Start(t, apitest.Options{Reader: func(r audit.Reader) audit.Reader { log.Reader = r; return log }})
			res, body := begin(t, s, s.Cookie(t, "admin"))
			c.cut(s, log, res)
			rest, err := io.ReadAll(body)
			if err == nil || strings.Contains(string(rest), "footer") {
				t.Errorf("%v, %.200s", err, rest)
			}
			ends(t, s, c.code)
		})
	}
}

// TestExportsAtOnce: beyond four the next is turned away, with a row; one that ends makes room.
func TestExportsAtOnce(t *testing.T) {
	t.Parallel()
	log := slowLog{batches: make(chan error)}
	s := apitest.Start(t, apitest.Options{Reader: func(r audit.Reader) audit.Reader { log.Reader = r; return log }})
	admin := s.Cookie(t, "admin")
	for range 4 {
		if res, _ := begin(t, s, admin); res.StatusCode != http.StatusOK {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
	got := s.Do(t, "GET", exportPath, "", "Cookie", admin)
	if got.Status != http.StatusTooManyRequests || got.Header.Get("Retry-After") != "10" || !strings.Contains(got.Body, "4 exports are under way") {
		t.Errorf("status %d, %v, %s", got.Status, got.Header, got.Body)
	}
	row := s.Row("admin", "audit.export", "export", "audit:*", audit.Allow, 429, `{"format":"ndjson"}`, reasonAdmin)
	row.ID = 5
	if diff := apitest.Diff([]audit.Entry{row}, s.Rows(t)[4:]); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	log.batches <- errors.New("gone") // one of the four
	ends(t, s, 500)
	if res, _ := begin(t, s, admin); res.StatusCode != http.StatusOK {
		t.Errorf("after one has ended: status %d", res.StatusCode)
	}
}

// TestCallerAgain: who a session belongs to, and what he may do, is looked up anew, until
// the session ends.
func TestCallerAgain(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	cookie := s.Cookie(t, "operator")
	req := httptest.NewRequestWithContext(t.Context(), "GET", exportPath, nil)
	req.Header.Set("Cookie", cookie)
	caller := &guard.Caller{}
	req = req.WithContext(guard.WithCaller(req.Context(), caller))
	if _, err := s.Auth.Authenticate(req, http.Header{}); err != nil {
		t.Fatal(err)
	}
	if _, err := pgtest.Conn(t, s.DBURL, "halite").Exec(t.Context(), "DELETE FROM user_roles WHERE user_id = $1", s.ID("operator")); err != nil {
		t.Fatal(err)
	}
	if p, err := caller.Again(t.Context()); err != nil || p.Username != "operator" || guard.Decide(p, "view", "audit:*").Allowed {
		t.Errorf("without a role: %+v, %v", p, err)
	}
	if got := s.Do(t, "POST", "/api/auth/logout", "", "Cookie", cookie); got.Status != http.StatusNoContent {
		t.Fatalf("status %d", got.Status)
	}
	if p, err := caller.Again(t.Context()); fault.From(err).Code != fault.Unauthenticated || fault.From(err).Message != "Session expired" {
		t.Errorf("signed out: %+v, %v", p, err)
	}
}
