package main

import (
	"encoding/json"
	"testing"

	"halite/internal/salt/saltfake"
)

// connection are the arguments of a test of another account, and how they are recorded.
func connection(url, user, password string) (call, args string) {
	return `testSaltSettings(input: {url: "` + url + `", username: "` + user + `", password: "` + password + `", verify: true, eauth: FILE}) { ok detail minionCount }`,
		`"url":"` + url + `","username":"` + user + `","password":"<redacted>","verify":true,"eauth":"file"`
}

// settingsStory: the settings are looked at, changed and tried.
func settingsStory(t *testing.T, w *world) {
	w.ids["salt"] = w.saltURL
	w.settingsChange(t)
	w.settingsTests(t)
}

func (w *world) settingsChange(t *testing.T) {
	t.Helper()
	const shown = `{ salt { url username passwordSet verify eauth } }`
	settings := action{"Query.settings", `settings ` + shown, "settings.get", "edit", "settings:salt", ""}
	const none = `{"salt":{"url":null,"username":null,"passwordSet":false,"verify":true,"eauth":"PAM"}}`
	w.refuse(t, settings)
	w.try(t, settings, outcome{kind: "denied", as: "mara", code: "FORBIDDEN", deny: true, reason: "no match among 2 permissions of role manager", result: 403})
	w.try(t, settings, outcome{kind: "allowed", data: none, result: 200})

	update := action{
		"Mutation.updateSaltSettings", `updateSaltSettings(input: {url: "$salt/", username: "peeradmin", password: "admin-pw", eauth: FILE}) ` + shown,
		"settings.salt.update", "edit", "settings:salt", `{"url":"$salt/","username":"peeradmin","password":"<redacted>","eauth":"file"}`,
	}
	w.refuse(t, update)
	for call, args := range map[string]string{
		`{}`:            `{}`,
		`{url: "salt"}`: `{"url":"salt"}`,
		`{eauth: FILE, url: "http://u:secret@salt"}`: `{"eauth":"file","url":"http://u:<redacted>@salt"}`,
	} {
		w.try(t, update, outcome{kind: "bad input", call: `updateSaltSettings(input: ` + call + `) ` + shown, args: args, code: "BAD_USER_INPUT", result: 422})
	}
	w.try(t, update, outcome{
		kind: "allowed", data: `{"salt":{"url":"$salt","username":"peeradmin","passwordSet":true,"verify":true,"eauth":"FILE"}}`, result: 200,
		args: `{"url":"$salt/","username":"peeradmin","password":"<redacted>","eauth":"file",` +
			`"before":{"url":"","username":"","eauth":"pam","configured":false},"after":{"url":"$salt","username":"peeradmin","eauth":"file","configured":true}}`,
		change: holds(`SELECT salt_url || ' ' || salt_username || ' ' || (salt_password LIKE 'v1.%') FROM settings`, "$salt peeradmin true"),
	})
	w.try(t, update, outcome{
		kind: "allowed", call: `updateSaltSettings(input: {url: null, password: null, eauth: null, username: ""}) ` + shown, data: none, result: 200,
		args: `{"url":null,"username":"","password":"<redacted>","eauth":null,` +
			`"before":{"url":"$salt","username":"peeradmin","eauth":"file","configured":true},"after":{"url":"","username":"","eauth":"pam","configured":false}}`,
		change: holds(`SELECT salt_password FROM settings`, ""),
	})
}

// settingsTests: a connection that fails is what the test has found, and no error.
func (w *world) settingsTests(t *testing.T) {
	t.Helper()
	call, args := connection("$salt", saltfake.Admin, saltfake.AdminPassword)
	other := action{"Mutation.testSaltSettings", call, "settings.salt.test", "edit", "settings:salt", "{" + args + "}"}
	saved := action{"Mutation.testSavedSaltSettings", `testSavedSaltSettings { ok detail minionCount }`, "settings.salt.test", "edit", "settings:salt", ""}
	w.refuse(t, other)
	w.refuse(t, saved)
	for _, url := range []string{"", "ftp://salt"} {
		call, args := connection(url, "a", "b")
		w.try(t, other, outcome{kind: "bad input", call: call, args: "{" + args + "}", code: "BAD_USER_INPUT", result: 422})
	}
	w.try(t, saved, outcome{
		kind: "not configured", data: `{"ok":false,"detail":"No saved salt-api configuration.","minionCount":null}`, result: 200,
		args: `{"after":{"ok":false,"detail":"No saved salt-api configuration."}}`,
	})
	for _, c := range []trial{
		{"allowed", w.saltURL, saltfake.Admin, saltfake.AdminPassword, true, "logged in", 3},
		{"down", nowhere, saltfake.Admin, saltfake.AdminPassword, false, "auth failed: " + unreachable, 0},
		{"refused", w.saltURL, saltfake.Admin, "wrong", false, "auth failed: salt-api: 401 Could not authenticate using provided credentials", 0},
		{"refused", w.saltURL, saltfake.NoPerm, saltfake.NoPermPassword, true, "logged in (manage.present failed: " + notPermitted + ")", 0},
	} {
		w.tryTrial(t, other, saved, c)
	}
	w.answering("manage.present", `{"return": ["boom"]}`, func() {
		w.tryTrial(t, other, saved, trial{
			"failed", w.saltURL, saltfake.Admin, saltfake.AdminPassword, true, "logged in (manage.present failed: salt-api: manage.present: boom)", 0,
		})
	})
}

// trial is a connection and what a test of it finds.
type trial struct {
	kind, url, user, password string
	ok                        bool
	detail                    string
	minions                   int // 0: they cannot be counted
}

// tryTrial tests a connection by its settings, and by those that are stored.
func (w *world) tryTrial(t *testing.T, other, saved action, c trial) {
	t.Helper()
	found := map[string]any{"ok": c.ok, "detail": c.detail}
	answer := map[string]any{"ok": c.ok, "detail": c.detail, "minionCount": nil}
	if c.minions > 0 {
		found["minion_count"], answer["minionCount"] = c.minions, c.minions
	}
	data, after := string(must(json.Marshal(answer))(t)), `"after":`+string(must(json.Marshal(found))(t))
	call, args := connection(c.url, c.user, c.password)
	w.try(t, other, outcome{kind: c.kind, call: call, args: "{" + args + "," + after + "}", data: data, result: 200})
	w.connect(t, c.url, c.user, c.password)
	w.try(t, saved, outcome{kind: c.kind, args: "{" + after + "}", data: data, result: 200})
}
