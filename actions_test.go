package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"halite/internal/audit"
	"halite/internal/httpapi/apitest"
)

// TestActions puts every guarded field of the schema through the real program, over HTTP,
// with everything that may come of it: what is answered, the one row that is left, and
// whether the effect took place. Each story has an instance and a database of its own.
// When all have been told, whatever the schema promises must have happened in one.
func TestActions(t *testing.T) {
	t.Parallel()
	stories := []struct {
		name string
		tell func(*testing.T, *world)
	}{
		{"late", lateStory}, // first: it waits most of the time
		{"log", logStory}, {"live", liveStory}, {"users", usersStory}, {"roles", rolesStory}, {"salt", saltStory}, {"settings", settingsStory},
	}
	c := newCoverage(t)
	told := 0
	t.Run("stories", func(t *testing.T) {
		for _, story := range stories {
			t.Run(story.name, func(t *testing.T) {
				told++
				t.Parallel()
				w := newWorld(t)
				w.coverage = c
				story.tell(t, w)
			})
		}
	})
	if told == len(stories) { // not if -run picked some
		c.check(t)
	}
}

// action is a field that is guarded, called so that it could succeed. In its texts $name
// stands for an id of the world, and $any for anything where JSON is compared.
type action struct {
	field    string // of the schema, such as Query.users
	call     string // the field with its arguments and its selection
	name     string // of the action, as it is recorded
	verb     string
	resource string
	args     string // as they are recorded, a JSON object; empty = none
}

// outcome is what may come of an action.
type outcome struct {
	kind  string // allowed, bad input and the like: see coverage
	as    string // who asks; empty = admin
	call  string // in the place of the action's
	data  string // the field's value; empty = null
	code  string // of the error; empty = none
	says  string // its message; empty = not looked at
	noRow bool   // refused before the gate

	resource, args string // in the place of the action's
	result         int    // of the row
	deny           bool
	reason         string // empty = that of admin's role
	jid            string // of the row

	change func(*testing.T, *world) // looks at what changed; nil = nothing may have
}

const (
	allowedByAdmin = "allowed by role admin: * *"
	anything       = `"$any"`
)

// refuse tries an action as everybody who may not: nothing happens, and it is recorded.
func (w *world) refuse(t *testing.T, a action) {
	t.Helper()
	for _, o := range []outcome{
		{kind: "unauthenticated", as: "nobody", code: "UNAUTHENTICATED", says: "Not authenticated", result: 401, reason: "not authenticated"},
		{kind: "denied", as: "vera", code: "FORBIDDEN", says: "Forbidden", result: 403, reason: "no match among 1 permission of role bystander"},
		{kind: "must change", as: "nina", code: "FORBIDDEN", says: "The password must be changed first", result: 403, reason: "the password must be changed first"},
	} {
		o.deny = true
		w.try(t, a, o)
	}
}

