package graph_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"halite/internal/audit"
	"halite/internal/httpapi/apitest"
)

// connection is an answer of auditLog.
type connection struct {
	Edges []struct {
		Cursor string
		Node   struct{ ID string }
	}
	PageInfo struct {
		HasNextPage, HasPreviousPage bool
		StartCursor, EndCursor       *string
	}
	TotalCount int
}

// String is the ids of the edges, and what pageInfo says: < there are newer ones, > there
// are older ones.
func (c connection) String() string {
	var ids []string
	for _, e := range c.Edges {
		ids = append(ids, e.Node.ID)
	}
	out := strings.Join(ids, " ")
	if c.PageInfo.HasPreviousPage {
		out = "<" + out
	}
	if c.PageInfo.HasNextPage {
		out += ">"
	}
	return out
}

const connectionQuery = `query($filter: AuditFilter, $first: Int, $after: String, $last: Int, $before: String) {
	auditLog(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
		edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }`

func askConnection(t *testing.T, s *apitest.Server, cookie string, args map[string]any) connection {
	t.Helper()
	r := s.Query(t, cookie, connectionQuery, args)
	var data struct{ AuditLog *connection }
	if err := json.Unmarshal(r.Data, &data); err != nil || data.AuditLog == nil || len(r.Errors) > 0 {
		t.Fatalf("%v: %v, %s", args, err, r.Body)
	}
	c := *data.AuditLog
	// The cursors of pageInfo are those of the first and the last edge.
	if n := len(c.Edges); n == 0 && (c.PageInfo.StartCursor != nil || c.PageInfo.EndCursor != nil) ||
		n > 0 && (*c.PageInfo.StartCursor != c.Edges[0].Cursor || *c.PageInfo.EndCursor != c.Edges[n-1].Cursor) {
		t.Errorf("%v: pageInfo %+v", args, c.PageInfo)
	}
	return c
}

// fillLog appends n entries, every third of them a denial, so that ids 3, 6, ... are.
func fillLog(t *testing.T, s *apitest.Server, n int) {
	t.Helper()
	batch := make([]*audit.Entry, n)
	for i := range batch {
		batch[i] = &audit.Entry{Action: "test.do", Resource: "test:x", Decision: audit.Allow, ResultCode: 200}
		if i%3 == 2 {
			batch[i].Decision = audit.Deny
		}
	}
	if err := s.DB.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

// TestConnection: which edges the arguments select, in which order, and what lies around
// them.
func TestConnection(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	fillLog(t, s, 10)
	operator := s.Cookie(t, "operator")
	deny := map[string]any{"decision": "DENY"}
	cursors := map[bool]map[string]string{false: {}, true: {}}
	for denials, filter := range map[bool]map[string]any{false: nil, true: deny} {
		for _, e := range askConnection(t, s, operator, map[string]any{"filter": filter}).Edges {
			cursors[denials][e.Node.ID] = e.Cursor
		}
	}
	for _, c := range []struct {
		denials bool
		args    string // with ids for cursors
		want    string
		total   int
	}{
		{false, `{}`, "10 9 8 7 6 5 4 3 2 1", 10},
		{false, `{"first": null, "last": null, "after": null, "before": null, "filter": {}}`, "10 9 8 7 6 5 4 3 2 1", 10},
		{false, `{"first": 3}`, "10 9 8>", 10},
		{false, `{"first": 10}`, "10 9 8 7 6 5 4 3 2 1", 10},
		{false, `{"first": 3, "after": "8"}`, "<7 6 5>", 10},
		{false, `{"first": 3, "after": "4"}`, "<3 2 1", 10},
		{false, `{"first": 3, "after": "1"}`, "<", 10},
		{false, `{"after": "3"}`, "<2 1", 10},
		{false, `{"last": 3}`, "<3 2 1", 10},
		{false, `{"last": 500}`, "10 9 8 7 6 5 4 3 2 1", 10},
		{false, `{"last": 3, "before": "3"}`, "<6 5 4>", 10},
		{false, `{"last": 3, "before": "7"}`, "10 9 8>", 10},
		{false, `{"last": 3, "before": "10"}`, ">", 10},
		{false, `{"before": "8"}`, "10 9>", 10},
		{false, `{"first": 2, "before": "7"}`, "10 9>", 10},
		{false, `{"first": 2, "after": "9", "before": "5"}`, "<8 7>", 10},
		{false, `{"last": 2, "after": "9", "before": "5"}`, "<7 6>", 10},
		{false, `{"first": 9, "after": "9", "before": "5"}`, "<8 7 6>", 10},
		{false, `{"first": 9, "after": "5", "before": "9"}`, "<>", 10},
		{true, `{}`, "9 6 3", 3},
		{true, `{"first": 1, "after": "9"}`, "<6>", 3},
		{true, `{"first": 2, "after": "9"}`, "<6 3", 3},
		{true, `{"last": 1, "before": "3"}`, "<6>", 3},
		{true, `{"last": 2, "before": "3"}`, "9 6>", 3},
	} {
		var args map[string]any
		if err := json.Unmarshal([]byte(c.args), &args); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"after", "before"} {
			if id, ok := args[name].(string); ok {
				args[name] = cursors[c.denials][id]
			}
		}
		if c.denials {
			args["filter"] = deny
		}
		if got := askConnection(t, s, operator, args); got.String() != c.want || got.TotalCount != c.total {
			t.Errorf("%s: %s of %d, want %s of %d", c.args, got, got.TotalCount, c.want, c.total)
		}
	}
	// A cursor outlives what is written after it.
	fillLog(t, s, 1)
	if got := askConnection(t, s, operator, map[string]any{"first": 2, "after": cursors[false]["8"]}); got.String() != "<7 6>" {
		t.Error(got)
	}
	if got := askConnection(t, s, operator, map[string]any{"last": 2, "before": cursors[false]["10"]}); got.String() != "11>" {
		t.Error(got)
	}
}

