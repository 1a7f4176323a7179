package salt

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"halite/internal/fault"
)

// JobSummary is a job that the master remembers.
type JobSummary struct {
	JID        string
	Fun        string
	Args       json.RawMessage // a list; keyword arguments are an object with __kwarg__ in it
	Target     string          // for the type list, ids with commas between
	TargetType string
	User       string
	StartTime  string // as Salt writes it, such as "2026, Nov 23 06:02:43.248313"
}

// JobDetail is a job, with what its minions have returned so far. One that was killed
// never returns.
type JobDetail struct {
	JobSummary
	Minions []string    // to which it was sent
	Results []JobResult // ordered by minion
}

// JobResult is what one minion returned.
type JobResult struct {
	Minion  string
	Return  json.RawMessage
	Retcode *int  // nil: not said
	Success *bool // nil: not said
}

// jobRecord is a job in Salt's words.
type jobRecord struct {
	JID        string `json:"jid"`
	Error      string
	Function   string
	Arguments  json.RawMessage
	Target     json.RawMessage // a text or a list of them
	TargetType string          `json:"Target-type"`
	User       string
	StartTime  string
	Minions    []string
	Result     map[string]struct {
		Return  json.RawMessage
		Retcode json.RawMessage
		Success json.RawMessage
	}
}

// Jobs returns the jobs that the master remembers, newest first, at most limit of them.
// What it remembers of its own wheel and runner functions is left out. The master tells all
// that it has, whatever limit is: it is SALT_ERROR if that is more than 16 MiB.
func (c *Client) Jobs(ctx context.Context, limit int) ([]JobSummary, error) {
	records, err := runner[map[string]jobRecord](ctx, c, lowstate{"fun": "jobs.list_jobs"})
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(records, func(_ string, r jobRecord) bool { return r.own() })
	// A jid begins with its time. One that does not is somebody's invention, and last.
	jids := slices.SortedFunc(maps.Keys(records), func(a, b string) int {
		aTimed, bTimed := anyJID.MatchString(a), anyJID.MatchString(b)
		switch {
		case aTimed && !bTimed:
			return -1
		case bTimed && !aTimed:
			return 1
		}
		return cmp.Compare(b, a)
	})
	jobs := []JobSummary{}
	for _, jid := range jids[:min(len(jids), max(limit, 0))] {
		r := records[jid]
		r.JID = jid
		jobs = append(jobs, r.summary())
	}
	return jobs, nil
}

// Job returns the job jid. It is NOT_FOUND if the master does not remember it, which it
// does for a day by default, and BAD_USER_INPUT if jid cannot be a job id.
func (c *Client) Job(ctx context.Context, jid string) (JobDetail, error) {
	if err := CheckJID(jid); err != nil {
		return JobDetail{}, err
	}
	r, err := runner[jobRecord](ctx, c, lowstate{"fun": "jobs.list_job", "jid": jid})
	if err != nil {
		return JobDetail{}, err
	}
	if r.Error != "" || r.own() {
		return JobDetail{}, fault.New(fault.NotFound, "Job "+jid+" not found in cache")
	}
	r.JID = jid
	d := JobDetail{JobSummary: r.summary(), Minions: r.Minions}
	for _, minion := range slices.Sorted(maps.Keys(r.Result)) {
		result := r.Result[minion]
		d.Results = append(d.Results, JobResult{minion, result.Return, told[int](result.Retcode), told[bool](result.Success)})
	}
	return d, nil
}

// JobKnown says whether the master remembers the job jid, so that it was sent. One that is
// not known may yet be sent: a master that hangs takes up what is waiting when it goes on.
// An error means that Salt could not be asked.
func (c *Client) JobKnown(ctx context.Context, jid string) (bool, error) {
	_, err := c.Job(ctx, jid)
	if f := fault.From(err); f != nil && f.Code == fault.NotFound {
		return false, nil
	}
	return err == nil, err
}

func (r jobRecord) summary() JobSummary {
	target := string(r.Target)
	if text := told[string](r.Target); text != nil {
		target = *text
	} else if list := told[[]string](r.Target); list != nil {
		target = strings.Join(*list, ",")
	}
	return JobSummary{r.JID, r.Function, r.Arguments, target, r.TargetType, r.User, r.StartTime}
}

// own says whether r is a call of the master's own, not a job for minions.
func (r jobRecord) own() bool {
	return strings.HasPrefix(r.Function, "wheel.") || strings.HasPrefix(r.Function, "runner.")
}

// runner calls a function of the master that changes nothing. One that fails answers with
// a text instead.
func runner[T any](ctx context.Context, c *Client, l lowstate) (T, error) {
	var result T
	l["client"] = "runner"
	fun := l["fun"].(string)
	raw, err := c.read(ctx, l)
	if err != nil {
		return result, err
	}
	if text := told[string](raw); text != nil {
		return result, c.failed(fun, *text)
	}
	if err := json.Unmarshal(raw, &result); err != nil {
		return result, harmless(c.misunderstood("no result of " + fun))
	}
	return result, nil
}

// told is the value that raw holds, or nil if it holds none of the type T.
func told[T any](raw json.RawMessage) *T {
	var v *T
	if json.Unmarshal(raw, &v) != nil {
		return nil
	}
	return v
}
