package main

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"halite/internal/audit"
	"halite/internal/httpapi/apitest"
	"halite/internal/salt/saltfake"
)

// late is an effect of which Salt does not say what became of it.
type late struct {
	action
	mark     string // what in a request to Salt tells that it is this one
	fun      string // the function that has the effect
	happens  bool   // it takes place all the same
	hangs    bool   // there is no answer in time; otherwise it is a 5xx
	says     string // in the error, or its beginning
	result   int    // of the row, in the end
	settled  string // what its reason says then
	jid      string // of the row
	lateArgs string // of the row; empty = the action's
}

const (
	wasDone    = "; settled late: it was done"
	wasNotDone = "; settled late: it was not done"
	isUnknown  = "; settled late: the outcome is unknown"
	noAnswer   = "salt-api: no answer within 30s"
	broken     = "salt-api: 500 An unexpected error occurred"
)

// lates are effects of both kinds, done and not done. Every answer that does not come
// holds one of the eight requests to Salt that may be in flight.
func lates() []late {
	echo := func(mark string) action {
		return action{
			"Mutation.runCommand", `runCommand(input: {target: "web1", fun: "cmd.run", args: ["echo ` + mark + `"]}) { jid }`, "salt.run", "execute", "salt:cmd.run",
			`{"target":"web1","target_type":"glob","fun":"cmd.run","args":["echo ` + mark + `"],"kwargs":{}}`,
		}
	}
	key := func(verb, id string) action {
		return action{"Mutation." + verb + "Key", verb + `Key(id: "` + id + `")`, "key." + verb, verb, "key:" + id, `{"id":"` + id + `"}`}
	}
	kill := func(job string) action {
		return action{"Mutation.killJob", `killJob(jid: "` + job + `")`, "job.kill", "kill", "job:" + job, `{"jid":"` + job + `"}`}
	}
	onTime := func(l late) late { l.says = broken; return l }
	hanging := func(l late) late { l.hangs = true; l.says = cmp.Or(l.says, noAnswer); return l }
	done := func(l late) late {
		l.happens, l.settled = true, wasDone
		l.lateArgs = strings.TrimSuffix(l.args, "}") + `,"settled":"late"}`
		return l
	}
	return []late{
		hanging(done(late{action: echo("run_a"), mark: "run_a", fun: "cmd.run", says: "salt-api: no answer within 20s; it is not known whether the job ", result: 202, jid: "$any"})),
		hanging(done(late{action: key("accept", "a1"), mark: "a1", fun: "key.accept", result: 204})),
		hanging(late{action: key("reject", "r1"), mark: "r1", fun: "key.reject", result: 504, settled: wasNotDone}),
		hanging(done(late{action: key("delete", "d1"), mark: "d1", fun: "key.delete", result: 204})),
		hanging(late{action: kill("$job"), mark: "$job", fun: "saltutil.kill_job", result: 504, settled: isUnknown, jid: "$job"}),
		{action: kill("$job2"), mark: "$job2", fun: "saltutil.kill_job", happens: true, says: broken, result: 504, settled: isUnknown, jid: "$job2"},
		{action: echo("run_b"), mark: "run_b", fun: "cmd.run", says: broken + "; it is not known whether the job ", result: 504, settled: wasNotDone, jid: "$any"},
		onTime(late{action: key("accept", "a2"), mark: "a2", fun: "key.accept", result: 504, settled: wasNotDone}),
		onTime(done(late{action: key("reject", "r2"), mark: "r2", fun: "key.reject", result: 204})),
		onTime(late{action: key("delete", "d2"), mark: "d2", fun: "key.delete", result: 504, settled: wasNotDone}),
	}
}

