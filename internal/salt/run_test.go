package salt_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"halite/internal/fault"
	"halite/internal/salt"
	"halite/internal/salt/saltfake"
)

func ping(target string) salt.Job {
	return salt.Job{Target: target, TargetType: "glob", Fun: "test.ping", JID: newJID()}
}

func TestRun(t *testing.T) {
	t.Parallel()
	w := start(t)
	jid := newJID()
	started := must[salt.Started](t)(w.Run(t.Context(), salt.Job{
		Target: "web*", TargetType: "glob", Fun: "cmd.run", Args: []string{"echo hi"}, Kwargs: map[string]any{"timeout": 3, "env": "a=b"}, JID: jid,
	}, w.begin))
	if diff := cmp.Diff(salt.Started{JID: jid, Minions: []string{"web1", "web2"}}, started); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	sent := w.Requests()[1]
	var chunks []map[string]any
	if err := json.Unmarshal(sent.Body, &chunks); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{{
		"client": "local_async", "tgt": "web*", "tgt_type": "glob", "fun": "cmd.run", "jid": jid,
		"arg": []any{"echo hi"}, "kwarg": map[string]any{"timeout": 3.0, "env": "a=b"},
	}}
	if diff := cmp.Diff(want, chunks); diff != "" {
		t.Errorf("lowstate: -want +got\n%s", diff)
	}
	if w.begun.Load() != 1 {
		t.Errorf("begin was called %d times", w.begun.Load())
	}
}

// What is not given is sent as empty, and a list as an array.
func TestRunLowstate(t *testing.T) {
	t.Parallel()
	w := start(t)
	started := must[salt.Started](t)(w.Run(t.Context(), salt.Job{Target: " web1, ,db1,nosuch", TargetType: "list", Fun: "test.ping"}, w.begin))
	if diff := cmp.Diff([]string{"db1", "web1"}, started.Minions); diff != "" {
		t.Errorf("minions: -want +got\n%s", diff)
	}
	want := map[string]any{
		"client": "local_async", "tgt": []any{"web1", "db1", "nosuch"}, "tgt_type": "list", "fun": "test.ping",
		"arg": []any{}, "kwarg": map[string]any{}, "jid": started.JID,
	}
	if diff := cmp.Diff(want, w.Requests()[1].Chunk); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestRunMatchesNone(t *testing.T) {
	t.Parallel()
	w := start(t)
	_, err := w.Run(t.Context(), ping("nosuch*"), w.begin)
	wantFault(t, err, fault.SaltError, false, "no minion matched the target: nothing was run")
}

// The answers are those of a master that does not do as it is asked.
func TestRunMisunderstood(t *testing.T) {
	t.Parallel()
	for body, why := range map[string]string{
		`{"return": [{"jid": "20200101000000000000", "minions": ["web1"]}]}`: "not the jid that was sent",
		`{"return": [{"minions": ["web1"]}]}`:                                "not the jid that was sent",
		`{"return": [null]}`:                                                 "not the jid that was sent",
		`{"return": []}`:                                                     "not one result",
		`{"return": [{}, {}]}`:                                               "not one result",
		`{}`:                                                                 "not one result",
		`<p>hello</p>`:                                                       "invalid character '<' looking for beginning of value",
		``:                                                                   "unexpected end of JSON input",
		`{"return": ["what"]}`:                                               "json: cannot unmarshal string into Go value of type salt.Started",
	} {
		w := start(t)
		w.OnRequest(on("test.ping", answer(&saltfake.Response{Status: 200, ContentType: "application/json", Body: body})))
		_, err := w.Run(t.Context(), ping("*"), w.begin)
		wantFault(t, err, fault.SaltError, true, "salt-api: 200 with an unknown answer: "+why)
	}
}

func TestJobCheck(t *testing.T) {
	t.Parallel()
	good := salt.Job{Target: "*", TargetType: "glob", Fun: "test.ping"}
	const args = "looks like a keyword argument: use kwargs"
	for name, c := range map[string]struct {
		change      func(*salt.Job)
		field, rule string // "" if it is good
	}{
		"good":              {func(*salt.Job) {}, "", ""},
		"1024 characters":   {func(j *salt.Job) { j.Target = strings.Repeat("ä", 1024) }, "", ""},
		"1025 characters":   {func(j *salt.Job) { j.Target = strings.Repeat("ä", 1025) }, "target", "must have at most 1024 characters"},
		"no target":         {func(j *salt.Job) { j.Target = "" }, "target", "must not be empty"},
		"blank":             {func(j *salt.Job) { j.Target = " \t\n" }, "target", "must not be empty"},
		"list of nothing":   {func(j *salt.Job) { j.TargetType, j.Target = "list", " , ," }, "target", "must name a minion"},
		"no type":           {func(j *salt.Job) { j.TargetType = "" }, "targetType", "must be one of glob, list, pcre, grain, nodegroup, compound"},
		"pillar":            {func(j *salt.Job) { j.TargetType = "pillar" }, "targetType", "must be one of glob, list, pcre, grain, nodegroup, compound"},
		"compound":          {func(j *salt.Job) { j.TargetType = "compound" }, "", ""},
		"no function":       {func(j *salt.Job) { j.Fun = "" }, "fun", "must be of the form module.function"},
		"one word":          {func(j *salt.Job) { j.Fun = "ping" }, "fun", "must be of the form module.function"},
		"three words":       {func(j *salt.Job) { j.Fun = "a.b.c" }, "fun", "must be of the form module.function"},
		"trailing newline":  {func(j *salt.Job) { j.Fun = "test.ping\n" }, "fun", "must be of the form module.function"},
		"two functions":     {func(j *salt.Job) { j.Fun = "test.ping,cmd.run" }, "fun", "must be of the form module.function"},
		"digit first":       {func(j *salt.Job) { j.Fun = "1test.ping" }, "fun", "must be of the form module.function"},
		"128 characters":    {func(j *salt.Job) { j.Fun = "a." + strings.Repeat("b", 126) }, "", ""},
		"129 characters":    {func(j *salt.Job) { j.Fun = "a." + strings.Repeat("b", 127) }, "fun", "must have at most 128 characters"},
		"runas":             {func(j *salt.Job) { j.Args = []string{"id -un", "runas=nobody"} }, "args[1]", args},
		"environment":       {func(j *salt.Job) { j.Args = []string{"A=1 env"} }, "args[0]", args},
		"empty value":       {func(j *salt.Job) { j.Args = []string{"a="} }, "args[0]", args},
		"dotted":            {func(j *salt.Job) { j.Args = []string{"a.b=c"} }, "args[0]", args},
		"hyphen":            {func(j *salt.Job) { j.Args = []string{"a-b=c"} }, "args[0]", args},
		"letters elsewhere": {func(j *salt.Job) { j.Args = []string{"größe=1"} }, "args[0]", args},
		"two lines":         {func(j *salt.Job) { j.Args = []string{"a=b\nc"} }, "args[0]", args},
		"marker":            {func(j *salt.Job) { j.Args = []string{`{"__kwarg__": true}`} }, "args[0]", args},
		// As measured, these are positional.
		"positional": {func(j *salt.Job) {
			j.Args = []string{"plain", "x = y", "http://h/?q=1", "--flag=1", "=v", "1=2", "echo a=b", "1", ""}
		}, "", ""},
		"kwargs":          {func(j *salt.Job) { j.Kwargs = map[string]any{"a": []any{1, nil, "x=y"}} }, "", ""},
		"kwarg marker":    {func(j *salt.Job) { j.Kwargs = map[string]any{"__kwarg__": false} }, "kwargs", "names must not be empty or begin with __"},
		"unnamed kwarg":   {func(j *salt.Job) { j.Kwargs = map[string]any{"": 1} }, "kwargs", "names must not be empty or begin with __"},
		"kwarg no JSON":   {func(j *salt.Job) { j.Kwargs = map[string]any{"a": make(chan int)} }, "kwargs", "values must be JSON"},
		"jid":             {func(j *salt.Job) { j.JID = "20261123063040000077" }, "", ""},
		"jid no digits":   {func(j *salt.Job) { j.JID = "not-a-jid" }, "jid", "must be 20 digits"},
		"jid with a line": {func(j *salt.Job) { j.JID = "20261123063040000077\n" }, "jid", "must be 20 digits"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := good
			c.change(&j)
			err := j.Check()
			if c.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantFault(t, err, fault.BadUserInput, false, c.field+": "+c.rule)
			if f := fault.From(err); f.Field != c.field {
				t.Errorf("field %q", f.Field)
			}
		})
	}
}

