package main

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"halite/internal/synthetic"
)

const pageSize = 50

// pageCase is a page of the log, with its total or without.
type pageCase struct {
	Group   string // which table it stands in
	Filter  filter
	Offset  int64
	Limit   int
	Total   bool
	Callers int
}

// filter is what every server is asked for in its own words. Empty parts select all.
type filter struct {
	Name         string
	User, Action string
	Decision     string
	Since, Until string
}

// The groups of cases.
const (
	byDepth    = "depth"
	byFilter   = "filter"
	withTotals = "total"

	noFilter = "no filter"
)

func (c pageCase) name() string {
	var parts []string
	if c.Filter.Name != "" {
		parts = append(parts, c.Filter.Name)
	}
	if c.Offset > 0 || c.Group == byDepth {
		parts = append(parts, "offset "+grouped(c.Offset))
	}
	if c.Total {
		parts = append(parts, "with total")
	}
	return strings.Join(parts, ", ")
}

// grouped writes a number with commas between thousands.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// pageCases are the cases of a log with so many entries between two times.
func pageCases(rows int64, from, to time.Time) (cases []pageCase) {
	const few, many = 2, 8 // few where somebody counts through all of it, which takes seconds
	for _, offset := range depths(rows) {
		cases = append(cases, pageCase{Group: byDepth, Offset: offset, Limit: pageSize, Callers: few})
	}
	filters := filters(from, to)
	cases = append(cases, pageCase{Group: byFilter, Filter: filter{Name: noFilter}, Limit: pageSize, Callers: many})
	for _, f := range filters {
		cases = append(cases, pageCase{Group: byFilter, Filter: f, Limit: pageSize, Callers: many})
	}
	cases = append(cases, pageCase{Group: withTotals, Filter: filter{Name: noFilter}, Limit: pageSize, Total: true, Callers: few})
	for _, f := range filters {
		cases = append(cases, pageCase{Group: withTotals, Filter: f, Limit: pageSize, Total: true, Callers: many})
	}
	return cases
}

// depths are the offsets that are asked for, down to the last page.
func depths(rows int64) []int64 {
	out := []int64{0}
	for _, n := range []int64{1_000, 100_000, 1_000_000, rows / 2, rows - pageSize} {
		if n <= rows-pageSize && n > out[len(out)-1]+out[len(out)-1]/5 { // not nearly the same twice
			out = append(out, n)
		}
	}
	return out
}

func filters(from, to time.Time) []filter {
	at := func(share float64) string {
		return from.Add(time.Duration(share * float64(to.Sub(from)))).UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
	}
	user, action := synthetic.UserID(0).String(), synthetic.Action(0)
	return []filter{
		{Name: "top user", User: user},
		{Name: "user 100 of 200", User: synthetic.UserID(99).String()},
		{Name: "top action", Action: action},
		{Name: "denied", Decision: "deny"},
		{Name: "user and action", User: user, Action: action},
		{Name: "half of the time", Since: at(0.25), Until: at(0.75)},
	}
}

// body is the case as a server's GraphQL.
func (c pageCase) body(server string) string {
	vars := map[string]any{"n": c.Limit, "o": c.Offset}
	const fields = "at userId action resource argsJson saltJid decision resultCode durationMs"
	total := func(name string) string {
		if c.Total {
			return name + " "
		}
		return ""
	}
	f := map[string]any{}
	put := func(k string, v any, used bool) {
		if used {
			f[k] = v
		}
	}
	var query string
	switch server {
	case postGraphile:
		query = "query($f: AuditLogFilter, $n: Int, $o: Int) { allAuditLogs(filter: $f, first: $n, offset: $o, orderBy: [ROW_ID_DESC]) { " +
			total("totalCount") + "nodes { rowId " + fields + " } } }"
		equal := func(v string) any { return map[string]any{"equalTo": v} }
		put("userId", equal(c.Filter.User), c.Filter.User != "")
		put("action", equal(c.Filter.Action), c.Filter.Action != "")
		put("decision", equal(c.Filter.Decision), c.Filter.Decision != "")
		put("at", map[string]any{"greaterThanOrEqualTo": c.Filter.Since, "lessThan": c.Filter.Until}, c.Filter.Since != "")
	default:
		decision := c.Filter.Decision
		kind := "Filter"
		if server != mercurius {
			kind, decision = "AuditFilter", strings.ToUpper(decision)
		}
		query = "query($f: " + kind + ", $n: Int!, $o: Int!) { auditEntries(filter: $f, limit: $n, offset: $o) { " +
			total("total") + "entries { id " + fields + " } } }"
		put("userId", c.Filter.User, c.Filter.User != "")
		put("action", c.Filter.Action, c.Filter.Action != "")
		put("decision", decision, decision != "")
		put("since", c.Filter.Since, c.Filter.Since != "")
		put("until", c.Filter.Until, c.Filter.Until != "")
	}
	if len(f) > 0 {
		vars["f"] = f
	}
	b, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		panic(err) // texts and numbers can be written
	}
	return string(b)
}

// path is the case as REST, which always answers with the total.
func (c pageCase) path() string {
	v := url.Values{"limit": {strconv.Itoa(c.Limit)}, "offset": {strconv.FormatInt(c.Offset, 10)}}
	for k, value := range map[string]string{
		"user_id": c.Filter.User, "action": c.Filter.Action, "decision": c.Filter.Decision, "since": c.Filter.Since, "until": c.Filter.Until,
	} {
		if value != "" {
			v.Set(k, value)
		}
	}
	return "/api/audit?" + v.Encode()
}
