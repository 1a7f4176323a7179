package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"halite/internal/audit"
	"halite/internal/httpapi/apitest"
	"halite/internal/pgtest"
)

// TestPageBytes is a page to the byte: the order of the keys, times with and without a
// fraction, what is escaped and what is not.
func TestPageBytes(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	c := pgtest.Conn(t, s.DBURL, "halite")
	// Times of this month: it has a partition.
	month := time.Now().UTC().Format("2006-01")
	for _, sql := range []string{
		`INSERT INTO audit_log (id, at, action, resource, args_json, decision, result_code) VALUES
			(1, '` + month + `-01 00:00:00Z', 'auth.login', 'user:mallory', '{"username": "mallory", "password": "<redacted>"}', 'deny', 401)`,
		`INSERT INTO audit_log (id, at, user_id, action, resource, args_json, salt_jid, decision, result_code, duration_ms, username) VALUES
			(2, '` + month + `-01 02:00:00.6780+02:00', '550E8400-E29B-41D4-A716-446655440000', 'salt.run', E'salt:a"b\\c\n\u007f<&>é\u2028😀',
			'{"b": {}, "a": [1, 2.50, -1e3, "é<&>\u2028", null, true], "long": 123456789012345678901234567890}', '20250601123456789012', 'allow', 202, 7, 'not shown')`,
		`INSERT INTO audit_log (id, at, action, resource, decision, result_code) VALUES (3, '` + month + `-01 00:00:00.000001Z', 'a', '', 'allow', 200)`,
		`UPDATE audit_head SET last_id = 3, last_at = '` + month + `-01 00:00:00.678Z'`,
	} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Do(t, "GET", "/api/audit", "", "Cookie", s.Cookie(t, "admin"))
	want := `{"total":3,"entries":[` +
		`{"id":3,"at":"M-01T00:00:00.000001Z","user_id":null,"action":"a","resource":"","args_json":null,"salt_jid":null,"decision":"allow","result_code":200,"duration_ms":0},` +
		`{"id":2,"at":"M-01T00:00:00.678000Z","user_id":"550e8400-e29b-41d4-a716-446655440000","action":"salt.run","resource":"salt:a\"b\\c\n` + "\u007f<&>é\u2028😀" + `",` +
		`"args_json":{"a":[1,2.50,-1000,"é<&>` + "\u2028" + `",null,true],"b":{},"long":123456789012345678901234567890},"salt_jid":"20250601123456789012",` +
		`"decision":"allow","result_code":202,"duration_ms":7},` +
		`{"id":1,"at":"M-01T00:00:00Z","user_id":null,"action":"auth.login","resource":"user:mallory",` +
		`"args_json":{"password":"<redacted>","username":"mallory"},"salt_jid":null,"decision":"deny","result_code":401,"duration_ms":0}]}`
	if diff := cmp.Diff(strings.ReplaceAll(want, `"M-`, `"`+month+`-`), got.Body); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Content-Length") != fmt.Sprint(len(got.Body)) {
		t.Errorf("header %v", got.Header)
	}
	graphQL := s.Query(t, s.Cookie(t, "admin"), `{ auditEntries(offset: 1, limit: 1) { entries { id at userId saltJid argsJson decision username verb } } }`, nil)
	wantData := `{"auditEntries":{"entries":[{"id":"2","at":"` + month + `-01T00:00:00.678000Z","userId":"550e8400-e29b-41d4-a716-446655440000","saltJid":"20250601123456789012",` +
		`"argsJson":{"a": [1, 2.50, -1000, "é<&>` + "\u2028" + `", null, true], "b": {}, "long": 123456789012345678901234567890},"decision":"ALLOW","username":"not shown","verb":null}]}}`
	if diff := cmp.Diff(wantData, string(graphQL.Data)); diff != "" {
		t.Errorf("GraphQL, -want +got\n%s", diff)
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	for i := range 10 { // ten refusals, so that there is something to page through
		s.Do(t, "GET", fmt.Sprintf("/api/audit?limit=%d", i), "")
	}
	admin := s.Cookie(t, "admin")
	link := func(query, rel string) string { return `</api/audit?` + query + `>; rel="` + rel + `"` }
	for query, want := range map[string][]string{
		"":                            nil,
		"?limit=10":                   nil,
		"?limit=4":                    {link("limit=4&offset=4", "next")},
		"?limit=4&offset=4":           {link("limit=4&offset=8", "next"), link("limit=4&offset=0", "prev")},
		"?limit=4&offset=8":           {link("limit=4&offset=4", "prev")},
		"?limit=4&offset=6":           {link("limit=4&offset=2", "prev")},
		"?limit=4&offset=2":           {link("limit=4&offset=6", "next"), link("limit=4&offset=0", "prev")},
		"?limit=4&offset=100":         {link("limit=4&offset=6", "prev")},
		"?offset=9223372036854775807": {link("limit=50&offset=0", "prev")},
		"?limit=4&action=audit.list&x=%C3%A9+%26": {link("action=audit.list&limit=4&offset=4&x=%C3%A9+%26", "next")},
		"?limit=4&action=audit.list&x=a;b&y=%zz":  {link("action=audit.list&limit=4&offset=4&x=a%3Bb&y=%25zz", "next")},
		"?limit=4&action=none":                    nil,
		"?limit=1&limit=4&offset=%2B4":            {link("limit=4&offset=8", "next"), link("limit=4&offset=0", "prev")},
	} {
		got := s.Do(t, "GET", "/api/audit"+query, "", "Cookie", admin)
		if diff := cmp.Diff(want, got.Header.Values("Link")); diff != "" || got.Status != 200 {
			t.Errorf("%s: status %d, links -want +got\n%s", query, got.Status, diff)
		}
	}
	// Whoever follows the links sees each entry once.
	seen := map[string]bool{}
	for path := "/api/audit?limit=3"; path != ""; {
		got := s.Do(t, "GET", path, "", "Cookie", admin)
		for _, e := range strings.Split(got.Body, `{"id":`)[1:] {
			id, _, _ := strings.Cut(e, ",")
			if seen[id] {
				t.Errorf("entry %s is on two pages", id)
			}
			seen[id] = true
		}
		path = ""
		for _, l := range got.Header.Values("Link") {
			if before, ok := strings.CutSuffix(l, `>; rel="next"`); ok {
				path = before[1:]
			}
		}
	}
	if len(seen) != 10 {
		t.Errorf("%d of 10 entries were on a page", len(seen))
	}
}

