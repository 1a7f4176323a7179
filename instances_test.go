package main

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"halite/internal/audit"
	"halite/internal/httpapi/apitest"
	"halite/internal/salt/saltfake"
)

// codesAt are the codes of the errors of a query with a cookie.
func codesAt(t *testing.T, i *instance, cookie, query string) []string {
	t.Helper()
	return i.Query(t, cookie, query, nil).Codes()
}

// TestTwoInstances: what is changed at one instance acts with the next request at each.
func TestTwoInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	both := []*instance{w.instance, w.start(t, w.DBURL)}
	admin := w.cookies["admin"]
	// change has something done at one of them, each in its turn.
	turn := 0
	change := func(call string) {
		t.Helper()
		turn++
		if r := both[turn%2].Query(t, admin, "mutation { "+w.named(call)+" }", nil); r.Errors != nil {
			t.Fatalf("%s: %s", call, r.Body)
		}
	}
	expect := func(what, cookie, query string, codes ...string) {
		t.Helper()
		for n, i := range both {
			if got := codesAt(t, i, cookie, query); !slices.Equal(got, codes) {
				t.Errorf("%s: at instance %d: %q, want %q", what, n+1, got, codes)
			}
		}
	}

	const users = "{ users { total } }"
	expect("before", w.cookies["vera"], users, "FORBIDDEN")
	change(`addPermission(roleId: "$role_bystander", verb: "view", resourceGlob: "user:*") { id }`)
	expect("a permission was added to his role", w.cookies["vera"], users)
	w.ids["added"] = w.text(t, `SELECT id FROM permissions WHERE role_id = '$role_bystander' AND resource_glob = 'user:*'`)
	change(`removePermission(roleId: "$role_bystander", permissionId: "$added")`)
	expect("it was removed", w.cookies["vera"], users, "FORBIDDEN")
	change(`addUserRole(userId: "$vera", roleId: "$role_operator") { id }`)
	expect("a role was given", w.cookies["vera"], users)
	change(`removeUserRole(userId: "$vera", roleId: "$role_operator")`)
	expect("it was taken", w.cookies["vera"], users, "FORBIDDEN")
	change(`addUserRole(userId: "$vera", roleId: "$role_manager") { id }`)
	change(`deleteRole(id: "$role_manager")`)
	expect("a role that he had was deleted", w.cookies["vera"], users, "FORBIDDEN")

	for user, call := range map[string]string{
		"bob":   `updateUser(id: "$bob", input: {isActive: false}) { id }`,
		"alice": `resetPassword(id: "$alice", newPassword: "another one")`,
		"mara":  `deleteUser(id: "$mara")`,
	} {
		cookies := []string{signIn(t, both[0].URL, user, userPassword), signIn(t, both[1].URL, user, userPassword)}
		for _, c := range cookies {
			expect(user+" is signed in", c, "{ me { username } }")
		}
		change(call)
		for _, c := range cookies {
			expect(call, c, "{ me { username } }", "UNAUTHENTICATED")
			expect(call, c, users, "UNAUTHENTICATED")
		}
	}

	const keys = "{ keys { id } }"
	expect("Salt is not configured", admin, keys, "SALT_UNAVAILABLE")
	w.connect(t, w.saltURL, saltfake.Admin, saltfake.AdminPassword)
	expect("it is now", admin, keys)
	w.connect(t, nowhere, saltfake.Admin, saltfake.AdminPassword)
	expect("it is elsewhere", admin, keys, "SALT_UNAVAILABLE")
	change(`updateSaltSettings(input: {url: "` + w.saltURL + `", password: "wrong"}) { updatedAt }`)
	expect("another password", admin, keys, "SALT_ERROR")
	change(`updateSaltSettings(input: {password: "` + saltfake.AdminPassword + `"}) { updatedAt }`)
	expect("the right one", admin, keys)
	change(`updateSaltSettings(input: {url: null}) { updatedAt }`)
	expect("none", admin, keys, "SALT_UNAVAILABLE")
}

// TestCrashBetweenIntentAndRow: an instance is killed while it waits for Salt. The
// intents that it leaves open become one row each, whoever comes to settle them.
func TestCrashBetweenIntentAndRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.connect(t, w.saltURL, saltfake.Admin, saltfake.AdminPassword)
	other := w.start(t, w.DBURL)
	admin := w.cookies["admin"]

	// One command has been sent to its minion, of another Salt has only got the request.
	held := make(chan string, 2)
	hold := func(fun string) saltfake.Hook {
		return func(ctx context.Context, r saltfake.Request) *saltfake.Response {
			if r.Fun() != fun {
				return nil
			}
			jid, _ := r.Chunk["jid"].(string)
			held <- fun + " " + jid
			<-ctx.Done()
			return saltfake.Cut
		}
	}
	w.OnAnswer(hold("test.ping"))
	w.OnRequest(hold("test.version"))
	for _, fun := range []string{"test.ping", "test.version"} {
		body := `{"query": "mutation { runCommand(input: {target: \"web1\", fun: \"` + fun + `\"}) { jid } }"}`
		req := must(http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/graphql", strings.NewReader(body)))(t)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Cookie", admin)
		go func() {
			if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
				_ = res.Body.Close()
				t.Errorf("answered by a server that was killed: %d", res.StatusCode)
			}
		}()
	}
	jids := map[string]string{}
	for range 2 {
		fun, jid, _ := strings.Cut(receive(t, "Salt holds an answer", held), " ")
		jids[fun] = jid
	}
	w.kill(t)
	w.OnAnswer(nil)
	w.OnRequest(nil)
	again := w.start(t, w.DBURL) // with the other instance there are two that settle
	rows := len(w.Rows(t))

	for _, i := range []*instance{other, again} {
		r := i.Query(t, admin, `{ openIntents { action saltJid } }`, nil)
		if r.Errors != nil || strings.Count(string(r.Data), `"salt.run"`) != 2 || !strings.Contains(string(r.Data), jids["test.ping"]) {
			t.Errorf("open intents: %s", r.Body)
		}
	}
	asked := w.since(t, rows)
	if len(asked) != 2 || asked[0].Action != "intent.list" || asked[1].Action != "intent.list" {
		t.Errorf("rows: %v", asked)
	}
	if _, err := w.conn.Exec(t.Context(), "UPDATE audit_intents SET deadline = clock_timestamp() - interval '1 hour'"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the intents are settled", func() bool { return w.text(t, "SELECT count(*) FROM audit_intents") == "0" })
	var want []audit.Entry
	for fun, late := range map[string]string{"test.ping": `,"settled":"late"`, "test.version": ""} {
		o := outcome{as: "admin", result: 202, reason: allowedByAdmin + wasDone, jid: jids[fun]}
		if late == "" {
			o.result, o.reason = 504, allowedByAdmin+wasNotDone
		}
		want = append(want, w.row(t, action{
			name: "salt.run", verb: "execute", resource: "salt:" + fun,
			args: `{"target":"web1","target_type":"glob","fun":"` + fun + `","args":[],"kwargs":{}` + late + `}`,
		}, o))
	}
	got := sorted(w.since(t, rows+len(asked)))
	for i := range got { // of a request that was not made by the tests' own client
		got[i].RequestID, got[i].UserAgent = apitest.RequestID, apitest.UserAgent
	}
	if diff := apitest.Diff(sorted(want), got); diff != "" {
		t.Errorf("rows: -want +got\n%s", diff)
	}
	if w.Runs(jids["test.ping"]) != 1 || w.Runs(jids["test.version"]) != 0 {
		t.Error("the master has run something else than was meant")
	}
}
