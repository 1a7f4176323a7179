package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"halite/internal/salt/saltfake"
)

// readyAt is the answer of /readyz.
func readyAt(t *testing.T, i *instance) string {
	t.Helper()
	r := i.Do(t, http.MethodGet, "/readyz", "")
	if r.Status != http.StatusOK {
		t.Errorf("/readyz: %d", r.Status)
	}
	return r.Body
}

const (
	otherSecret = "another secret of at least 32 characters"
	thirdSecret = "and a third one, of some more characters"
)

// TestCookieSecretChanged: with another COOKIE_SECRET the stored password of the Salt
// account cannot be read any more. All else goes on, and entering it again mends it.
func TestCookieSecretChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.connect(t, w.saltURL, saltfake.Admin, saltfake.AdminPassword)
	w.stop(t)
	old := w.cookies["admin"]
	w.instance = w.start(t, w.DBURL, "COOKIE_SECRET="+otherSecret)

	const says = `"salt":"error: the password was sealed with another COOKIE_SECRET, enter it again"`
	if got := readyAt(t, w.instance); !strings.Contains(got, `"status":"degraded"`) || !strings.Contains(got, says) {
		t.Errorf("/readyz: %s", got)
	}
	if codes := codesAt(t, w.instance, old, "{ settings { updatedAt } }"); !slices.Equal(codes, []string{"UNAUTHENTICATED"}) {
		t.Errorf("a session of the other secret: %q", codes)
	}
	w.cookies["admin"] = signIn(t, w.URL, "admin", adminPassword)
	w.ids["job"] = w.ids["nojob"]
	const advice = "The stored Salt password cannot be read with this COOKIE_SECRET, enter it again in the settings"
	requests := len(w.Requests())
	for name, a := range saltActions {
		w.try(t, a, outcome{kind: "unreadable", code: "SALT_UNAVAILABLE", says: advice, result: 503, jid: aboutJob(name)})
	}
	w.try(t, action{"Mutation.testSavedSaltSettings", `testSavedSaltSettings { ok detail }`, "settings.salt.test", "edit", "settings:salt", ""}, outcome{
		kind: "unreadable", data: `{"ok":false,"detail":"` + advice + `"}`, args: `{"after":{"ok":false,"detail":"` + advice + `"}}`, result: 200,
	})
	if len(w.Requests()) != requests {
		t.Error("Salt was asked without its password")
	}
	if r := w.Query(t, w.cookies["admin"], "{ settings { salt { passwordSet } } }", nil); string(r.Data) != `{"settings":{"salt":{"passwordSet":true}}}` {
		t.Error(r.Body)
	}

	w.enter(t, saltfake.AdminPassword)
	if codes := codesAt(t, w.instance, w.cookies["admin"], "{ keys { id } }"); codes != nil {
		t.Errorf("after the password was entered again: %q", codes)
	}
	eventually(t, "/readyz is ok again", func() bool { return strings.Contains(readyAt(t, w.instance), `"salt":"ok"`) })
}

// TestCookieSecretPrevious: with the secret of before beside the new one everything
// goes on, sessions too, and the password is sealed anew: the old one can go.
func TestCookieSecretPrevious(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.connect(t, w.saltURL, saltfake.Admin, saltfake.AdminPassword)
	sealed := w.text(t, "SELECT salt_password FROM settings")
	settings := w.text(t, "SELECT to_jsonb(s) - 'salt_password' FROM settings s")
	rows := len(w.Rows(t))
	w.stop(t)
	old := w.cookies["admin"]
	works := func(cookie string) {
		t.Helper()
		if codes := codesAt(t, w.instance, cookie, "{ keys { id } }"); codes != nil {
			t.Errorf("%q", codes)
		}
		if got := readyAt(t, w.instance); !strings.Contains(got, `"salt":"ok"`) {
			t.Errorf("/readyz: %s", got)
		}
	}

	w.instance = w.start(t, w.DBURL, "COOKIE_SECRET="+thirdSecret, "COOKIE_SECRET_PREVIOUS="+testSecret)
	if left := w.since(t, rows); len(left) > 0 {
		t.Errorf("%d rows more: sealing anew is no change", len(left))
	}
	if now := w.text(t, "SELECT to_jsonb(s) - 'salt_password' FROM settings s"); now != settings {
		t.Errorf("the settings were %s, and are %s", settings, now)
	}
	keyID := func(sealed string) string { return strings.Split(sealed, ".")[1] }
	if now := w.text(t, "SELECT salt_password FROM settings"); keyID(now) == keyID(sealed) {
		t.Errorf("it is sealed as before: %s", now)
	}
	works(old)
	fresh := signIn(t, w.URL, "admin", adminPassword)
	works(fresh)

	w.stop(t)
	w.instance = w.start(t, w.DBURL, "COOKIE_SECRET="+thirdSecret)
	works(fresh)
	if codes := codesAt(t, w.instance, old, "{ keys { id } }"); !slices.Equal(codes, []string{"UNAUTHENTICATED"}) {
		t.Errorf("a session of the secret that is gone: %q", codes)
	}
}

// enter stores the password of the Salt account alone.
func (w *world) enter(t *testing.T, password string) {
	t.Helper()
	r := w.Query(t, w.cookies["admin"], `mutation ($p: String) { updateSaltSettings(input: {password: $p}) { salt { passwordSet } } }`, map[string]any{"p": password})
	if r.Errors != nil {
		t.Fatal(r.Body)
	}
}
