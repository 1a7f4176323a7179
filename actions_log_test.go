package main

import (
	"testing"

	"halite/internal/httpapi/apitest"
)

// logStory: the log itself is read, and the policy is asked about others.
func logStory(t *testing.T, w *world) {
	eventually(t, "a checkpoint", func() bool { return w.text(t, "SELECT count(*) FROM checkpoint") != "0" })
	for _, c := range []struct {
		action
		outcomes []outcome
	}{
		{
			action{"Query.auditEntries", `auditEntries(limit: 1) { entries { action resultCode } }`, "audit.list", "view", "audit:*", `{"limit":1,"offset":0}`},
			[]outcome{
				{kind: "allowed", data: `{"entries":[{"action":"audit.list","resultCode":403}]}`, result: 200},
				{kind: "allowed", as: "mara", data: `{"entries":[{"action":"audit.list","resultCode":200}]}`, result: 200, reason: "allowed by role manager: view *"},
				{
					kind: "bad input", call: `auditEntries(filter: {decision: DENY}, limit: 501) { total }`, code: "BAD_USER_INPUT", result: 422,
					args: `{"limit":501,"offset":0,"filter":{"decision":"deny"}}`,
				},
				{
					kind: "allowed", call: `auditEntries(filter: {userIdIn: ["$alice", null], actionIn: ["auth.login"], resource: "key:*", saltJid: "1", requestId: "x",
						resultCodeMin: 400, resultCodeMax: 599, durationMsMin: 1, durationMsMax: 9, text: "wEb", asOf: 7}) { total totalIsExact searchedTo asOf }`,
					data: `{"total":0,"totalIsExact":true,"searchedTo":null,"asOf":"7"}`, result: 200,
					args: `{"limit":50,"offset":0,"filter":{"user_id_in":["$alice",null],"action_in":["auth.login"],"resource":"key:*","salt_jid":"1","request_id":"x",
						"result_code_min":400,"result_code_max":599,"duration_ms_min":1,"duration_ms_max":9,"text":"wEb","as_of":"$any"}}`,
				},
				{
					kind: "bad input", call: `auditEntries(filter: {text: "ab"}) { total }`, code: "BAD_USER_INPUT", says: "filter.text: should have from 3 to 200 characters",
					result: 422, args: `{"limit":50,"offset":0,"filter":{"text":"ab"}}`,
				},
				{kind: "bad input", call: `auditEntries(offset: -1) { total }`, code: "BAD_USER_INPUT", result: 422, args: `{"limit":50,"offset":-1}`},
			},
		},
		{
			action{"Query.auditLog", `auditLog(first: 1) { edges { node { action resultCode } } }`, "audit.list", "view", "audit:*", `{"first":1}`},
			[]outcome{
				{kind: "allowed", data: `{"edges":[{"node":{"action":"audit.list","resultCode":403}}]}`, result: 200},
				{kind: "bad input", call: `auditLog(first: 0) { totalCount }`, args: `{"first":0}`, code: "BAD_USER_INPUT", result: 422},
				{
					kind: "bad input", call: `auditLog(filter: {decision: DENY}, after: "forged") { totalCount }`,
					args: `{"after":"forged","filter":{"decision":"deny"}}`, code: "BAD_USER_INPUT", result: 422,
				},
			},
		},
		{
			action{"Query.auditStats", `auditStats(filter: {action: "user.create", decision: ALLOW}) { bucket isExact searchedTo buckets { allowed denied } }`, "audit.stats", "view", "audit:*", `{"filter":{"action":"user.create","decision":"allow"}}`},
			[]outcome{
				{kind: "allowed", data: anything, result: 200},
				{
					kind: "allowed", call: `auditStats(filter: {until: "2020-01-01T00:00:00Z"}, bucket: QUARTER_HOUR) { bucket isExact searchedTo buckets { since } }`,
					args: `{"bucket":"quarter_hour","filter":{"until":"2020-01-01T00:00:00Z"}}`, data: `{"bucket":"QUARTER_HOUR","isExact":true,"searchedTo":null,"buckets":[]}`, result: 200,
				},
				{
					kind: "bad input", call: `auditStats(filter: {actionIn: []}) { isExact }`, args: `{"filter":{"action_in":[]}}`, code: "BAD_USER_INPUT",
					says: "filter.actionIn: should have from 1 to 100 values", result: 422,
				},
			},
		},
		{
			action{
				"Query.auditFacets", `auditFacets(filter: {action: "user.create"}, field: USER) { isExact searchedTo values { value name allowed denied } }`,
				"audit.facets", "view", "audit:*", `{"field":"user","limit":10,"filter":{"action":"user.create"}}`,
			},
			[]outcome{
				{kind: "allowed", data: `{"isExact":true,"searchedTo":null,"values":[{"value":null,"name":null,"allowed":1,"denied":0}]}`, result: 200},
				{
					kind: "allowed", call: `auditFacets(filter: {action: "user.create"}, field: RESOURCE, limit: 1) { isExact values { value name allowed } }`,
					args: `{"field":"resource","limit":1,"filter":{"action":"user.create"}}`, data: `{"isExact":true,"values":[{"value":"user:admin","name":null,"allowed":1}]}`, result: 200,
				},
				{
					kind: "bad input", call: `auditFacets(field: ACTION, limit: 101) { isExact }`, args: `{"field":"action","limit":101}`, code: "BAD_USER_INPUT",
					says: "limit: should be from 1 to 100", result: 422,
				},
				{
					kind: "bad input", call: `auditFacets(field: ACTION, filter: {resultCodeMin: 2, resultCodeMax: 1}) { isExact }`, code: "BAD_USER_INPUT",
					args: `{"field":"action","limit":10,"filter":{"result_code_min":2,"result_code_max":1}}`, says: "filter.resultCodeMin: should not be more than resultCodeMax", result: 422,
				},
			},
		},
		{
			action{"Query.auditActions", `auditActions`, "audit.actions", "view", "audit:*", ""},
			[]outcome{{kind: "allowed", data: anything, result: 200}},
		},
		{
			action{"Query.auditEntry", `auditEntry(id: "1") { action }`, "audit.get", "view", "audit:*", `{"id":"1"}`},
			[]outcome{
				{kind: "allowed", data: `{"action":"user.create"}`, result: 200},
				{kind: "bad input", call: `auditEntry(id: "0") { id }`, args: `{"id":"0"}`, code: "BAD_USER_INPUT", result: 422},
				{kind: "not found", call: `auditEntry(id: "999999") { id }`, args: `{"id":"999999"}`, code: "NOT_FOUND", says: "There is no entry 999999", result: 404},
			},
		},
		{
			action{"Query.openIntents", `openIntents { id }`, "intent.list", "view", "audit:*", `{"limit":50}`},
			[]outcome{
				{kind: "allowed", data: `[]`, result: 200},
				{kind: "bad input", call: `openIntents(limit: 0) { id }`, args: `{"limit":0}`, code: "BAD_USER_INPUT", result: 422},
			},
		},
		{
			action{"Query.auditStorage", `auditStorage { oldestId rows retentionDays archived diskFree growthPerDay }`, "audit.storage", "view", "audit:*", ``},
			[]outcome{
				{kind: "allowed", data: `{"oldestId":"1","rows":"$any","retentionDays":0,"archived":false,"diskFree":null,"growthPerDay":null}`, result: 200},
				{
					kind: "allowed", as: "mara", call: `auditStorage { oldestAt bytes databaseBytes diskBytes }`,
					data: `{"oldestAt":"$any","bytes":"$any","databaseBytes":"$any","diskBytes":null}`, result: 200, reason: "allowed by role manager: view *",
				},
			},
		},
		{
			action{"Query.checkpoint", `checkpoint { origin keyIds treeSize rootHash note }`, "audit.checkpoint", "view", "audit:*", ``},
			[]outcome{
				{
					kind: "allowed", result: 200,
					data: `{"origin":"example.org/log","keyIds":["example.org/log+4e933303"],"treeSize":"$any","rootHash":"$any","note":"$any"}`,
				},
			},
		},
		{
			action{"Query.consistencyProof", `consistencyProof(from: 1, to: 1) { from to hashes checkpoint { origin } }`, "audit.consistency", "view", "audit:*", `{"from":1,"to":1}`},
			[]outcome{
				{kind: "allowed", data: `{"from":1,"to":1,"hashes":[],"checkpoint":{"origin":"example.org/log"}}`, result: 200},
				{kind: "allowed", call: `consistencyProof(from: 1) { from to hashes }`, args: `{"from":1}`, data: `{"from":1,"to":"$any","hashes":"$any"}`, result: 200},
				{
					kind: "bad input", call: `consistencyProof(from: 0) { to }`, args: `{"from":0}`,
					code: "BAD_USER_INPUT", says: "from: should be 1 or more", result: 422,
				},
				{
					kind: "bad input", call: `consistencyProof(from: 2, to: 1) { to }`, args: `{"from":2,"to":1}`,
					code: "BAD_USER_INPUT", says: "from: should be at most to", result: 422,
				},
				{kind: "bad input", call: `consistencyProof(from: 1, to: 9007199254740992) { to }`, args: `{"from":1,"to":9007199254740992}`, code: "BAD_USER_INPUT", result: 422},
			},
		},
		{
			action{
				"Query.can", `can(verb: "view", resource: "grain:os", userId: "$alice") { allowed reason }`,
				"policy.explain", "view", "user:alice", `{"verb":"view","resource":"grain:os","user_id":"$alice"}`,
			},
			[]outcome{
				{kind: "allowed", data: `{"allowed":true,"reason":"allowed by role spare: view grain:*"}`, result: 200},
				{
					kind: "allowed", call: `can(verb: "view", resource: "key:x", userId: "$ivan") { allowed reason }`, data: `{"allowed":false,"reason":"user is inactive"}`,
					resource: "user:ivan", args: `{"verb":"view","resource":"key:x","user_id":"$ivan"}`, result: 200,
				},
				{
					kind: "bad input", call: `can(verb: "", resource: "key:x", userId: "$alice") { allowed }`,
					args: `{"verb":"","resource":"key:x","user_id":"$alice"}`, code: "BAD_USER_INPUT", result: 422,
				},
				{
					kind: "not found", call: `can(verb: "view", resource: "key:x", userId: "$nobody") { allowed }`, resource: "user:$nobody",
					args: `{"verb":"view","resource":"key:x","user_id":"$nobody"}`, code: "NOT_FOUND", says: "User not found", result: 404,
				},
			},
		},
	} {
		w.refuse(t, c.action)
		for _, o := range c.outcomes {
			w.try(t, c.action, o)
		}
	}
	w.aboutOneself(t)

	unsigned := newWorld(t, "CHECKPOINT_KEY=")
	unsigned.coverage = w.coverage
	unsigned.try(t, action{"Query.checkpoint", `checkpoint { note }`, "audit.checkpoint", "view", "audit:*", ``}, outcome{kind: "allowed", result: 200})
	unsigned.try(t, action{"Query.consistencyProof", `consistencyProof(from: 1) { to }`, "audit.consistency", "view", "audit:*", `{"from":1}`},
		outcome{kind: "not sealed", code: "NOT_SEALED", says: "No checkpoint was signed yet", result: 409})
}