func TestRunChecks(t *testing.T) {
	t.Parallel()
	w := start(t)
	_, err := w.Run(t.Context(), salt.Job{Target: "*", TargetType: "glob", Fun: "ping"}, w.begin)
	wantFault(t, err, fault.BadUserInput, false, "fun: must be of the form module.function")
	if n := len(w.Requests()); n > 0 || w.begun.Load() > 0 {
		t.Errorf("%d requests, begun %d times", n, w.begun.Load())
	}
}

// The fake honours an own jid as real masters do: sent twice, it runs once.
func TestOwnJIDRunsOnce(t *testing.T) {
	t.Parallel()
	w := start(t)
	j := ping("web*")
	j.JID = newJID()
	for range 2 {
		must[salt.Started](t)(w.Run(t.Context(), j, w.begin))
	}
	if n := w.Runs(j.JID); n != 2 {
		t.Errorf("%d runs on 2 minions", n)
	}
}

func TestBeginRefuses(t *testing.T) {
	t.Parallel()
	refused := errors.New("no row")
	no := func(context.Context) error { return refused }
	for name, effect := range map[string]func(*world) error{
		"test.ping":         func(w *world) error { _, err := w.Run(t.Context(), ping("*"), no); return err },
		"key.accept":        func(w *world) error { return w.AcceptKey(t.Context(), "new1", no) },
		"key.reject":        func(w *world) error { return w.RejectKey(t.Context(), "new1", no) },
		"key.delete":        func(w *world) error { return w.DeleteKey(t.Context(), "new1", no) },
		"saltutil.kill_job": func(w *world) error { return w.KillJob(t.Context(), running(t, w), no) },
	} {
		w := start(t)
		if err := effect(w); err != refused { //nolint:errorlint // unchanged
			t.Errorf("%s: %v", name, err)
		}
		if n := w.Count(name); n != 0 {
			t.Errorf("%s was sent %d times", name, n)
		}
	}
}

// running starts a job that goes on for longer than any test, and returns its jid.
func running(t *testing.T, w *world) string {
	t.Helper()
	started := must[salt.Started](t)(w.Run(t.Context(), salt.Job{Target: "web*", TargetType: "glob", Fun: "test.sleep", Args: []string{"600"}},
		func(context.Context) error { return nil }))
	return started.JID
}
