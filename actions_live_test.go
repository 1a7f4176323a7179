package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"halite/internal/audit"
	"halite/internal/httpapi/apitest"
	"halite/internal/live"
)

// liveStory: entries are told as they are written.
func liveStory(t *testing.T, w *world) {
	a := action{"Subscription.auditEntryAdded", `auditEntryAdded(after: "0") { id action }`, "audit.stream", "view", "audit:*", `{"after":"0"}`}
	w.refuse(t, a)
	for _, o := range []outcome{
		{kind: "allowed", data: `{"id":"1","action":"user.create"}`, result: 200},
		{
			kind: "allowed", as: "mara", call: `auditEntryAdded(filter: {decision: DENY, action: "audit.stream"}, after: "0") { action decision resultCode username }`,
			args: `{"after":"0","filter":{"action":"audit.stream","decision":"deny"}}`,
			data: `{"action":"audit.stream","decision":"DENY","resultCode":401,"username":null}`, result: 200, reason: "allowed by role manager: view *",
		},
		{kind: "bad input", call: `auditEntryAdded(after: "999999") { id }`, args: `{"after":"999999"}`, code: "BAD_USER_INPUT", result: 422},
		{
			kind: "bad input", call: `auditEntryAdded(filter: {until: "2026-01-01T00:00:00Z"}) { id }`, args: `{"filter":{"until":"2026-01-01T00:00:00Z"}}`,
			code: "BAD_USER_INPUT", says: "until: a stream has none: it goes on", result: 422,
		},
		{
			kind: "bad input", call: `auditEntryAdded(filter: {asOf: "1"}) { id }`, args: `{"filter":{"as_of":"1"}}`,
			code: "BAD_USER_INPUT", says: "asOf: a stream has none: it goes on", result: 422,
		},
		{
			kind: "bad input", call: `auditEntryAdded(filter: {text: "ab"}) { id }`, args: `{"filter":{"text":"ab"}}`,
			code: "BAD_USER_INPUT", says: "filter.text: should have from 3 to 200 characters", result: 422,
		},
	} {
		w.try(t, a, o)
	}
	for range live.MaxPerUser {
		w.open(t, w.cookies["admin"], `subscription { auditEntryAdded { id } }`)
	}
	w.try(t, a, outcome{kind: "too many", code: "RATE_LIMITED", result: 429})
}

// open begins an operation over SSE and returns its answer, whose head has come.
func (w *world) open(t *testing.T, cookie, query string) *http.Response {
	t.Helper()
	body := encode(t, map[string]any{"query": query})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/graphql", strings.NewReader(string(body)))
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
	return res
}

// firstOf is the first response of a subscription. One that goes on is left, and its last
// row awaited.
func (w *world) firstOf(t *testing.T, cookie, query string) apitest.Result {
	t.Helper()
	res := w.open(t, cookie, query)
	r := apitest.Result{Answer: apitest.Answer{Status: res.StatusCode, Header: res.Header}}
	in := bufio.NewReader(res.Body)
	for r.Body == "" {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			r.Body = data
		} else if strings.HasPrefix(line, "{") { // no stream
			r.Body = line
		}
	}
	if err := json.Unmarshal([]byte(r.Body), &r); err != nil {
		t.Fatalf("%v: %s", err, r.Body)
	}
	_ = res.Body.Close()
	if len(r.Errors) == 0 {
		began := res.Header.Get("X-Audit-Id")
		eventually(t, "the last row of "+query, func() bool {
			return w.text(t, `SELECT count(*) FROM audit_log WHERE action = 'audit.stream.end' AND args_json->>'began' = '`+began+`'`) == "1"
		})
	}
	return r
}

// endOf is the row that a subscription leaves at its end, when its client has left it.
func (w *world) endOf(t *testing.T, e audit.Entry) audit.Entry {
	t.Helper()
	rows := w.Rows(t)
	count := rows[len(rows)-1].Args // how many were sent before the client was gone is not to be foretold
	began := e.ID
	e.ID++
	e.Action += ".end"
	e.ResultCode = 499
	e.Reason = fmt.Sprintf("let through by entry %d", began)
	var args struct{ Began, Count int64 }
	if err := json.Unmarshal(count, &args); err != nil || args.Began != began || args.Count < 1 {
		t.Errorf("the arguments of the end are %s, %v", count, err)
	}
	e.Args = count
	return e
}