// aboutOneself: what anybody may ask about himself is no decision.
func (w *world) aboutOneself(t *testing.T) {
	t.Helper()
	const me, held = `me { username mustChangePassword permissions { verb } }`, `myPermissions { role verb resourceGlob }`
	const can, canMyself = `can(verb: "view", resource: "minion:x") { allowed }`, `can(verb: "view", resource: "minion:x", userId: "$vera") { allowed }`
	for _, c := range []struct{ as, call, data, code string }{
		{"vera", me, `{"me":{"username":"vera","mustChangePassword":false,"permissions":[{"verb":"view"}]}}`, ""},
		{"nina", me, `{"me":{"username":"nina","mustChangePassword":true,"permissions":[{"verb":"[!_]*"}]}}`, ""},
		{"nobody", me, `{"me":null}`, "UNAUTHENTICATED"},
		{"vera", held, `{"myPermissions":[{"role":"bystander","verb":"view","resourceGlob":"minion:*"}]}`, ""},
		{"nobody", held, `{"myPermissions":null}`, "UNAUTHENTICATED"},
		{"vera", can, `{"can":{"allowed":true}}`, ""},
		{"vera", canMyself, `{"can":{"allowed":true}}`, ""},
		{"nina", can, `{"can":{"allowed":false}}`, ""},
		{"nobody", can, `{"can":null}`, "UNAUTHENTICATED"},
		{"vera", `can(verb: "", resource: "x:y") { allowed }`, `{"can":null}`, "BAD_USER_INPUT"},
	} {
		w.withoutRow(t, c.as, c.call, c.data, c.code)
	}
}

// withoutRow asks for what leaves none.
func (w *world) withoutRow(t *testing.T, as, call, data, code string) {
	t.Helper()
	rows := len(w.Rows(t))
	r := w.Query(t, w.cookies[as], "{ "+w.named(call)+" }", nil)
	if string(r.Data) != data || len(w.Rows(t)) != rows || r.Header.Get("X-Audit-Id") != "" {
		t.Errorf("%s, %s: %s, X-Audit-Id %q, %d rows more", as, call, r.Body, r.Header.Get("X-Audit-Id"), len(w.Rows(t))-rows)
	}
	if got := (apitest.Result{Errors: r.Errors}).Codes(); len(got) > 1 || (len(got) == 1) != (code != "") || code != "" && got[0] != code {
		t.Errorf("%s, %s: %s, want %q", as, call, r.Body, code)
	}
}
