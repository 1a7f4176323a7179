package main

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"halite/internal/salt/saltfake"
)

// nowhere refuses every connection.
const nowhere = "http://127.0.0.1:1"

// What all that asks Salt says of it, when it cannot be asked.
const (
	notConfigured = "Salt is not configured: the settings need url, username and password"
	unreachable   = "salt-api: unreachable: dial tcp 127.0.0.1:1: connect: connection refused"
	notPermitted  = `salt-api: 401 not permitted: Authentication failure of type "token" occurred for user noperm.`
)

// saltActions are the fields that ask Salt. Their resources and arguments are those of a
// connected master; $job is a job that runs there.
var saltActions = map[string]action{
	"run":    {"Mutation.runCommand", `runCommand(input: {target: "web*", fun: "test.ping"}) { jid minions }`, "salt.run", "execute", "salt:test.ping", runArgs},
	"accept": {"Mutation.acceptKey", `acceptKey(id: "new1")`, "key.accept", "accept", "key:new1", `{"id":"new1"}`},
	"reject": {"Mutation.rejectKey", `rejectKey(id: "new2")`, "key.reject", "reject", "key:new2", `{"id":"new2"}`},
	"delete": {"Mutation.deleteKey", `deleteKey(id: "new3")`, "key.delete", "delete", "key:new3", `{"id":"new3"}`},
	"kill":   {"Mutation.killJob", `killJob(jid: "$job")`, "job.kill", "kill", "job:$job", `{"jid":"$job"}`},
	"keys":   {"Query.keys", `keys { id status }`, "key.list", "view", "key:*", ""},
	"job":    {"Query.job", `job(jid: "$job") { fun target minions results { minion } }`, "job.get", "view", "job:$job", `{"jid":"$job"}`},
	"jobs":   {"Query.jobs", `jobs(limit: 1) { jid }`, "job.list", "view", "job:*", `{"limit":1}`},
}

const runArgs = `{"target":"web*","target_type":"glob","fun":"test.ping","args":[],"kwargs":{}}`

// aboutJob is the salt_jid of the rows of an action that names a job.
func aboutJob(name string) string {
	if name == "kill" || name == "job" {
		return "$job"
	}
	return ""
}

// saltStory: what asks Salt, without a connection, with one that fails, and with one
// that works.
func saltStory(t *testing.T, w *world) {
	w.ids["job"] = w.ids["nojob"]
	for name, a := range saltActions {
		w.try(t, a, outcome{kind: "not configured", code: "SALT_UNAVAILABLE", says: notConfigured, result: 503, jid: aboutJob(name)})
	}
	w.connect(t, nowhere, saltfake.Admin, saltfake.AdminPassword)
	for name, a := range saltActions {
		w.try(t, a, outcome{kind: "down", code: "SALT_UNAVAILABLE", says: unreachable, result: 503, jid: aboutJob(name)})
	}
	w.connect(t, w.saltURL, saltfake.Admin, "not the password")
	for name, a := range saltActions {
		w.try(t, a, outcome{
			kind: "refused", code: "SALT_ERROR", says: "salt-api: 401 Could not authenticate using provided credentials", result: 502, jid: aboutJob(name),
		})
	}
	w.connect(t, w.saltURL, saltfake.NoPerm, saltfake.NoPermPassword)
	for name, a := range saltActions {
		says := notPermitted
		if name == "run" {
			says = "salt-api: 401 not permitted: Authorization error occurred."
		}
		w.try(t, a, outcome{kind: "refused", code: "SALT_ERROR", says: says, result: 502, jid: aboutJob(name)})
	}
	w.connect(t, w.saltURL, saltfake.Admin, saltfake.AdminPassword)
	w.ids["job"] = w.startSleeping(t)
	for _, a := range saltActions {
		w.refuse(t, a)
	}
	w.saltInput(t)
	w.saltFailures(t)
	w.saltReads(t)
	w.saltScopes(t)
	w.saltEffects(t)
}

// startSleeping sends a job that runs until it is killed, and returns its id.
func (w *world) startSleeping(t *testing.T) string {
	t.Helper()
	r := w.Query(t, w.cookies["admin"], `mutation { runCommand(input: {target: "web1", fun: "test.sleep", args: ["3600"]}) { jid } }`, nil)
	data, _ := value(t, r.Data).(map[string]any)
	run, _ := data["runCommand"].(map[string]any)
	jid, _ := run["jid"].(string)
	if w.Runs(jid) != 1 {
		t.Fatalf("it does not run: %s", r.Body)
	}
	return jid
}

