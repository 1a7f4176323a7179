package graph_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/httpapi/apitest"
	"halite/internal/pgtest"
)

// TestAsOf: pages by offset stay where they are while others write, if each is asked for
// with the asOf of the first.
func TestAsOf(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	admin := s.Cookie(t, "admin")
	ask := func(args, want string) {
		t.Helper()
		r := s.Query(t, admin, "{ auditEntries("+args+") { total asOf entries { id } } }", nil)
		if got := strings.TrimSuffix(strings.TrimPrefix(string(r.Data), `{"auditEntries":`), "}"); got != want {
			t.Errorf("%s\n%s\n%s", args, got, want)
		}
	}
	ask(`limit: 2`, `{"total":0,"asOf":null,"entries":[]}`)
	fillLog(t, s, 4)
	ask(`limit: 2`, `{"total":4,"asOf":"4","entries":[{"id":"4"},{"id":"3"}]}`)
	fillLog(t, s, 3)
	ask(`limit: 2, offset: 2, filter: {asOf: "4"}`, `{"total":4,"asOf":"4","entries":[{"id":"2"},{"id":"1"}]}`)
	ask(`limit: 2, offset: 2, filter: {asOf: 4}`, `{"total":4,"asOf":"4","entries":[{"id":"2"},{"id":"1"}]}`)
	ask(`limit: 1, filter: {asOf: 4, decision: DENY}`, `{"total":1,"asOf":"4","entries":[{"id":"3"}]}`)
	ask(`limit: 1, filter: {asOf: 99}`, `{"total":7,"asOf":"7","entries":[{"id":"7"}]}`)
}

// TestFilterInput: what is refused, and by which field's name. It is behind the gate,
// but for what is no id at all.
func TestFilterInput(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	fillLog(t, s, 3)
	admin := s.Cookie(t, "admin")
	long := strings.Repeat("ё", 256)
	many := make([]string, 101)
	for i := range many {
		many[i] = uuid.New().String()
	}
	type fields = map[string]any
	for _, c := range []struct {
		filter  fields
		message string // empty: it is good
	}{
		{fields{"userIdIn": []string{}}, "filter.userIdIn: should have from 1 to 100 values"},
		{fields{"userIdIn": many}, "filter.userIdIn: should have from 1 to 100 values"},
		{fields{"userIdIn": many[1:]}, ""},
		{fields{"userIdIn": []any{nil}}, ""},
		{fields{"actionIn": []string{}}, "filter.actionIn: should have from 1 to 100 values"},
		{fields{"actionIn": many}, "filter.actionIn: should have from 1 to 100 values"},
		{fields{"actionIn": many[1:], "userIdIn": many[1:]}, ""},
		{fields{"resource": ""}, "filter.resource: should have from 1 to 255 characters"},
		{fields{"resource": long}, "filter.resource: should have from 1 to 255 characters"},
		{fields{"resource": long[2:]}, ""},
		{fields{"saltJid": ""}, "filter.saltJid: should have from 1 to 255 characters"},
		{fields{"requestId": long}, "filter.requestId: should have from 1 to 255 characters"},
		{fields{"text": "ёё"}, "filter.text: should have from 3 to 200 characters"},
		{fields{"text": long[:402]}, "filter.text: should have from 3 to 200 characters"},
		{fields{"text": long[:400]}, ""},
		{fields{"text": "a\x00b\\%_"}, ""},
		{fields{"resultCodeMin": 500, "resultCodeMax": 499}, "filter.resultCodeMin: should not be more than resultCodeMax"},
		{fields{"resultCodeMin": 500, "resultCodeMax": 500}, ""},
		{fields{"resultCodeMin": -1 << 63, "durationMsMax": int64(1<<63 - 1)}, ""},
		{fields{"durationMsMin": 2, "durationMsMax": 1}, "filter.durationMsMin: should not be more than durationMsMax"},
		{fields{"asOf": "0"}, "ID of an entry must be a number from 1 up"},
		{fields{"asOf": "x"}, "ID of an entry must be a number from 1 up"},
		{fields{"asOf": 1.5}, "ID of an entry must be a number from 1 up"},
		{fields{"asOf": "9223372036854775808"}, "ID of an entry must be a number from 1 up"},
		{fields{"asOf": "9223372036854775807"}, ""},
	} {
		for _, field := range []string{
			"auditEntries(filter: $f) { total }", "auditLog(filter: $f) { totalCount edges { cursor } }", "auditStats(filter: $f) { isExact }",
			"auditFacets(filter: $f, field: USER) { isExact }",
		} {
			r := s.Query(t, admin, "query ($f: AuditFilter) { "+field+" }", map[string]any{"f": c.filter})
			if c.message == "" {
				if len(r.Errors) > 0 {
					t.Errorf("%v, %s: %s", c.filter, field, r.Body)
				}
				continue
			}
			if fmt.Sprint(r.Codes()) != "[BAD_USER_INPUT]" || !strings.HasSuffix(r.Errors[0].Message, c.message) {
				t.Errorf("%v, %s: %s", c.filter, field, r.Body)
			}
			if name, _, ok := strings.Cut(c.message, ":"); ok && r.Errors[0].Extensions["field"] != name {
				t.Errorf("%v, %s: %s", c.filter, field, r.Body)
			}
		}
	}
}