// TestConnectionInput: what is refused, and by which argument's name.
func TestConnectionInput(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	fillLog(t, s, 10)
	admin := s.Cookie(t, "admin")
	good := *askConnection(t, s, admin, map[string]any{"first": 1}).PageInfo.EndCursor
	of := askConnection(t, s, admin, map[string]any{"first": 1, "filter": map[string]any{"decision": "DENY"}}).Edges[0].Cursor
	const cursorRule = ": should be a cursor that was given out with this filter"
	for _, c := range []struct{ args, message string }{
		{`{"first": 0}`, "first: should be from 1 to 500"},
		{`{"first": 501}`, "first: should be from 1 to 500"},
		{`{"first": -1}`, "first: should be from 1 to 500"},
		{`{"last": 0}`, "last: should be from 1 to 500"},
		{`{"last": 501}`, "last: should be from 1 to 500"},
		{`{"first": 9007199254740993}`, "first: should be from 1 to 500"},
		{`{"first": 1, "last": 1}`, "last: should not be given together with first"},
		{`{"after": ""}`, "after" + cursorRule},
		{`{"before": "10"}`, "before" + cursorRule},
		{`{"after": "` + good[1:] + `"}`, "after" + cursorRule},
		{`{"after": "` + good[:31] + `"}`, "after" + cursorRule},
		{`{"last": 1, "before": "` + of + `"}`, "before" + cursorRule},
		{`{"after": "` + of + `", "filter": {"decision": "ALLOW"}}`, "after" + cursorRule},
		{`{"after": "` + of + `", "filter": {"decision": "DENY", "action": "test.do"}}`, "after" + cursorRule},
		{`{"after": "` + of + `", "filter": {"decision": "DENY", "since": "2026-01-01T00:00:00Z"}}`, "after" + cursorRule},
	} {
		var args map[string]any
		if err := json.Unmarshal([]byte(c.args), &args); err != nil {
			t.Fatal(err)
		}
		r := s.Query(t, admin, connectionQuery, args)
		field, _, _ := strings.Cut(c.message, ":")
		if string(r.Data) != `{"auditLog":null}` || fmt.Sprint(r.Codes()) != "[BAD_USER_INPUT]" || r.Errors[0].Message != c.message ||
			r.Errors[0].Extensions["field"] != field {
			t.Errorf("%s: %s", c.args, r.Body)
		}
	}
}