// saltInput: what breaks a rule is not sent.
func (w *world) saltInput(t *testing.T) {
	t.Helper()
	for _, c := range []struct{ name, call, resource, args, says string }{
		{
			"run", `runCommand(input: {target: "*", fun: "nodot"}) { jid }`, "salt:nodot",
			`{"target":"*","target_type":"glob","fun":"nodot","args":[],"kwargs":{}}`, "fun: must be of the form module.function",
		},
		{
			"run", `runCommand(input: {target: "*", fun: "test.ping", kwargs: [1]}) { jid }`, "",
			`{"target":"*","target_type":"glob","fun":"test.ping","args":[],"kwargs":[1]}`, "kwargs: must be an object",
		},
		{
			"run", `runCommand(input: {target: "L", targetType: LIST, fun: "cmd.run", args: "runas=root"}) { jid }`, "salt:cmd.run",
			`{"target":"L","target_type":"list","fun":"cmd.run","args":["runas=root"],"kwargs":{}}`, "args[0]: looks like a keyword argument: use kwargs",
		},
		{"accept", `acceptKey(id: "*")`, "key:*", `{"id":"*"}`, "id: must be one id, without any of * ? [ ] , / \\"},
		{"reject", `rejectKey(id: "new?")`, "key:new?", `{"id":"new?"}`, ""},
		{"delete", `deleteKey(id: "new1,new2")`, "key:new1,new2", `{"id":"new1,new2"}`, ""},
		{"kill", `killJob(jid: "1")`, "job:1", `{"jid":"1"}`, "jid: must be the 20 digits of a job id"},
		{"job", `job(jid: "*") { jid }`, "job:*", `{"jid":"*"}`, "jid: must be the 20 digits of a job id"},
		{"jobs", `jobs(limit: 501) { jid }`, "", `{"limit":501}`, "limit: should be from 1 to 500"},
	} {
		w.try(t, saltActions[c.name], outcome{kind: "bad input", call: c.call, resource: c.resource, args: c.args, code: "BAD_USER_INPUT", says: c.says, result: 422})
	}
}

// saltFailures: Salt tells of a failure within an answer 200.
func (w *world) saltFailures(t *testing.T) {
	t.Helper()
	const wheel = `{"return": [{"tag": "salt/wheel/1", "data": {"success": false, "return": "Exception occurred in wheel: Traceback (most recent call last):\nboom\n"}}]}`
	for _, c := range []struct{ name, fun, body, says string }{
		{"run", "test.ping", `{"return": [{}]}`, "no minion matched the target: nothing was run"},
		{"accept", "key.accept", wheel, "salt-api: key.accept: Exception occurred in wheel: boom"},
		{"reject", "key.reject", wheel, "salt-api: key.reject: Exception occurred in wheel: boom"},
		{"delete", "key.delete", wheel, "salt-api: key.delete: Exception occurred in wheel: boom"},
		{"keys", "key.list_all", wheel, "salt-api: key.list_all: Exception occurred in wheel: boom"},
		{"kill", "jobs.list_job", `{"return": ["Exception occurred in runner: boom"]}`, "salt-api: jobs.list_job: Exception occurred in runner: boom"},
		{"job", "jobs.list_job", `{"return": ["Exception occurred in runner: boom"]}`, "salt-api: jobs.list_job: Exception occurred in runner: boom"},
		{"jobs", "jobs.list_jobs", `{"return": ["Exception occurred in runner: boom"]}`, "salt-api: jobs.list_jobs: Exception occurred in runner: boom"},
	} {
		w.answering(c.fun, c.body, func() {
			w.try(t, saltActions[c.name], outcome{kind: "failed", code: "SALT_ERROR", says: c.says, result: 502, jid: aboutJob(c.name)})
		})
	}
	// And without saying so: the key is where it was.
	w.answering("key.accept", `{"return": [{"tag": "salt/wheel/1", "data": {"success": true, "return": {}}}]}`, func() {
		w.try(t, saltActions["accept"], outcome{kind: "failed", code: "SALT_ERROR", says: "salt-api: key.accept: the key was not accepted", result: 502})
	})
}

// answering has the master answer a function with a body, while f runs.
func (w *world) answering(fun, body string, f func()) {
	w.OnRequest(func(_ context.Context, r saltfake.Request) *saltfake.Response {
		if r.Fun() != fun {
			return nil
		}
		return &saltfake.Response{Status: http.StatusOK, ContentType: "application/json", Body: body}
	})
	defer w.OnRequest(nil)
	f()
}