// try asks for an action and checks all that came of it.
func (w *world) try(t *testing.T, a action, o outcome) {
	t.Helper()
	w.coverage.saw(a.field, o)
	operation, field, _ := strings.Cut(a.field, ".")
	if o.call == "" {
		o.call = a.call
	}
	if o.as == "" {
		o.as = "admin"
	}
	rows, state, requests := len(w.Rows(t)), w.state(t), len(w.Requests())
	query := strings.ToLower(operation) + " { " + w.named(o.call) + " }"
	var r apitest.Result
	if operation == "Subscription" {
		r = w.firstOf(t, w.cookies[o.as], query)
	} else {
		r = w.Query(t, w.cookies[o.as], query, nil)
	}
	left := w.since(t, rows)
	what := fmt.Sprintf("%s, %s: %s", field, o.kind, w.named(o.call))

	if o.data == "" {
		o.data = "null"
	}
	data := `{"` + field + `":` + o.data + `}`
	if operation == "Subscription" && o.code != "" { // it did not begin: there is no data, not even null
		data = "null"
		if r.Data != nil {
			t.Errorf("%s\n%s has data", what, r.Body)
		}
	}
	if diff := cmp.Diff(w.like(t, data, r.Data), value(t, r.Data)); diff != "" {
		t.Errorf("%s\n%s\ndata: -want +got\n%s", what, r.Body, diff)
	}
	w.checkError(t, what, r, o)
	var want []audit.Entry
	if !o.noRow {
		e := w.row(t, a, o)
		e.ID = int64(rows + 1)
		if len(left) > 0 {
			if e.Args != nil {
				e.Args = encode(t, w.like(t, string(e.Args), left[0].Args))
			}
			if e.SaltJID == "$any" {
				e.SaltJID = left[0].SaltJID
			}
		}
		want = append(want, e)
	}
	sent := ids(want) // before the end of a subscription
	if operation == "Subscription" && o.code == "" {
		want = append(want, w.endOf(t, want[0]))
	}
	if diff := apitest.Diff(want, left); diff != "" {
		t.Errorf("%s\nrows: -want +got\n%s", what, diff)
	}
	if got := r.Header.Get("X-Audit-Id"); got != sent {
		t.Errorf("%s\nX-Audit-Id is %q, want %q", what, got, sent)
	}
	now := w.state(t)
	switch {
	case o.change == nil && now != state:
		t.Errorf("%s\nsomething changed: -before +after\n%s", what, cmp.Diff(state, now))
	case o.change != nil && now == state:
		t.Errorf("%s\nnothing changed", what)
	case o.change != nil:
		o.change(t, w)
	}
	if early := o.deny || o.noRow || o.code == "BAD_USER_INPUT"; early && len(w.Requests()) != requests {
		t.Errorf("%s\nSalt was asked", what)
	}
}

func (w *world) checkError(t *testing.T, what string, r apitest.Result, o outcome) {
	t.Helper()
	switch {
	case o.code == "" && len(r.Errors) == 0:
	case o.code == "" || len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != o.code:
		t.Errorf("%s\nerrors %s, want %q", what, r.Body, o.code)
	case o.says != "" && r.Errors[0].Message != w.named(o.says):
		t.Errorf("%s\nmessage %q, want %q", what, r.Errors[0].Message, w.named(o.says))
	default:
		auditID, _ := r.Errors[0].Extensions["auditId"].(string)
		if auditID != r.Header.Get("X-Audit-Id") {
			t.Errorf("%s\nauditId is %q, X-Audit-Id %q", what, auditID, r.Header.Get("X-Audit-Id"))
		}
	}
}

// row is what an outcome is recorded as.
func (w *world) row(t *testing.T, a action, o outcome) audit.Entry {
	t.Helper()
	e := audit.Entry{
		Action: a.name, Verb: a.verb, Resource: a.resource, Decision: audit.Allow, ResultCode: o.result, Reason: o.reason, SaltJID: w.named(o.jid),
		RequestID: apitest.RequestID, SourceIP: apitest.Address, UserAgent: apitest.UserAgent,
	}
	if o.as != "nobody" {
		e.UserID, e.Username = uuid.NullUUID{UUID: uuid.MustParse(w.ids[o.as]), Valid: true}, o.as
	}
	if o.deny {
		e.Decision = audit.Deny
	}
	if o.reason == "" {
		e.Reason = allowedByAdmin
	}
	if o.resource != "" {
		e.Resource = o.resource
	}
	e.Resource = w.named(e.Resource)
	args := a.args
	if o.args != "" {
		args = o.args
	}
	if args != "" {
		e.Args = encode(t, value(t, json.RawMessage(w.named(args))))
	}
	return e
}

// ids are those of rows, as X-Audit-Id has them.
func ids(rows []audit.Entry) string {
	var out []string
	for _, e := range rows {
		out = append(out, fmt.Sprint(e.ID))
	}
	return strings.Join(out, ",")
}
