package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"halite/internal/audit"
	"halite/internal/export"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/live"
)

const (
	streamPath  = "/api/audit/stream"
	eventStream = "text/event-stream"
	reconnect   = 2 * time.Second // what a client waits before it comes again
	keepBuffer  = 64 << 10        // bytes that a stream keeps between two batches
)

// streamQuery is what GET /api/audit/stream asks for. After is nil if it begins with what is
// yet to come; place is where it was given.
type streamQuery struct {
	filter audit.Filter
	after  *int64
	place  []any
}

// parseStream reads the parameters of GET /api/audit but those of a page and of a time, which
// are refused, and `after`. The header Last-Event-ID, which an EventSource sends when it comes
// again, counts more than `after`.
func parseStream(r *http.Request) (q streamQuery, args map[string]any, bad []fieldError) {
	values := paramValues(r.URL.RawQuery)
	parsed, _ := parseAuditQuery(r.URL.RawQuery)
	for _, name := range []string{"user_id", "since", "until", "limit", "offset"} {
		v, ok := values[name]
		if !ok {
			continue
		}
		if name != "user_id" {
			bad = append(bad, fieldError{Type: "extra_forbidden", Loc: []any{"query", name}, Msg: "Extra inputs are not permitted", Input: &v})
		} else if _, e := paramUUID(v); e != nil {
			e.Loc, e.Input = []any{"query", name}, &v
			bad = append(bad, *e)
		}
	}
	args = auditArgs(values)
	for _, name := range []string{"limit", "offset"} {
		if _, ok := values[name]; !ok {
			delete(args, name)
		}
	}
	q.filter = parsed.query().Filter
	after, given := values["after"]
	q.place = []any{"query", "after"}
	if v := r.Header.Get("Last-Event-ID"); v != "" {
		after, given, q.place = v, true, []any{"header", "Last-Event-ID"}
	}
	if given {
		args["after"] = after
		n, e := paramInt(after, 0, maxOffset)
		if e != nil {
			e.Loc, e.Input = q.place, &after
			bad = append(bad, *e)
		}
		q.after = &n
	}
	return q, args, bad
}

// stream is GET /api/audit/stream: the entries that the filter selects as they are written,
// as server-sent events, behind the id that `after` or Last-Event-ID names; without one,
// behind the row that the request leaves. Needs `view` on `audit:*`, recorded as audit.stream
// before the first byte and as audit.stream.end at the end.
// 200; 401, 403, 422 in this order; 429 where there are too many; 503.
func (a *api) stream(w http.ResponseWriter, r *http.Request) {
	q, args, bad := parseStream(r)
	var st *live.Stream
	defer func() {
		if st != nil {
			st.Close()
		}
	}()
	s, err := a.Guard.Begin(r.Context(), guard.Action{Name: "audit.stream", Verb: "view", Resource: "audit:*", Args: args},
		func(ctx context.Context) (err error) {
			if len(bad) > 0 {
				return fault.New(fault.BadUserInput, "a query parameter is not valid")
			}
			st, err = a.Live.Open(ctx, guard.CallerOf(ctx).Principal.UserID, q.filter, q.after)
			return err
		})
	f := fault.From(err)
	switch {
	case err == nil:
		a.sendStream(w, s, st)
	case f.Code == fault.BadUserInput && len(bad) == 0:
		text := strconv.FormatInt(*q.after, 10)
		sendInvalid(w, []fieldError{{Type: "value_error", Loc: q.place, Msg: "Value error, " + f.Message, Input: &text, Ctx: map[string]any{"error": f.Message}}})
	case f.Code == fault.BadUserInput:
		sendInvalid(w, bad)
	default:
		fail(w, err)
	}
}

// sendStream writes the events: a message for each entry, with its id; `gap` for ids that the
// retention dropped before they could be sent; a comment, and how far the log was looked
// through, when there was nothing for a while; `end` when it is the server that ends it.
func (a *api) sendStream(w http.ResponseWriter, s *guard.Stream, st *live.Stream) {
	out := &events{to: w, control: http.NewResponseController(w), patience: a.Live.Patience}
	h := w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	err := s.Run(func(ctx context.Context) (int64, error) {
		// With an id from the start nothing is missed by who loses the connection early.
		if err := out.send(fmt.Appendf(nil, "retry: %d\nid: %d\n\n", reconnect.Milliseconds(), st.From(s.Began()))); err != nil {
			return 0, err
		}
		var count int64
		err := st.Follow(ctx, s.Began(), func(b live.Batch) error {
			count += int64(len(b.Entries))
			return out.batch(b)
		})
		return count, err
	})
	if f := fault.From(err); f != nil && f.Code != fault.Internal {
		_ = out.send(appendEnd(nil, f)) // whoever it is for may be gone
	}
}

// events writes server-sent events. What cannot be sent in time ends them.
type events struct {
	to       http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
	lines    export.Lines
	buf      []byte
}

func (e *events) batch(b live.Batch) error {
	out := e.buf[:0]
	if g := b.Gap; g != nil {
		out = fmt.Appendf(out, "event: gap\nid: %d\ndata: {\"first_id\":%d,\"last_id\":%d}\n\n", g.Last, g.First, g.Last)
	}
	for i := range b.Entries {
		out = fmt.Appendf(out, "id: %d\ndata: ", b.Entries[i].ID)
		out = append(e.lines.Append(out, &b.Entries[i]), "\n\n"...)
	}
	if len(out) == 0 {
		out = fmt.Appendf(out, ": nothing new\nid: %d\n\n", b.Seen)
	}
	if cap(out) <= keepBuffer {
		e.buf = out
	}
	return e.send(out)
}

func (e *events) send(b []byte) error {
	if err := e.control.SetWriteDeadline(time.Now().Add(e.patience)); err != nil {
		return err
	}
	if _, err := e.to.Write(b); err != nil {
		return err
	}
	return e.control.Flush()
}

// appendEnd tells why a stream ends. An EventSource comes again, and learns by the status of
// the answer whether it may.
func appendEnd(b []byte, f *fault.Error) []byte {
	text, err := json.Marshal(map[string]any{"code": f.Code, "message": f.Message})
	if err != nil {
		return b
	}
	return fmt.Appendf(b, "event: end\ndata: %s\n\n", text)
}
