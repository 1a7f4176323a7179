package main

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"halite/internal/salt/saltfake"
)

// sentinel is a secret that is found again wherever it got to. Each use has a number of
// its own, which tells the place that let it through.
const sentinel = "q7ZsEcReT9Kx"

// TestSecretsNeverLand gives the program secrets in every place where somebody may put
// one, right and wrong ones, and looks for them in the database and in what it says
// itself at the level debug.
func TestSecretsNeverLand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "LOG_LEVEL=debug")
	serial := 0
	secret := func() string { serial++; return fmt.Sprintf("%s%d", sentinel, serial) }
	admin := w.cookies["admin"]
	rows := len(w.Rows(t))
	type vars = map[string]any
	ask := func(codes, query string, v vars) {
		t.Helper()
		if r := w.Query(t, admin, w.named(query), v); strings.Join(r.Codes(), " ") != codes {
			t.Errorf("%s: %s, want %q", query, r.Body, codes)
		}
	}

	// Passwords of users, as literals, as variables, and in requests that fail.
	ask("", `mutation ($i: CreateUserInput!) { createUser(input: $i) { id } }`, vars{"i": vars{"username": "dora", "password": secret()}})
	ask("CONFLICT", `mutation { createUser(input: {username: "dora", password: "`+secret()+`"}) { id } }`, nil)
	ask("BAD_USER_INPUT", `mutation { createUser(input: {username: "x", password: "`+secret()+`", roleIds: ["x"]}) { id } }`, nil)
	ask("GRAPHQL_VALIDATION_FAILED", `mutation { createUser(input: {username: "x", password: "`+secret()+`", nope: 1}) { id } }`, nil)
	ask("GRAPHQL_PARSE_FAILED", `mutation { createUser(input: {username: "x", password: "`+secret()+`" `, nil)
	ask("GRAPHQL_VALIDATION_FAILED", `mutation ($p: Int!) { resetPassword(id: "$alice", newPassword: $p) }`, vars{"p": secret()})
	ask("", `mutation ($p: String!) { resetPassword(id: "$alice", newPassword: $p) }`, vars{"p": secret()})
	ask("NOT_FOUND", `mutation { resetPassword(id: "$nobody", newPassword: "`+secret()+`") }`, nil)
	ask("UNAUTHENTICATED", `mutation { login(username: "admin", password: "`+secret()+`") { username } }`, nil)
	ask("FORBIDDEN", `mutation { changePassword(currentPassword: "`+secret()+`", newPassword: "`+secret()+`") }`, nil)
	for _, body := range []string{`{"username": "admin", "password": "` + secret() + `"}`, `{"username": "admin", "password": "` + secret(), `{"password": "` + secret() + `"}`} {
		if r := w.Do(t, http.MethodPost, "/api/auth/login", body); r.Status == http.StatusOK {
			t.Errorf("signed in with %s", body)
		}
	}

	// Texts that hold one.
	ask("", `mutation { updateRole(id: "$role_spare", description: "token=`+secret()+`") { id } }`, nil)
	ask("", `mutation { updateRole(id: "$role_spare", description: "") { id } }`, nil)
	ask("", `query { can(verb: "view", resource: "x:password=`+secret()+`", userId: "$alice") { allowed } }`, nil)
	ask("BAD_USER_INPUT", `mutation { acceptKey(id: "x://u:`+secret()+`@h") }`, nil)
	ask("BAD_USER_INPUT", `mutation { killJob(jid: "token: `+secret()+`") }`, nil)
	w.Query(t, w.cookies["mara"], w.named(`mutation { addPermission(roleId: "$role_spare", verb: "x", resourceGlob: "x:password=`+secret()+`") { id } }`), nil)
	w.Do(t, http.MethodPost, "/graphql", `{"query": "{ keys { id } }"}`, "Cookie", admin, "User-Agent", "curl --token "+secret())

	// How Salt is reached. The one that is stored is right, and Salt will tell it to everybody.
	salt := secret()
	w.SetPassword(saltfake.Admin, salt)
	ask("BAD_USER_INPUT", `mutation ($i: SaltSettingsInput!) { updateSaltSettings(input: $i) { updatedAt } }`,
		vars{"i": vars{"url": "http://u:" + secret() + "@salt", "password": secret()}})
	w.connect(t, w.saltURL, saltfake.Admin, salt)
	for _, url := range []string{w.saltURL, nowhere, "http://u:" + secret() + "@salt"} {
		codes := ""
		if strings.Contains(url, "@") {
			codes = "BAD_USER_INPUT"
		}
		for _, password := range []string{salt, secret()} {
			ask(codes, `mutation ($i: SaltConnectionInput!) { testSaltSettings(input: $i) { ok } }`,
				vars{"i": vars{"url": url, "username": saltfake.Admin, "password": password, "verify": false, "eauth": "FILE"}})
		}
	}
	ask("", `mutation { testSavedSaltSettings { ok } }`, nil)

	// Commands: one that is run, one that Salt fails to run, and one that stays open.
	run := func(codes string) {
		t.Helper()
		ask(codes, `mutation ($i: RunCommandInput!) { runCommand(input: $i) { jid } }`, vars{"i": vars{
			"target": "web1", "fun": "cmd.run",
			"args": []string{"mysql --password " + secret(), "--password", secret(), "--db-token=" + secret(), "https://u:" + secret() + "@h/x", "sh -c PGPASSWORD=" + secret() + " psql"},
			"kwargs": vars{
				"token": secret(), "env": vars{"DB_PASSWORD": secret(), "X": []any{vars{"apiKey": secret()}, "pw=" + secret()}},
				"stdin": "Authorization: Bearer " + secret(), "pillar": `{"passwd": "` + secret() + `"}`,
			},
		}})
	}
	run("")
	telling := func(status int) {
		w.OnRequest(func(_ context.Context, r saltfake.Request) *saltfake.Response {
			if r.Path == "/login" {
				return nil
			}
			return saltfake.Page(status, "for "+salt+" and "+r.Header.Get("X-Auth-Token"))
		})
	}
	telling(http.StatusBadRequest)
	run("SALT_ERROR")
	ask("SALT_ERROR", `query { keys { id } }`, nil)
	telling(http.StatusInternalServerError)
	run("SALT_ERROR")
	if n := w.text(t, "SELECT count(*) FROM audit_intents"); n != "1" {
		t.Fatalf("%s open intents", n)
	}

	// It was given to whom it was for, and was recorded.
	var sent strings.Builder
	tokens := map[string]bool{}
	for _, r := range w.Requests() {
		sent.Write(r.Body)
		tokens[r.Header.Get("X-Auth-Token")] = true
	}
	if n := strings.Count(sent.String(), sentinel); n < 30 {
		t.Errorf("Salt was given %d secrets", n)
	}
	delete(tokens, "")
	if len(tokens) == 0 {
		t.Error("no token was seen")
	}
	if n := len(w.since(t, rows)); n < 25 {
		t.Errorf("only %d rows were written", n)
	}
	w.stop(t)
	if said := w.out.String(); !strings.Contains(said, "level=DEBUG") || !strings.Contains(said, "salt-api answered") {
		t.Errorf("it did not say much:\n%s", said)
	}
	forbidden := []string{sentinel, testSecret, adminPassword, userPassword}
	for token := range tokens {
		forbidden = append(forbidden, token)
	}
	for _, cookie := range w.cookies {
		if _, id, ok := strings.Cut(cookie, "="); ok {
			forbidden = append(forbidden, strings.Split(id, ".")[0])
		}
	}
	w.lookFor(t, forbidden)
}

// lookFor looks for texts where none of them may be.
func (w *world) lookFor(t *testing.T, forbidden []string) {
	t.Helper()
	places := map[string]string{"what it says itself": w.out.String()}
	for _, table := range []string{"audit_log", "audit_intents", "settings", "users", "sessions"} {
		if places[table] = w.text(t, "SELECT string_agg(x::text, chr(10)) FROM "+table+" x"); places[table] == "" {
			t.Errorf("%s is empty", table)
		}
	}
	for place, text := range places {
		for _, f := range forbidden {
			if at := regexp.MustCompile(".{0,80}" + regexp.QuoteMeta(f) + ".{0,40}").FindString(text); at != "" {
				t.Errorf("%s: %s", place, at)
			}
		}
	}
}