// TestFilterCursors: a cursor is good with its filter alone, in whatever order that says
// the same.
func TestFilterCursors(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	fillLog(t, s, 10)
	admin := s.Cookie(t, "admin")
	type fields = map[string]any
	filters := []fields{
		{"actionIn": []string{"test.do", "b"}},
		{"actionIn": []string{"test.do"}},
		{"userIdIn": []any{nil}},
		{"asOf": "9"},
		{"asOf": "8"},
		{"resource": "test:*"},
		{"resource": "test:x"},
		{"text": "test"},
		{"resultCodeMin": 200},
		{"resultCodeMax": 200},
		{"durationMsMin": 0},
		{"durationMsMax": 0},
	}
	for i, from := range filters {
		c := askConnection(t, s, admin, fields{"first": 2, "filter": from})
		for j, to := range filters {
			r := s.Query(t, admin, connectionQuery, fields{"first": 2, "filter": to, "after": c.PageInfo.EndCursor})
			if ok := len(r.Errors) == 0; ok != (i == j) {
				t.Errorf("of %v with %v: %s", from, to, r.Body)
			}
		}
	}
	c := askConnection(t, s, admin, fields{"first": 2, "filter": filters[0]})
	again := fields{"actionIn": []string{"b", "test.do", "b"}}
	if c = askConnection(t, s, admin, fields{"first": 2, "filter": again, "after": c.PageInfo.EndCursor}); c.String() != "<8 7>" {
		t.Error(c)
	}
}

