package saltfake

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// minion is a minion of which the master has cached the grains.
type minion struct {
	id      string
	grains  map[string]any
	stopped bool
}

// job is what the job cache holds.
type job struct {
	jid, user, fun string
	args           []json.RawMessage // the keyword arguments last, if there are any
	target         json.RawMessage
	targetType     string
	minions        []string
	runs           map[string]*run // by minion; nobody runs the same jid again
}

// run is a job on one minion.
type run struct {
	pid     int
	until   time.Time
	killed  bool // never returns
	ret     any
	retcode int
	success bool
	out     string // an outputter
}

func (r *run) over() bool { return !r.killed && !time.Now().Before(r.until) }

func (r *run) alive() bool { return !r.killed && time.Now().Before(r.until) }

// publish writes a job to the cache and lets its minions run it, unless they have run one
// with its jid before. m.mu is held.
func (m *Master) publish(jid, user string, minions []string, c chunk) *job {
	j := m.jobs[jid]
	if j == nil {
		j = &job{runs: map[string]*run{}}
		m.jobs[jid] = j
	}
	j.jid, j.user, j.fun, j.target, j.targetType, j.minions = jid, user, c.text("fun"), c["tgt"], c.text("tgt_type"), minions
	if j.targetType == "" {
		j.targetType = "glob"
	}
	j.args = []json.RawMessage{}
	_ = json.Unmarshal(c["arg"], &j.args)
	args := j.args
	if kwarg := strings.TrimSpace(string(c["kwarg"])); kwarg != "" && kwarg != "{}" {
		j.args = append(slices.Clip(args), json.RawMessage(`{"__kwarg__": true, `+strings.TrimSpace(kwarg[1:])))
	}
	for _, id := range minions {
		if mi := m.minions[id]; mi != nil && !mi.stopped && j.runs[id] == nil {
			m.lastPID++
			r := &run{pid: m.lastPID, until: time.Now(), success: true}
			j.runs[id] = r
			m.execute(mi, j.fun, args, r)
		}
	}
	return j
}

// execute runs a function on a minion.
func (m *Master) execute(mi *minion, fun string, args []json.RawMessage, r *run) {
	var first string
	if len(args) > 0 {
		if json.Unmarshal(args[0], &first) != nil {
			first = string(args[0])
		}
	}
	switch fun {
	case "test.ping":
		r.ret = true
	case "test.version":
		r.ret = "3006.18"
	case "test.sleep":
		seconds, _ := strconv.ParseFloat(first, 64)
		r.ret, r.until = true, time.Now().Add(time.Duration(seconds*float64(time.Second)))
	case "grains.items":
		r.ret = mi.grains
	case "cmd.run":
		r.ret, r.retcode = shell(first)
		r.success = r.retcode == 0
	case "saltutil.find_job":
		r.ret = dict{}
		if j, other := m.on(mi.id, first); other != nil {
			r.ret = j.process(other)
		}
	case "saltutil.running":
		processes := []any{}
		for _, j := range m.jobs {
			if other := j.runs[mi.id]; other != nil && other.alive() {
				processes = append(processes, j.process(other))
			}
		}
		r.ret = processes
	case "saltutil.term_job", "saltutil.kill_job":
		r.ret = ""
		if _, other := m.on(mi.id, first); other != nil {
			other.killed = true
			signal := map[string]int{"saltutil.term_job": 15, "saltutil.kill_job": 9}[fun]
			r.ret = fmt.Sprintf("Signal %d sent to job %s at pid %d", signal, first, other.pid)
		}
	default:
		r.ret, r.retcode, r.success, r.out = "'"+fun+"' is not available.", 1, false, "nested"
	}
}

// on finds the run of a job that is alive on a minion.
func (m *Master) on(minion, jid string) (*job, *run) {
	if j := m.jobs[jid]; j != nil && j.runs[minion] != nil && j.runs[minion].alive() {
		return j, j.runs[minion]
	}
	return nil, nil
}

// shell understands echo and exit. What is redirected is lost.
func shell(command string) (stdout string, code int) {
	var lines []string
	for part := range strings.SplitSeq(command, ";") {
		word, rest, _ := strings.Cut(strings.TrimSpace(part), " ")
		switch {
		case word == "exit":
			code, _ = strconv.Atoi(rest)
			return strings.Join(lines, "\n"), code
		case word == "echo" && !strings.Contains(rest, ">"):
			lines = append(lines, rest)
		}
	}
	return strings.Join(lines, "\n"), 0
}

// ends is when the last minion is done.
func (j *job) ends() time.Time {
	var end time.Time
	for _, r := range j.runs {
		if !r.killed && r.until.After(end) {
			end = r.until
		}
	}
	return end
}

// order lists the minions that ran j.
func (j *job) order() []string { return slices.Sorted(maps.Keys(j.runs)) }

// record is j as the job cache shows it.
func (j *job) record(minions bool) dict {
	d := dict{{"Function", j.fun}, {"Arguments", j.args}, {"Target", j.target}, {"Target-type", j.targetType}, {"User", j.user}}
	if minions && j.minions != nil {
		d = append(d, member{"Minions", j.minions})
	}
	return append(d, member{"StartTime", startTime(j.jid)})
}

// process is j as saltutil shows a running job.
func (j *job) process(r *run) dict {
	return dict{
		{"pid", r.pid},
		{"fun", j.fun},
		{"arg", j.args},
		{"tgt", j.target},
		{"jid", j.jid},
		{"ret", ""},
		{"tgt_type", j.targetType},
		{"user", j.user},
	}
}

// returned is the answer of jobs.lookup_jid. A job that is not known has returned nothing.
func (j *job) returned() dict {
	all, out := dict{}, ""
	if j == nil {
		return all
	}
	for _, id := range j.order() {
		if r := j.runs[id]; r.over() {
			all, out = append(all, member{id, r.ret}), r.out
		}
	}
	if out != "" {
		return dict{{"outputter", out}, {"data", all}}
	}
	return all
}

// startTime is the time of a jid as Salt writes it.
func startTime(jid string) string {
	if len(jid) < 20 {
		return ""
	}
	t, err := time.Parse("20060102150405.000000", jid[:14]+"."+jid[14:20])
	if err != nil {
		return ""
	}
	return t.Format("2006, Jan 02 15:04:05.000000")
}
