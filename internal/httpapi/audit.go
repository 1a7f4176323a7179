package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/guard"
)

// audit is GET /api/audit: needs `view` on `audit:*`, recorded as audit.list.
// 200 with a page; 401, 403, 422 in this order; 429, 503.
func (a *api) audit(w http.ResponseWriter, r *http.Request) {
	q, bad := parseAuditQuery(r.URL.RawQuery)
	var page audit.Page
	err := a.Guard.Do(r.Context(), guard.Action{
		Name: "audit.list", Verb: "view", Resource: "audit:*", Args: auditArgs(paramValues(r.URL.RawQuery)),
	}, func(ctx context.Context) (err error) {
		if len(bad) > 0 {
			return fault.New(fault.BadUserInput, "a query parameter is not valid")
		}
		page, err = a.Log.List(ctx, q.query())
		return err
	})
	switch {
	case err == nil:
		links(w.Header(), r.URL, q, page.Total)
		sendBytes(w, http.StatusOK, encodePage(page))
	case fault.From(err).Code == fault.BadUserInput:
		sendInvalid(w, bad)
	default:
		fail(w, err)
	}
}

func sendInvalid(w http.ResponseWriter, bad []fieldError) {
	sendJSON(w, http.StatusUnprocessableEntity, struct {
		Detail []fieldError `json:"detail"`
	}{bad})
}

// query is what the parameters ask of the reader.
func (q auditQuery) query() audit.Query {
	out := audit.Query{Limit: q.Limit, Offset: q.Offset, Counted: true, Brief: true}
	out.Filter = audit.Filter{UserID: q.UserID, Action: q.Action, Since: q.Since, Until: q.Until}
	if q.Decision != nil {
		d := audit.Decision(*q.Decision)
		out.Filter.Decision = &d
	}
	return out
}

// auditArgs records the parameters as the GraphQL field records its arguments, so
// that both leave the same kind of row. Numbers that are none stay text.
func auditArgs(q map[string]string) map[string]any {
	args := map[string]any{"limit": audit.DefaultLimit, "offset": 0}
	filter := map[string]any{}
	for _, name := range []string{"user_id", "action", "decision", "since", "until"} {
		if v, ok := q[name]; ok {
			filter[name] = v
		}
	}
	for _, name := range []string{"limit", "offset"} {
		v, ok := q[name]
		if !ok {
			continue
		}
		args[name] = v
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			args[name] = n
		}
	}
	if len(filter) > 0 {
		args["filter"] = filter
	}
	return args
}

// links sets the Link headers to the pages beside this one.
func links(h http.Header, u *url.URL, q auditQuery, total int64) {
	link := func(offset int64, rel string) {
		v := url.Values{}
		for name, value := range paramValues(u.RawQuery) {
			v.Set(name, value)
		}
		v.Set("limit", strconv.Itoa(q.Limit))
		v.Set("offset", strconv.FormatInt(offset, 10))
		h.Add("Link", fmt.Sprintf(`<%s?%s>; rel="%s"`, u.Path, v.Encode(), rel))
	}
	if limit := int64(q.Limit); q.Offset < total-limit {
		link(q.Offset+limit, "next")
	}
	if q.Offset > 0 {
		link(max(0, min(q.Offset, total)-int64(q.Limit)), "prev")
	}
}