// TestConnectionRows: reading by cursor leaves the rows that reading by offset does.
func TestConnectionRows(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{})
	admin := s.Cookie(t, "admin")
	c := askConnection(t, s, admin, map[string]any{"first": 1, "filter": map[string]any{"decision": "ALLOW", "action": "audit.list"}})
	if len(c.Edges) != 0 {
		t.Fatal(c)
	}
	end := *askConnection(t, s, admin, map[string]any{"last": 1}).PageInfo.EndCursor
	s.Query(t, admin, connectionQuery, map[string]any{"last": 7, "before": end})
	s.Query(t, admin, connectionQuery, map[string]any{"after": strings.Repeat("x", 100)})
	s.Query(t, s.Cookie(t, "viewer"), connectionQuery, map[string]any{"first": 0})
	s.Query(t, "", "{ auditLog { totalCount } }", nil)
	list := func(user string, d audit.Decision, code int, args, reason string) audit.Entry {
		return s.Row(user, "audit.list", "view", "audit:*", d, code, args, reason)
	}
	rows := s.Rows(t)
	want := []audit.Entry{
		list("admin", audit.Allow, 200, `{"filter":{"action":"audit.list","decision":"allow"},"first":1}`, rows[0].Reason),
		list("admin", audit.Allow, 200, `{"last":1}`, rows[0].Reason),
		list("admin", audit.Allow, 200, `{"before":"`+end+`","last":7}`, rows[0].Reason),
		list("admin", audit.Allow, 422, `{"after":"`+strings.Repeat("x", 100)+`"}`, rows[0].Reason),
		list("viewer", audit.Deny, 403, `{"first":0}`, rows[4].Reason),
		list("", audit.Deny, 401, "", "not authenticated"),
	}
	for i := range want {
		want[i].ID = int64(i) + 1
	}
	if diff := apitest.Diff(want, rows); diff != "" || rows[0].Reason == "" {
		t.Errorf("rows, -want +got\n%s", diff)
	}
}

// TestConnectionParts: what is not selected is not asked for, and one connection beside
// another has its own edges.
func TestConnectionParts(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	fillLog(t, s, 10)
	admin := s.Cookie(t, "admin")
	for query, want := range map[string]string{
		"auditLog { totalCount }":                           `{"auditLog":{"totalCount":10}}`,
		"auditLog(filter: {decision: DENY}) { totalCount }": `{"auditLog":{"totalCount":3}}`,
		`auditLog(filter: {action: "none"}) { totalCount edges { cursor } pageInfo { endCursor hasNextPage } }`:      `{"auditLog":{"totalCount":0,"edges":[],"pageInfo":{"endCursor":null,"hasNextPage":false}}}`,
		"auditLog(first: 2) { pageInfo { hasNextPage } }":                                                            `{"auditLog":{"pageInfo":{"hasNextPage":true}}}`,
		"auditLog(last: 2) { edges { node { id } } }":                                                                `{"auditLog":{"edges":[{"node":{"id":"2"}},{"node":{"id":"1"}}]}}`,
		"a: auditLog(first: 1) { edges { node { id } } } b: auditLog(last: 1) { edges { n: node { id decision } } }": `{"a":{"edges":[{"node":{"id":"10"}}]},"b":{"edges":[{"n":{"id":"1","decision":"ALLOW"}}]}}`,
		"auditLog(last: 1) { __typename edges { __typename node { __typename } } pageInfo { __typename } }":          `{"auditLog":{"__typename":"AuditEntryConnection","edges":[{"__typename":"AuditEntryEdge","node":{"__typename":"AuditEntry"}}],"pageInfo":{"__typename":"PageInfo"}}}`,
	} {
		r := s.Query(t, admin, "{ "+query+" }", nil)
		if diff := cmp.Diff(want, string(r.Data)); diff != "" || len(r.Errors) > 0 {
			t.Errorf("%s: %v, -want +got\n%s", query, r.Errors, diff)
		}
	}
}
