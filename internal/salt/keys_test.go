package salt_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"halite/internal/fault"
	"halite/internal/salt"
	"halite/internal/salt/saltfake"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	w := start(t)
	want := []salt.Key{
		{"bad1", "rejected"},
		{"db1", "accepted"},
		{"new1", "pending"},
		{"new2", "pending"},
		{"twin1", "denied"},
		{"web1", "accepted"},
		{"web1", "denied"},
		{"web2", "accepted"},
	}
	if diff := cmp.Diff(want, must[[]salt.Key](t)(w.Keys(t.Context()))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for id, want := range map[string][]string{"web1": {"accepted", "denied"}, "new1": {"pending"}, "bad1": {"rejected"}, "nosuch": nil, "web*": nil} {
		if diff := cmp.Diff(want, must[[]string](t)(w.KeyStatuses(t.Context(), id))); diff != "" {
			t.Errorf("%s: -want +got\n%s", id, diff)
		}
	}
}

// From whatever status, and to the same one.
func TestChangeKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change func(*world, context.Context, string, salt.Begin) error
		after  map[string][]string
	}{
		{
			func(w *world, ctx context.Context, id string, b salt.Begin) error { return w.AcceptKey(ctx, id, b) },
			map[string][]string{"new1": {"accepted"}, "bad1": {"accepted"}, "twin1": {"accepted"}, "db1": {"accepted"}, "web1": {"accepted"}},
		},
		{
			func(w *world, ctx context.Context, id string, b salt.Begin) error { return w.RejectKey(ctx, id, b) },
			map[string][]string{"new1": {"rejected"}, "bad1": {"rejected"}, "twin1": {"rejected"}, "db1": {"rejected"}, "web1": {"rejected"}},
		},
		{
			func(w *world, ctx context.Context, id string, b salt.Begin) error { return w.DeleteKey(ctx, id, b) },
			map[string][]string{"new1": nil, "bad1": nil, "twin1": nil, "db1": nil, "web1": nil},
		},
	} {
		w := start(t)
		for id, want := range c.after {
			if err := c.change(w, t.Context(), id, w.begin); err != nil {
				t.Errorf("%s: %v", id, err)
			}
			if diff := cmp.Diff(want, must[[]string](t)(w.KeyStatuses(t.Context(), id))); diff != "" {
				t.Errorf("%s: -want +got\n%s", id, diff)
			}
		}
		if n := w.begun.Load(); n != 5 {
			t.Errorf("begun %d times", n)
		}
		w.begun.Store(0)
		wantFault(t, c.change(w, t.Context(), "nosuch", w.begin), fault.NotFound, false, "There is no key nosuch")
		wantFault(t, c.change(w, t.Context(), "web*", w.begin), fault.BadUserInput, false, `id: must be one id, without any of * ? [ ] , / \`)
		if n := w.begun.Load(); n != 0 {
			t.Errorf("begun %d times for nothing", n)
		}
		if diff := cmp.Diff([]string{"new2"}, w.KeysIn(saltfake.Pending)); diff != "" {
			t.Errorf("others changed too: -want +got\n%s", diff)
		}
	}
}

func TestKeyLowstates(t *testing.T) {
	t.Parallel()
	w := start(t)
	for _, change := range []func(context.Context, string, salt.Begin) error{w.AcceptKey, w.RejectKey, w.DeleteKey} {
		if err := change(t.Context(), "new1", w.begin); err != nil {
			t.Fatal(err)
		}
	}
	var sent []map[string]any
	for _, r := range w.Requests() {
		if r.Fun() != "" && r.Fun() != "key.list_all" {
			sent = append(sent, r.Chunk)
		}
	}
	want := []map[string]any{
		{"client": "wheel", "fun": "key.accept", "match": "new1", "include_rejected": true, "include_denied": true},
		{"client": "wheel", "fun": "key.reject", "match": "new1", "include_accepted": true, "include_denied": true},
		{"client": "wheel", "fun": "key.delete", "match": "new1"},
	}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// What a master answers with 200 is looked at.
func TestKeyFailures(t *testing.T) {
	t.Parallel()
	wheel := func(data string) *saltfake.Response {
		return &saltfake.Response{Status: 200, ContentType: "application/json", Body: `{"return": [{"tag": "x", "data": ` + data + `}]}`}
	}
	const trace = `{"success": false, "return": "Exception occurred in wheel key.accept: Traceback (most recent call last):\n  File \"a.py\", line 1\nOSError: disk full\n"}`
	accept := func(w *world) error { return w.AcceptKey(t.Context(), "new1", w.begin) }
	remove := func(w *world) error { return w.DeleteKey(t.Context(), "new1", w.begin) }
	for name, c := range map[string]struct {
		call    func(*world) error
		fun     string
		answer  *saltfake.Response
		unknown bool
		message string
	}{
		"raised":            {accept, "key.accept", wheel(trace), false, "salt-api: key.accept: Exception occurred in wheel key.accept: OSError: disk full"},
		"still rejected":    {accept, "key.accept", wheel(`{"success": true, "return": {"minions_rejected": ["new1"]}}`), false, "salt-api: key.accept: the key was not accepted"},
		"gone meanwhile":    {accept, "key.accept", wheel(`{"success": true, "return": {}}`), false, "salt-api: key.accept: the key was not accepted"},
		"another key":       {accept, "key.accept", wheel(`{"success": true, "return": {"minions": ["new11"]}}`), false, "salt-api: key.accept: the key was not accepted"},
		"no success":        {accept, "key.accept", wheel(`{"return": {"minions": ["new1"]}}`), true, "salt-api: 200 with an unknown answer: no result of key.accept"},
		"no data":           {accept, "key.accept", wheel(`null`), true, "salt-api: 200 with an unknown answer: no result of key.accept"},
		"no keys":           {accept, "key.accept", wheel(`{"success": true, "return": null}`), true, "salt-api: 200 with an unknown answer: no keys from key.accept"},
		"not rejected":      {func(w *world) error { return w.RejectKey(t.Context(), "new1", w.begin) }, "key.reject", wheel(`{"success": true, "return": {"minions": ["new1"]}}`), false, "salt-api: key.reject: the key was not rejected"},
		"delete raised":     {remove, "key.delete", wheel(`{"success": false, "return": {"odd": 1}}`), false, `salt-api: key.delete: {"odd": 1}`},
		"delete did nought": {remove, "key.delete", wheel(`{"success": true, "return": {}}`), false, "salt-api: key.delete: the key is still there"},
		"no look before":    {remove, "key.list_all", wheel(trace), false, "salt-api: key.list_all: Exception occurred in wheel key.accept: OSError: disk full"},
		"odd look before":   {remove, "key.list_all", wheel(`[]`), false, "salt-api: 200 with an unknown answer: no result of key.list_all"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			w.OnRequest(on(c.fun, answer(c.answer)))
			wantFault(t, c.call(w), fault.SaltError, c.unknown, c.message)
		})
	}
}

// The key is deleted, and nobody can be asked whether it is.
func TestDeleteUnconfirmed(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.OnAnswer(on("key.delete", func(context.Context, saltfake.Request) *saltfake.Response {
		w.OnRequest(on("key.list_all", answer(saltfake.Page(503, "Message timed out"))))
		return nil
	}))
	wantFault(t, w.DeleteKey(t.Context(), "new1", w.begin), fault.SaltUnavailable, true,
		"salt-api: 503 Message timed out; whether the key was deleted could not be seen")
}

// The minion asks for a new key before it is seen that the old one is gone.
func TestDeleteOfRunningMinion(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.OnAnswer(on("key.delete", func(context.Context, saltfake.Request) *saltfake.Response {
		w.AddKeys(saltfake.Pending, "db1")
		return nil
	}))
	if err := w.DeleteKey(t.Context(), "db1", w.begin); err != nil {
		t.Error(err)
	}
}

func TestCheckKeyID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"web1", "web-1.example.com", "a b", "größe", "..a", strings.Repeat("ä", 255)} {
		if err := salt.CheckKeyID(id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	for id, rule := range map[string]string{
		"": "must be the id of a minion", ".": "must be the id of a minion", "..": "must be the id of a minion",
		"*": "", "web?": "", "web[12]": "", "web]": "", "a,b": "", "../../x": "", `a\b`: "",
		"a\x00b": "must not have control characters", "a\n": "must not have control characters", "a\u0085b": "must not have control characters", "a\xffb": "must not have control characters",
		" a": "must not begin or end with white space", "a\u00a0": "must not begin or end with white space",
		strings.Repeat("a", 256): "must have at most 255 characters",
	} {
		if rule == "" {
			rule = `must be one id, without any of * ? [ ] , / \`
		}
		wantFault(t, salt.CheckKeyID(id), fault.BadUserInput, false, "id: "+rule)
	}
}
