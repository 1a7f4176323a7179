package httpapi

import (
	"time"

	"github.com/google/uuid"

	"halite/internal/audit"
)

// auditQuery is the parameters of GET /api/audit, parsed.
type auditQuery struct {
	UserID           *uuid.UUID
	Action, Decision *string
	Since, Until     *time.Time
	Limit            int
	Offset           int64
}

// fieldError is one entry of a 422's detail. The keys leave in this order. Input is
// the text as it was sent; a nil Input is left out.
type fieldError struct {
	Type  string         `json:"type"`
	Loc   []any          `json:"loc"`
	Msg   string         `json:"msg"`
	Input *string        `json:"input,omitempty"`
	Ctx   map[string]any `json:"ctx,omitempty"`
}

const maxOffset = int64(1<<63 - 1)

// parseAuditQuery reads the parameters as the REST contract has them: of a repeated
// one the last counts, unknown ones are ignored, an empty one is not absent. All that
// is wrong is reported together, in the declared order.
func parseAuditQuery(rawQuery string) (auditQuery, []fieldError) {
	values := paramValues(rawQuery)
	q := auditQuery{Limit: audit.DefaultLimit}
	var bad []fieldError
	parse := func(name string, read func(string) *fieldError) {
		raw, ok := values[name]
		if !ok {
			return
		}
		if e := read(raw); e != nil {
			e.Loc, e.Input = []any{"query", name}, &raw
			bad = append(bad, *e)
		}
	}
	text := func(into **string) func(string) *fieldError {
		return func(raw string) *fieldError { *into = &raw; return nil }
	}
	moment := func(into **time.Time) func(string) *fieldError {
		return func(raw string) *fieldError {
			t, e := paramTime(raw)
			if e != nil {
				return e
			}
			*into = &t
			return nil
		}
	}
	parse("user_id", func(raw string) *fieldError {
		id, e := paramUUID(raw)
		if e != nil {
			return e
		}
		q.UserID = &id
		return nil
	})
	parse("action", text(&q.Action))
	parse("decision", text(&q.Decision))
	parse("since", moment(&q.Since))
	parse("until", moment(&q.Until))
	parse("limit", func(raw string) *fieldError {
		n, e := paramInt(raw, audit.MinLimit, audit.MaxLimit)
		q.Limit = int(n)
		return e
	})
	parse("offset", func(raw string) (e *fieldError) {
		q.Offset, e = paramInt(raw, 0, maxOffset)
		return e
	})
	return q, bad
}

// paramFault is the error of a value that cannot be parsed. about is how the message
// starts, detail its end.
func paramFault(kind, about, detail string) *fieldError {
	return &fieldError{Type: kind, Msg: about + ", " + detail, Ctx: map[string]any{"error": detail}}
}
