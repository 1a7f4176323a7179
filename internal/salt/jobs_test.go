package salt_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"halite/internal/fault"
	"halite/internal/salt"
	"halite/internal/salt/saltfake"
)

func TestJob(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.StopMinion("web2")
	started := must[salt.Started](t)(w.Run(t.Context(), salt.Job{
		Target: "web1,web2", TargetType: "list", Fun: "cmd.run", Args: []string{"echo hi; exit 3"}, Kwargs: map[string]any{"shell": "x"},
	}, w.begin))
	want := salt.JobDetail{
		JobSummary: salt.JobSummary{
			JID: started.JID, Fun: "cmd.run", Args: json.RawMessage(`["echo hi; exit 3", {"__kwarg__": true, "shell": "x"}]`),
			Target: "web1,web2", TargetType: "list", User: saltfake.Admin,
		},
		Minions: []string{"web1", "web2"},
		Results: []salt.JobResult{{Minion: "web1", Return: json.RawMessage(`"hi"`), Retcode: new(3), Success: new(false)}},
	}
	got := must[salt.JobDetail](t)(w.Job(t.Context(), started.JID))
	if _, err := time.Parse("2006, Jan 02 15:04:05.000000", got.StartTime); err != nil {
		t.Error(err)
	}
	got.StartTime = ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// What a minion returns that is not as it should be is told as far as it goes.
func TestJobTolerates(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.OnRequest(on("jobs.list_job", answer(&saltfake.Response{Status: 200, Body: `{"return": [{"Function": "a.b", "Target": {"odd": 1}, "Result": {
		"m1": {"return": 12345678901234567890}, "m2": {"return": null, "retcode": "x", "success": 1}, "m3": {"retcode": null, "success": null}}}]}`})))
	got := must[salt.JobDetail](t)(w.Job(t.Context(), "20261123063040000077_4711"))
	want := salt.JobDetail{
		JobSummary: salt.JobSummary{JID: "20261123063040000077_4711", Fun: "a.b", Target: `{"odd": 1}`},
		Results:    []salt.JobResult{{Minion: "m1", Return: json.RawMessage(`12345678901234567890`)}, {Minion: "m2", Return: json.RawMessage("null")}, {Minion: "m3"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestJobUnknown(t *testing.T) {
	t.Parallel()
	w := start(t)
	const jid = "20200101000000000000"
	_, err := w.Job(t.Context(), jid)
	wantFault(t, err, fault.NotFound, false, "Job "+jid+" not found in cache")
	if known := must[bool](t)(w.JobKnown(t.Context(), jid)); known {
		t.Error("a job that never was is known")
	}
	if known := must[bool](t)(w.JobKnown(t.Context(), running(t, w))); !known {
		t.Error("a job is not known")
	}
	w.OnRequest(on("jobs.list_job", answer(saltfake.Page(503, "Message timed out"))))
	_, err = w.JobKnown(t.Context(), jid)
	wantFault(t, err, fault.SaltUnavailable, false, "salt-api: 503 Message timed out")
	for _, bad := range []string{"", "abc", "../../etc", "2020010100000000000", "20200101000000000000_", "20200101000000000000\n", "２０２００１０１００００００００００００"} {
		_, err := w.Job(t.Context(), bad)
		wantFault(t, err, fault.BadUserInput, false, "jid: must be the 20 digits of a job id")
	}
}

func TestJobs(t *testing.T) {
	t.Parallel()
	w := start(t)
	if jobs := must[[]salt.JobSummary](t)(w.Jobs(t.Context(), 10)); len(jobs) != 0 {
		t.Errorf("%d jobs of a new master", len(jobs))
	}
	must[[]salt.Key](t)(w.Keys(t.Context())) // leaves a job of the master's own
	var want []string
	for range 3 {
		want = append([]string{running(t, w)}, want...)
	}
	jids := func(limit int) []string {
		var jids []string
		for _, j := range must[[]salt.JobSummary](t)(w.Jobs(t.Context(), limit)) {
			jids = append(jids, j.JID)
		}
		return jids
	}
	for limit, want := range map[int][]string{10: want, 3: want, 2: want[:2], 0: nil, -1: nil} {
		if diff := cmp.Diff(want, jids(limit)); diff != "" {
			t.Errorf("limit %d: -want +got\n%s", limit, diff)
		}
	}
	w.OnRequest(on("jobs.list_jobs", answer(&saltfake.Response{Status: 200, Body: `{"return": [{
		"not-a-jid": {"Function": "test.ping"}, "20200101000000000000": {"Function": "test.ping"}, "20210101000000000000_12": {"Function": "test.ping"},
		"20220101000000000000": {"Function": "runner.jobs.list_jobs"}, "20230101000000000000": {"Function": "wheel.key.list_all"}}]}`})))
	if diff := cmp.Diff([]string{"20210101000000000000_12", "20200101000000000000", "not-a-jid"}, jids(10)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// A runner that fails answers with a text.
func TestRunnerFails(t *testing.T) {
	t.Parallel()
	w := start(t)
	for body, message := range map[string]string{
		`{"return": ["Exception occurred in runner jobs.list_jobs: Traceback (most recent call last):\n  File \"x\"\nValueError: bad jid\n"]}`: "salt-api: jobs.list_jobs: Exception occurred in runner jobs.list_jobs: ValueError: bad jid",
		`{"return": ["\nPassed invalid arguments: x\n\nUsage:\n"]}`:                                                                            "salt-api: jobs.list_jobs: Passed invalid arguments: x Usage:",
		`{"return": [["a"]]}`: "salt-api: 200 with an unknown answer: no result of jobs.list_jobs",
	} {
		w.OnRequest(on("jobs.list_jobs", answer(&saltfake.Response{Status: 200, Body: body})))
		_, err := w.Jobs(t.Context(), 1)
		wantFault(t, err, fault.SaltError, false, message)
	}
}

func TestKillJob(t *testing.T) {
	t.Parallel()
	w := start(t)
	jid := running(t, w)
	if err := w.KillJob(t.Context(), jid, w.begin); err != nil {
		t.Fatal(err)
	}
	requests := w.Requests()
	want := map[string]any{"client": "local", "tgt": []any{"web1", "web2"}, "tgt_type": "list", "fun": "saltutil.kill_job", "arg": []any{jid}}
	if diff := cmp.Diff(want, requests[len(requests)-1].Chunk); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	wantFault(t, w.KillJob(t.Context(), jid, w.begin), fault.Conflict, false, "no minion was running the job")
	if n := w.begun.Load(); n != 2 {
		t.Errorf("begun %d times", n)
	}
	wantFault(t, w.KillJob(t.Context(), "20200101000000000000", w.begin), fault.NotFound, false, "Job 20200101000000000000 not found in cache")
	wantFault(t, w.KillJob(t.Context(), "*", w.begin), fault.BadUserInput, false, "jid: must be the 20 digits of a job id")
	if n := w.begun.Load(); n != 2 {
		t.Errorf("begun %d times for nothing", n)
	}
}

func TestKillJobAnswers(t *testing.T) {
	t.Parallel()
	w := start(t)
	jid := running(t, w)
	const silent = "salt-api: saltutil.kill_job: not every minion answered, and none was running the job"
	for body, want := range map[string]*fault.Error{
		`{"return": [{"web1": "", "web2": "Signal 9 sent to job 1 at pid 2"}]}`:            nil,
		`{"return": [{"web1": false, "web2": "Signal 9 sent to job 1 at pid 2"}]}`:         nil,
		`{"return": [{"web1": "", "web2": ""}]}`:                                           {Code: fault.Conflict, Message: "no minion was running the job"},
		`{"return": [{"web1": "Job 1 was not running and job data has been cleaned up"}]}`: {Code: fault.Conflict, Message: "no minion was running the job"},
		`{"return": [{}]}`:                          {Code: fault.Conflict, Message: "no minion was running the job"},
		`{"return": [{"web1": "", "web2": false}]}`: {Code: fault.SaltError, OutcomeUnknown: true, Message: silent},
		`{"return": ["what"]}`:                      {Code: fault.SaltError, OutcomeUnknown: true, Message: "salt-api: 200 with an unknown answer: no result of saltutil.kill_job"},
		`{"return": [null]}`:                        {Code: fault.SaltError, OutcomeUnknown: true, Message: "salt-api: 200 with an unknown answer: no result of saltutil.kill_job"},
	} {
		w.OnRequest(on("saltutil.kill_job", answer(&saltfake.Response{Status: 200, Body: body})))
		err := w.KillJob(t.Context(), jid, w.begin)
		if want != nil {
			wantFault(t, err, want.Code, want.OutcomeUnknown, want.Message)
		} else if err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// A job that went to no minion is not one that can be killed.
func TestKillJobWithoutMinions(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.OnRequest(on("jobs.list_job", answer(&saltfake.Response{Status: 200, Body: `{"return": [{"Function": "test.ping", "Minions": []}]}`})))
	wantFault(t, w.KillJob(t.Context(), "20200101000000000000", w.begin), fault.Conflict, false, "no minion was running the job")
	if w.begun.Load() != 0 {
		t.Error("begun for nothing")
	}
}

func TestTest(t *testing.T) {
	t.Parallel()
	w := start(t)
	must[[]salt.Key](t)(w.Keys(t.Context()))
	want := salt.TestResult{OK: true, Detail: "logged in", MinionCount: new(3)}
	if diff := cmp.Diff(want, w.Test(t.Context())); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if n := w.Count("/login"); n != 2 {
		t.Errorf("%d logins: a test makes its own", n)
	}
	limited := start(t, func(s *salt.Settings) { s.Username, s.Password = saltfake.Limited, saltfake.LimitedPassword })
	want = salt.TestResult{OK: true, Detail: `logged in (manage.present failed: salt-api: 401 not permitted: Authentication failure of type "token" occurred for user limited.)`}
	if diff := cmp.Diff(want, limited.Test(t.Context())); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	wrong := start(t, func(s *salt.Settings) { s.Password = "wrong" })
	want = salt.TestResult{Detail: "auth failed: " + wrongPassword}
	if diff := cmp.Diff(want, wrong.Test(t.Context())); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// A test that fails leaves the session that there is.
func TestTestLeavesTheSession(t *testing.T) {
	t.Parallel()
	w := start(t)
	must[[]salt.Key](t)(w.Keys(t.Context()))
	w.OnRequest(on("/login", answer(saltfake.Page(503, "Message timed out"))))
	if got := w.Test(t.Context()); got.OK || got.Detail != "auth failed: salt-api: 503 Message timed out" {
		t.Errorf("%+v", got)
	}
	must[[]salt.Key](t)(w.Keys(t.Context()))
}