// TestSearchOn follows a search of a log that is larger than one may look at: by cursor
// from either end, and by asOf.
func TestSearchOn(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	owner, err := db.OpenOwner(t.Context(), db.Config{URL: s.DBURL, Logger: pgtest.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	const rows, bound = 110_000, 50_000
	if err := owner.Generate(t.Context(), db.Generation{Rows: rows, Seed: 1, Months: 1}); err != nil {
		t.Fatal(err)
	}
	admin := s.Cookie(t, "admin")
	for _, id := range []int64{2, rows - 1} {
		e, err := s.DB.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		filter := map[string]any{"requestId": e.RequestID}
		const query = `query ($f: AuditFilter, $first: Int, $after: String, $last: Int, $before: String) {
			auditLog(filter: $f, first: $first, after: $after, last: $last, before: $before) {
				edges { node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } searchedTo totalCount totalIsExact } }`
		for _, last := range []bool{false, true} {
			args := map[string]any{"f": filter, "first": 1}
			if last {
				args = map[string]any{"f": filter, "last": 1}
			}
			var got, searched []string
			for range 5 {
				r := s.Query(t, admin, query, args)
				var data struct {
					AuditLog struct {
						connection
						SearchedTo   *string
						TotalIsExact bool
					}
				}
				if err := json.Unmarshal(r.Data, &data); err != nil || len(r.Errors) > 0 || data.AuditLog.TotalIsExact {
					t.Fatalf("%v, %s", err, r.Body)
				}
				c := data.AuditLog
				for _, e := range c.Edges {
					got = append(got, e.Node.ID)
				}
				if c.SearchedTo != nil {
					searched = append(searched, *c.SearchedTo)
				}
				if last {
					args["before"] = c.PageInfo.StartCursor
				} else {
					args["after"] = c.PageInfo.EndCursor
				}
				if last && !c.PageInfo.HasPreviousPage || !last && !c.PageInfo.HasNextPage {
					break
				}
			}
			want := []string{fmt.Sprint(rows - bound + 1), fmt.Sprint(rows - 2*bound + 1)}
			if last {
				want = []string{fmt.Sprint(bound), fmt.Sprint(2 * bound)}
			}
			if diff := cmp.Diff([][]string{{fmt.Sprint(id)}, want}, [][]string{got, searched}); diff != "" {
				t.Errorf("id %d, last %t, -want +got\n%s", id, last, diff)
			}
		}
	}
	e, err := s.DB.Get(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	asOf := int64(rows)
	for range 3 {
		r := s.Query(t, admin, `query ($f: AuditFilter) { auditEntries(filter: $f, limit: 1) { total totalIsExact searchedTo entries { id } } }`,
			map[string]any{"f": map[string]any{"requestId": e.RequestID, "asOf": asOf}})
		steps = append(steps, string(r.Data))
		asOf -= bound
	}
	want := []string{
		`{"auditEntries":{"total":0,"totalIsExact":false,"searchedTo":"60001","entries":[]}}`,
		`{"auditEntries":{"total":0,"totalIsExact":false,"searchedTo":"10001","entries":[]}}`,
		`{"auditEntries":{"total":1,"totalIsExact":true,"searchedTo":null,"entries":[{"id":"2"}]}}`,
	}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestCounts: histogram, facets and actions as clients see them.
func TestCounts(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	user := uuid.NullUUID{UUID: uuid.UUID{15: 7}, Valid: true}
	var batch []*audit.Entry
	for i := range 5 {
		e := audit.Entry{Action: []string{"b.do", "a.do"}[i%2], Resource: fmt.Sprint("test:", i%2), Decision: audit.Allow, ResultCode: 200}
		if i > 2 {
			e.UserID, e.Username, e.Decision, e.ResultCode = user, "ann", audit.Deny, 403
		}
		batch = append(batch, &e)
	}
	if err := s.DB.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	day := batch[0].At.UTC().Truncate(24 * time.Hour)
	bucket := fmt.Sprintf(`{"since":"%s","until":"%s",`, day.Format("2006-01-02T15:04:05.000000Z"), day.AddDate(0, 0, 1).Format("2006-01-02T15:04:05.000000Z"))
	admin := s.Cookie(t, "admin")
	for query, want := range map[string]string{
		`auditStats(bucket: DAY) { bucket isExact searchedTo buckets { since until allowed denied } }`: `{"auditStats":{"bucket":"DAY","isExact":true,"searchedTo":null,"buckets":[` + bucket + `"allowed":3,"denied":2}]}}`,
		`auditStats(bucket: DAY, filter: {resultCodeMin: 400}) { isExact buckets { allowed denied } }`: `{"auditStats":{"isExact":true,"buckets":[{"allowed":0,"denied":2}]}}`,
		`auditStats { bucket }`: `{"auditStats":{"bucket":"MINUTE"}}`,
		`auditFacets(field: USER) { isExact values { value name allowed denied } }`:                                    `{"auditFacets":{"isExact":true,"values":[{"value":null,"name":null,"allowed":3,"denied":0},{"value":"` + user.UUID.String() + `","name":"ann","allowed":0,"denied":2}]}}`,
		`auditFacets(field: ACTION, limit: 1) { values { value name allowed denied } }`:                                `{"auditFacets":{"values":[{"value":"b.do","name":null,"allowed":2,"denied":1}]}}`,
		`auditFacets(field: RESOURCE, filter: {decision: DENY, text: "TEST:1"}) { values { value allowed denied } }`:   `{"auditFacets":{"values":[{"value":"test:1","allowed":0,"denied":1}]}}`,
		`auditFacets(field: ACTION, filter: {userIdIn: [null], actionIn: ["a.do", "c"]}) { isExact values { value } }`: `{"auditFacets":{"isExact":true,"values":[{"value":"a.do"}]}}`,
		`auditFacets(field: USER, filter: {until: "2020-01-01T00:00:00Z"}) { isExact values { value } }`:               `{"auditFacets":{"isExact":true,"values":[]}}`,
		`auditActions`: `{"auditActions":["a.do","b.do"]}`,
	} {
		if r := s.Query(t, admin, "{ "+query+" }", nil); string(r.Data) != want || len(r.Errors) > 0 {
			t.Errorf("%s\n%s\n%s", query, r.Body, want)
		}
	}
}
