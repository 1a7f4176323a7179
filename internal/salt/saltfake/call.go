package saltfake

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// clients are those that salt-api knows; enabled those of netapi_enable_clients.
var (
	clients = []string{"local", "local_async", "local_batch", "local_subset", "runner", "runner_async", "ssh", "wheel", "wheel_async"}
	enabled = []string{"local", "local_async", "runner", "runner_async", "wheel", "wheel_async"}
)

// call makes one call for the user of s. It returns its result, or how salt-api refuses
// the whole request.
func (m *Master) call(ctx context.Context, s *session, c chunk) (any, *Response) {
	client := c.text("client")
	switch {
	case !slices.Contains(clients, client):
		if c["client"] == nil {
			client = "None"
		}
		return nil, Page(http.StatusBadRequest, "Invalid client specified: '"+client+"'")
	case !slices.Contains(enabled, client):
		return nil, Page(http.StatusBadRequest, "Client disabled: '"+client+"'. Add to 'netapi_enable_clients' master config option to enable.")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	kind, async := strings.CutSuffix(client, "_async")
	if !time.Now().Before(s.expire) {
		if kind == "local" {
			return nil, Page(http.StatusUnauthorized, "Authentication error occurred.")
		}
		return nil, Page(http.StatusUnauthorized, `Authentication failure of type "token" occurred.`)
	}
	if kind == "local" {
		return m.local(ctx, s, c, async)
	}
	allowed, fun := m.accounts[s.user].all, c.text("fun")
	switch {
	case fun == "" && kind == "wheel":
		return nil, Page(http.StatusBadRequest, "wheel takes at least 1 argument (0 given)")
	case !allowed && client != "wheel_async":
		return nil, Page(http.StatusUnauthorized, fmt.Sprintf(`Authentication failure of type "token" occurred for user %s.`, s.user))
	case kind == "wheel":
		return m.wheel(s, fun, c, allowed, async), nil
	}
	return m.runner(fun, c, async)
}

// local publishes a job to the minions of its target, and waits for them unless async.
// m.mu is held, but not while it waits.
func (m *Master) local(ctx context.Context, s *session, c chunk, async bool) (any, *Response) {
	fun := c.text("fun")
	minions, known := m.matching(c["tgt"], c.text("tgt_type"))
	switch {
	case !known, fun == "":
		return nil, Unexpected
	case !m.accounts[s.user].may(minions, fun):
		return nil, Page(http.StatusUnauthorized, "Authorization error occurred.")
	case len(minions) == 0:
		return dict{}, nil
	}
	jid := c.text("jid")
	if jid == "" {
		jid = m.newJID()
	}
	j := m.publish(jid, s.user, minions, c)
	if async {
		return dict{{"jid", jid}, {"minions", minions}}, nil
	}
	if d := time.Until(j.ends()); d > 0 {
		m.mu.Unlock()
		wait(ctx, d)
		m.mu.Lock()
	}
	returned := dict{}
	for _, id := range minions {
		r := j.runs[id]
		switch {
		case r == nil || !r.over():
			returned = append(returned, member{id, false})
		case string(c["full_return"]) == "true":
			returned = append(returned, member{id, dict{{"ret", r.ret}, {"retcode", r.retcode}, {"jid", jid}}})
		default:
			returned = append(returned, member{id, r.ret})
		}
	}
	return returned, nil
}

// runner calls a function of the master.
func (m *Master) runner(fun string, c chunk, async bool) (any, *Response) {
	jid := m.newJID()
	wanted, given := c.argument("jid")
	f := map[string]func() any{
		"jobs.list_jobs":     func() any { return m.listJobs() },
		"jobs.list_job":      func() any { return m.listJob(wanted) },
		"jobs.lookup_jid":    func() any { return m.jobs[wanted].returned() },
		"jobs.active":        func() any { return m.active() },
		"manage.present":     func() any { return m.running(true) },
		"manage.up":          func() any { return m.running(true) },
		"manage.not_present": func() any { return m.running(false) },
		"manage.down":        func() any { return m.running(false) },
		"manage.status":      func() any { return dict{{"up", m.running(true)}, {"down", m.running(false)}} },
	}[fun]
	switch {
	case f == nil:
		return nil, Unexpected
	case async:
		return dict{{"tag", "salt/run/" + jid}, {"jid", jid}}, nil
	case (fun == "jobs.list_job" || fun == "jobs.lookup_jid") && !given:
		_, name, _ := strings.Cut(fun, ".")
		return "\nPassed invalid arguments: " + name + "() missing 1 required positional argument: 'jid'\n\nUsage:\n", nil
	}
	m.remember(jid, "runner."+fun)
	return f(), nil
}

// listJobs is the answer of jobs.list_jobs.
func (m *Master) listJobs() any {
	all := dict{}
	for jid, j := range m.jobs {
		all = append(all, member{jid, j.record(false)})
	}
	return all
}

// listJob is the answer of jobs.list_job.
func (m *Master) listJob(jid string) any {
	j := m.jobs[jid]
	if j == nil {
		return dict{{"jid", jid}, {"Error", "Cannot contact returner or no job with this jid"}, {"StartTime", startTime(jid)}, {"Result", dict{}}}
	}
	result := dict{}
	for _, id := range j.order() {
		if r := j.runs[id]; r.over() {
			one := dict{{"return", r.ret}, {"retcode", r.retcode}, {"success", r.success}}
			if r.out != "" {
				one = append(one, member{"out", r.out})
			}
			result = append(result, member{id, one})
		}
	}
	return append(append(dict{{"jid", jid}}, j.record(true)...), member{"Result", result})
}

// active is the answer of jobs.active.
func (m *Master) active() any {
	all := dict{}
	for jid, j := range m.jobs {
		running, returned := []any{}, []string{}
		for _, id := range j.order() {
			switch r := j.runs[id]; {
			case r.over():
				returned = append(returned, id)
			case !r.killed:
				running = append(running, dict{{id, r.pid}})
			}
		}
		if len(running) > 0 {
			all = append(all, member{jid, append(j.record(false), member{"Running", running}, member{"Returned", returned})})
		}
	}
	return all
}

// running lists the minions with an accepted key that run, or that do not.
func (m *Master) running(up bool) []string {
	ids := []string{}
	for _, id := range m.keys[Accepted] {
		if (m.minions[id] != nil && !m.minions[id].stopped) == up {
			ids = append(ids, id)
		}
	}
	return ids
}

// remember puts a call of the master's own among the jobs, as Salt does.
func (m *Master) remember(jid, fun string) {
	m.jobs[jid] = &job{jid: jid, user: "UNKNOWN", fun: fun, args: []json.RawMessage{}, target: json.RawMessage(`"vm_master"`), targetType: "list", runs: map[string]*run{}}
}

// newJID is the id of a job that begins now. m.mu is held.
func (m *Master) newJID() string {
	now := time.Now().UTC().Truncate(time.Microsecond)
	if !now.After(m.lastJID) {
		now = m.lastJID.Add(time.Microsecond)
	}
	m.lastJID = now
	return strings.Replace(now.Format("20060102150405.000000"), ".", "", 1)
}