// lateStory: Salt has got a request and does not say in time what became of it, or
// answers with a 5xx. An effect leaves no row then but its intent, until the server has
// found out; what changes nothing has failed, and its row says so.
func lateStory(t *testing.T, w *world) {
	w.connect(t, w.saltURL, saltfake.Admin, saltfake.AdminPassword)
	w.AddKeys(saltfake.Pending, "a1", "a2", "r1", "r2", "d1")
	w.AddKeys(saltfake.Rejected, "d2")
	w.ids["job"], w.ids["job2"], w.ids["salt"] = w.startSleeping(t), w.startSleeping(t), w.saltURL
	all := lates()
	h := newSilence(w, all)
	rows := len(w.Rows(t))

	var wg sync.WaitGroup
	defer wg.Wait()
	hanging := 0
	for _, l := range all {
		if !l.hangs {
			w.tryLate(t, l)
			continue
		}
		hanging++
		w.coverage.saw(l.field, outcome{kind: "timeout"})
		wg.Go(func() { w.tryLate(t, l) })
	}
	for range hanging { // they look before they act: only then may looking hang, too
		receive(t, "Salt holds an answer", h.held)
	}
	h.holdReads()
	reads := w.readsInTime(t, &wg)
	wg.Wait()

	// What is read has its row; the rest is open.
	got := w.since(t, rows)
	if want := sorted(reads); apitest.Diff(want, sorted(got)) != "" {
		t.Errorf("rows of what was read: -want +got\n%s", apitest.Diff(want, sorted(got)))
	}
	w.OnRequest(nil)
	w.OnAnswer(nil)
	w.checkOpen(t, all)

	before := len(w.Rows(t))
	if _, err := w.conn.Exec(t.Context(), "UPDATE audit_intents SET deadline = clock_timestamp() - interval '1 hour'"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the intents are settled", func() bool { return w.text(t, "SELECT count(*) FROM audit_intents") == "0" })
	var want []audit.Entry
	got = sorted(w.since(t, before))
	for _, l := range all {
		e := w.row(t, l.action, outcome{as: "admin", result: l.result, reason: allowedByAdmin + l.settled, args: l.lateArgs, jid: l.jid})
		want = append(want, w.withJID(e))
	}
	if diff := apitest.Diff(sorted(want), got); diff != "" {
		t.Errorf("rows of what was settled: -want +got\n%s", diff)
	}
	w.checkOnce(t, all)
}

// checkOnce: whatever was heard of it, each effect was asked for once, and took place or
// did not.
func (w *world) checkOnce(t *testing.T, all []late) {
	t.Helper()
	for _, l := range all {
		sent := slices.DeleteFunc(w.Requests(), func(r saltfake.Request) bool {
			return r.Fun() != l.fun || !strings.Contains(string(r.Body), w.named(l.mark))
		})
		if len(sent) != 1 {
			t.Errorf("%s was sent %d times", l.call, len(sent))
		}
	}
	for bucket, want := range map[saltfake.Bucket][]string{
		saltfake.Accepted: {"a1", "db1", "web1", "web2"}, saltfake.Rejected: {"d2", "r2"},
		saltfake.Pending: {"a2", "new1", "new2", "new3", "r1"},
	} {
		if got := w.KeysIn(bucket); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", bucket, got, want)
		}
	}
}

// tryLate asks for an effect of which nothing is heard: the error says so, and there is
// no row that it could name.
func (w *world) tryLate(t *testing.T, l late) {
	r := w.Query(t, w.cookies["admin"], "mutation { "+w.named(l.call)+" }", nil)
	if len(r.Errors) != 1 || r.Errors[0].Extensions["outcomeUnknown"] != true || r.Errors[0].Extensions["auditId"] != nil || r.Header.Get("X-Audit-Id") != "" {
		t.Errorf("%s: %s, X-Audit-Id %q", l.call, r.Body, r.Header.Get("X-Audit-Id"))
		return
	}
	code := map[bool]string{true: "SALT_UNAVAILABLE", false: "SALT_ERROR"}[l.hangs]
	if !strings.HasPrefix(r.Errors[0].Message, l.says) || r.Errors[0].Extensions["code"] != code {
		t.Errorf("%s: %s, want %s %q", l.call, r.Body, code, l.says)
	}
}