func (w *world) saltReads(t *testing.T) {
	t.Helper()
	w.try(t, saltActions["keys"], outcome{kind: "allowed", result: 200, data: `[
		{"id":"db1","status":"ACCEPTED"},{"id":"new1","status":"PENDING"},{"id":"new2","status":"PENDING"},{"id":"new3","status":"PENDING"},
		{"id":"web1","status":"ACCEPTED"},{"id":"web2","status":"ACCEPTED"}]`})
	w.try(t, saltActions["jobs"], outcome{kind: "allowed", data: `[{"jid":"$job"}]`, result: 200})
	w.try(t, saltActions["job"], outcome{kind: "allowed", data: `{"fun":"test.sleep","target":"web1","minions":["web1"],"results":[]}`, result: 200, jid: "$job"})
	w.try(t, saltActions["job"], outcome{
		kind: "not found", call: `job(jid: "$nojob") { jid }`, resource: "job:$nojob", args: `{"jid":"$nojob"}`,
		code: "NOT_FOUND", says: "Job $nojob not found in cache", result: 404, jid: "$nojob",
	})
}

// saltScopes: who may do something with some objects may do it with those alone.
func (w *world) saltScopes(t *testing.T) {
	t.Helper()
	w.try(t, saltActions["accept"], outcome{
		kind: "denied", as: "olga", call: `acceptKey(id: "web1")`, resource: "key:web1", args: `{"id":"web1"}`,
		code: "FORBIDDEN", says: "Forbidden", deny: true, reason: "no match among 2 permissions of role keeper", result: 403,
	})
	w.try(t, saltActions["reject"], outcome{kind: "denied", as: "olga", code: "FORBIDDEN", deny: true, reason: "no match among 2 permissions of role keeper", result: 403})
	w.try(t, saltActions["run"], outcome{
		kind: "denied", as: "olga", call: `runCommand(input: {target: "web*", fun: "cmd.run", args: ["id"]}) { jid }`, resource: "salt:cmd.run",
		args: `{"target":"web*","target_type":"glob","fun":"cmd.run","args":["id"],"kwargs":{}}`,
		code: "FORBIDDEN", deny: true, reason: "no match among 2 permissions of role keeper", result: 403,
	})
	w.try(t, saltActions["run"], outcome{
		kind: "allowed", as: "olga", data: `{"jid":` + anything + `,"minions":["web1","web2"]}`, result: 202, jid: "$any",
		reason: "allowed by role keeper: execute salt:test.*", change: func(*testing.T, *world) {},
	})
	w.AddKeys(saltfake.Pending, "new4")
	w.try(t, saltActions["accept"], outcome{
		kind: "allowed", as: "olga", call: `acceptKey(id: "new4")`, resource: "key:new4", args: `{"id":"new4"}`, data: `true`, result: 204,
		reason: "allowed by role keeper: accept key:new*", change: func(*testing.T, *world) {},
	})
}

func (w *world) saltEffects(t *testing.T) {
	t.Helper()
	w.try(t, saltActions["run"], outcome{
		kind: "allowed", data: `{"jid":` + anything + `,"minions":["web1","web2"]}`, result: 202, jid: "$any",
		change: func(t *testing.T, w *world) {
			rows := w.Rows(t)
			if jid := rows[len(rows)-1].SaltJID; w.Runs(jid) != 2 {
				t.Errorf("the job %q of the row runs on %d minions", jid, w.Runs(jid))
			}
		},
	})
	for name, bucket := range map[string]saltfake.Bucket{"accept": saltfake.Accepted, "reject": saltfake.Rejected, "delete": ""} {
		a := saltActions[name]
		id := a.resource[len("key:"):]
		w.try(t, a, outcome{kind: "allowed", data: `true`, result: 204, change: func(t *testing.T, w *world) {
			if slices.Contains(w.KeysIn(saltfake.Pending), id) || bucket != "" && !slices.Contains(w.KeysIn(bucket), id) {
				t.Errorf("%s: the key is not in %q", name, bucket)
			}
		}})
		ghost := a.field[len("Mutation."):] + `(id: "ghost")`
		w.try(t, a, outcome{kind: "not found", call: ghost, resource: "key:ghost", args: `{"id":"ghost"}`, code: "NOT_FOUND", says: "There is no key ghost", result: 404})
	}
	sent := func(t *testing.T, w *world) {
		t.Helper()
		if r := w.Requests(); r[len(r)-1].Fun() != "saltutil.kill_job" {
			t.Errorf("the last request is %q", r[len(r)-1].Fun())
		}
	}
	w.try(t, saltActions["kill"], outcome{kind: "allowed", data: `true`, result: 202, jid: "$job", change: sent})
	w.try(t, saltActions["kill"], outcome{kind: "not running", code: "CONFLICT", says: "no minion was running the job", result: 409, jid: "$job", change: sent})
	w.try(t, saltActions["kill"], outcome{
		kind: "not found", call: `killJob(jid: "$nojob")`, resource: "job:$nojob", args: `{"jid":"$nojob"}`,
		code: "NOT_FOUND", says: "Job $nojob not found in cache", result: 404, jid: "$nojob",
	})
}