// TestParity asks both edges the same: the rows, the total and the kind of row that
// the question leaves are the same.
func TestParity(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	admin := s.Cookie(t, "admin")
	for i := range 6 {
		s.Do(t, "POST", "/api/auth/login", fmt.Sprintf(`{"username":"u%d","password":"x"}`, i))
		s.Do(t, "GET", "/api/audit", "", "Cookie", s.Cookie(t, []string{"viewer", "operator", "admin"}[i%3]))
	}
	page, err := s.DB.List(t.Context(), audit.Query{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	fixed := page.Entries[0].At // what is asked below writes rows after this moment
	first, middle := page.Entries[11].At.Format(time.RFC3339Nano), page.Entries[5].At.Format(time.RFC3339Nano)
	until := fixed.Add(time.Microsecond).Format(time.RFC3339Nano)
	user := s.ID("operator").UUID.String()
	type variables = map[string]any
	const tail = "&until="
	for _, c := range []struct {
		rest    string
		filter  variables
		limit   any
		offset  any
		invalid bool
		exactly int // entries
	}{
		{rest: "", filter: variables{}, exactly: 12},
		{rest: "limit=5&offset=2", limit: 5, offset: 2, exactly: 5},
		{rest: "limit=500&offset=11", limit: 500, offset: 11, exactly: 1},
		{rest: "limit=1&offset=12", limit: 1, offset: 12},
		{rest: "offset=9223372036854775807", offset: int64(9223372036854775807)},
		{rest: "user_id=" + user, filter: variables{"userId": user}, exactly: 2},
		{rest: "action=auth.login", filter: variables{"action": "auth.login"}, exactly: 6},
		{rest: "action=AUTH.login", filter: variables{"action": "AUTH.login"}},
		{rest: "action=", filter: variables{"action": ""}},
		{rest: "action=a%00b", filter: variables{"action": "a\x00b"}},
		{rest: "since=" + middle, filter: variables{"since": middle}, exactly: 6},
		{rest: "since=" + first + "&action=audit.list", filter: variables{"since": first, "action": "audit.list"}, exactly: 6},
		{rest: "user_id=" + user + "&action=audit.list&limit=1&offset=1", filter: variables{"userId": user, "action": "audit.list"}, limit: 1, offset: 1, exactly: 1},
		{rest: "limit=0", limit: 0, invalid: true},
		{rest: "limit=-1", limit: -1, invalid: true},
		{rest: "limit=501", limit: 501, invalid: true},
		{rest: "offset=-1", offset: -1, invalid: true},
		{rest: "limit=9223372036854775807", limit: int64(9223372036854775807), invalid: true},
		{rest: "limit=501&offset=-5", limit: 501, offset: -5, invalid: true},
	} {
		filter := variables{"until": until}
		for k, v := range c.filter {
			filter[k] = v
		}
		vars := variables{"filter": filter}
		query := `query ($filter: AuditFilter, $limit: Int! = 50, $offset: Int! = 0) {
			auditEntries(filter: $filter, limit: $limit, offset: $offset) { total entries { id } } }`
		if c.limit != nil {
			vars["limit"] = c.limit
		}
		if c.offset != nil {
			vars["offset"] = c.offset
		}
		before := len(s.Rows(t))
		rest := s.Do(t, "GET", "/api/audit?"+c.rest+tail+until, "", "Cookie", admin)
		gql := s.Query(t, admin, query, vars)
		rows := s.Rows(t)[before:]
		if len(rows) != 2 {
			t.Errorf("%s: %d rows", c.rest, len(rows))
			continue
		}
		rows[1].ID = rows[0].ID
		if diff := apitest.Diff(rows[:1], rows[1:]); diff != "" {
			t.Errorf("%s: rows, -REST +GraphQL\n%s", c.rest, diff)
		}
		if c.invalid {
			if rest.Status != 422 || rows[0].ResultCode != 422 || rows[0].Decision != audit.Allow ||
				fmt.Sprint(gql.Codes()) != "[BAD_USER_INPUT]" || string(gql.Data) != `{"auditEntries":null}` {
				t.Errorf("%s: REST %d, GraphQL %s, row %+v", c.rest, rest.Status, gql.Body, rows[0])
			}
			continue
		}
		var got, want struct{ total, entries string }
		got.total, got.entries = digest(rest.Body)
		want.total, want.entries = digest(strings.ReplaceAll(string(gql.Data), `"id":"`, `"id":`))
		if got != want || strings.Count(got.entries, " ") != c.exactly || rest.Status != 200 || len(gql.Errors) > 0 {
			t.Errorf("%s: REST %d %v, GraphQL %v %v, %d entries were due", c.rest, rest.Status, got, want, gql.Errors, c.exactly)
		}
	}
}

// digest is the total and the ids of a page in either form.
func digest(body string) (total, ids string) {
	_, after, _ := strings.Cut(body, `"total":`)
	total, _, _ = strings.Cut(after, ",")
	for _, e := range strings.Split(body, `"id":`)[1:] {
		ids += strings.TrimRight(e[:strings.IndexAny(e, `,"}`)], `"`) + " "
	}
	return total, ids
}

// TestParityDecision: the enum of GraphQL and the text of REST are the same decision.
func TestParityDecision(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	admin := s.Cookie(t, "admin")
	s.Do(t, "GET", "/api/audit", "", "Cookie", s.Cookie(t, "viewer"))
	s.Do(t, "GET", "/api/audit", "", "Cookie", admin)
	rest := s.Do(t, "GET", "/api/audit?decision=deny", "", "Cookie", admin)
	gql := s.Query(t, admin, `{ auditEntries(filter: {decision: DENY}) { total entries { id decision } } }`, nil)
	if !strings.HasPrefix(rest.Body, `{"total":1,"entries":[{"id":1,`) ||
		string(gql.Data) != `{"auditEntries":{"total":1,"entries":[{"id":"1","decision":"DENY"}]}}` {
		t.Errorf("REST %s, GraphQL %s", rest.Body, gql.Body)
	}
	rows := s.Rows(t)[2:]
	rows[1].ID = rows[0].ID
	if diff := apitest.Diff(rows[:1], rows[1:]); diff != "" {
		t.Errorf("rows, -REST +GraphQL\n%s", diff)
	}
}
