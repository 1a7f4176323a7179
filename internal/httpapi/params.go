package httpapi

import (
	"strings"
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
	values := paramDecode(rawQuery)
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
			t, fault := paramTime(raw)
			if fault != "" {
				return fieldFault("datetime_from_date_parsing", "Input should be a valid datetime or date, ", fault)
			}
			*into = &t
			return nil
		}
	}
	parse("user_id", func(raw string) *fieldError {
		id, fault := paramUUID(raw)
		if fault != "" {
			return fieldFault("uuid_parsing", "Input should be a valid UUID, ", fault)
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

func fieldFault(kind, prefix, fault string) *fieldError {
	return &fieldError{Type: kind, Msg: prefix + fault, Ctx: map[string]any{"error": fault}}
}

// paramDecode splits a query as Python does: a plus is a space, an escape that is none
// stays as it is, bytes that are not UTF-8 become U+FFFD, only & separates.
func paramDecode(raw string) map[string]string {
	out := map[string]string{}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		out[paramUnescape(name)] = paramUnescape(value)
	}
	return out
}

func paramUnescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b.WriteByte(' ')
		case s[i] == '%' && i+2 < len(s) && hexDigit(s[i+1]) >= 0 && hexDigit(s[i+2]) >= 0:
			b.WriteByte(byte(hexDigit(s[i+1])<<4 | hexDigit(s[i+2])))
			i += 2
		default:
			b.WriteByte(s[i])
		}
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