// readsInTime asks for all that changes nothing at Salt, while Salt is silent. It
// returns the rows that it should leave, once wg is done.
func (w *world) readsInTime(t *testing.T, wg *sync.WaitGroup) []audit.Entry {
	var rows []audit.Entry
	for _, name := range []string{"keys", "job", "jobs"} {
		a := saltActions[name]
		w.coverage.saw(a.field, outcome{kind: "timeout"})
		rows = append(rows, w.row(t, a, outcome{as: "admin", result: 503, reason: allowedByAdmin, jid: aboutJob(name)}))
		wg.Go(func() {
			r := w.Query(t, w.cookies["admin"], "{ "+w.named(a.call)+" }", nil)
			if len(r.Errors) != 1 || r.Errors[0].Message != noAnswer || r.Errors[0].Extensions["code"] != "SALT_UNAVAILABLE" ||
				r.Errors[0].Extensions["outcomeUnknown"] != nil || r.Errors[0].Extensions["auditId"] != r.Header.Get("X-Audit-Id") {
				t.Errorf("%s: %s", a.call, r.Body)
			}
		})
	}
	call, args := connection("$salt", "hang", "x")
	const tested, saved = `{"ok":false,"detail":"auth failed: ` + noAnswer + `"`, `{"ok":true,"detail":"logged in (manage.present failed: ` + noAnswer + `)"`
	for _, c := range []struct{ field, call, args, answer string }{
		{"Mutation.testSaltSettings", call, "{" + args + `,"after":` + tested + "}}", tested + `,"minionCount":null}`},
		{"Mutation.testSavedSaltSettings", `testSavedSaltSettings { ok detail minionCount }`, `{"after":` + saved + "}}", saved + `,"minionCount":null}`},
	} {
		w.coverage.saw(c.field, outcome{kind: "timeout"})
		a := action{name: "settings.salt.test", verb: "edit", resource: "settings:salt", args: c.args}
		rows = append(rows, w.row(t, a, outcome{as: "admin", result: 200}))
		want := `{"` + strings.TrimPrefix(c.field, "Mutation.") + `":` + c.answer + `}`
		wg.Go(func() {
			if r := w.Query(t, w.cookies["admin"], "mutation { "+w.named(c.call)+" }", nil); string(r.Data) != want || r.Errors != nil {
				t.Errorf("%s: %s", c.field, r.Body)
			}
		})
	}
	return rows
}

// checkOpen looks at the intents as somebody sees them who reads the log.
func (w *world) checkOpen(t *testing.T, all []late) {
	t.Helper()
	r := w.Query(t, w.cookies["mara"], `{ openIntents { username action resource argsJson saltJid reason requestId } }`, nil)
	var data struct {
		OpenIntents []struct {
			Username, Action, Resource, Reason, RequestID string
			ArgsJSON                                      json.RawMessage
			SaltJid                                       *string
		}
	}
	if err := json.Unmarshal(r.Data, &data); err != nil {
		t.Fatalf("%v: %s", err, r.Body)
	}
	var got, want []audit.Entry
	for _, i := range data.OpenIntents {
		e := audit.Entry{Username: i.Username, Action: i.Action, Resource: i.Resource, Reason: i.Reason, RequestID: i.RequestID, Args: encode(t, value(t, i.ArgsJSON))}
		if i.SaltJid != nil {
			e.SaltJID = *i.SaltJid
		}
		got = append(got, e)
	}
	for _, l := range all {
		e := w.withJID(w.row(t, l.action, outcome{as: "admin", jid: l.jid}))
		want = append(want, audit.Entry{
			Username: "admin", Action: e.Action, Resource: e.Resource, Reason: allowedByAdmin, RequestID: apitest.RequestID, Args: e.Args, SaltJID: e.SaltJID,
		})
	}
	if diff := apitest.Diff(sorted(want), sorted(got)); diff != "" {
		t.Errorf("open intents: -want +got\n%s", diff)
	}
}

// withJID is e with the id of its job as the fake has got it, where that was made up.
func (w *world) withJID(e audit.Entry) audit.Entry {
	if e.SaltJID != "$any" {
		return e
	}
	for _, r := range w.Requests() {
		for _, mark := range []string{"run_a", "run_b"} {
			if strings.Contains(string(r.Body), mark) && strings.Contains(string(e.Args), mark) {
				e.SaltJID, _ = r.Chunk["jid"].(string)
			}
		}
	}
	return e
}

// sorted are rows in an order that does not depend on time, without their ids.
func sorted(rows []audit.Entry) []audit.Entry {
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i].ID = 0
	}
	slices.SortFunc(rows, func(a, b audit.Entry) int {
		return cmp.Or(cmp.Compare(a.Action, b.Action), cmp.Compare(a.Resource, b.Resource), cmp.Compare(string(a.Args), string(b.Args)))
	})
	return rows
}
