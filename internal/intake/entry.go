package intake

import (
	"bytes"
	"strconv"
	"time"

	"github.com/google/uuid"

	"halite/internal/audit"
)

// changes are what was done to the values of a row to make an entry of it.
type changes struct {
	altered  bool // audit.Storable changed a value
	redacted bool // a secret was taken out that the source had kept
}

// entry makes an entry of r, or says why it cannot.
func (r *row) entry(now time.Time) (Entry, changes, *BadRow) {
	bad := func(reason string) (Entry, changes, *BadRow) {
		return Entry{}, changes{}, &BadRow{Where: r.where(), Reason: reason}
	}
	if r.problem != "" {
		return bad(r.problem)
	}
	for _, c := range required {
		if !r.values[c].Valid {
			return bad(columnNames[c] + " is missing")
		}
	}
	text := func(c int) string { return r.values[c].String }
	var e Entry
	var err error
	if e.SourceID, err = r.number(colID); err != nil || r.values[colID].Valid && e.SourceID < 1 {
		return bad("id is not a number from 1 up: " + quote(text(colID)))
	}
	if e.At, err = parseTime(text(colAt)); err != nil {
		return bad("at is no time: " + quote(text(colAt)))
	}
	switch {
	case e.At.After(now):
		return bad("at is in the future: " + text(colAt))
	case e.At.Unix() < 0:
		return bad("at is before 1970: " + text(colAt))
	}
	if id := r.values[colUserID]; id.Valid {
		if e.UserID.UUID, err = uuid.Parse(id.String); err != nil {
			return bad("user_id is no UUID: " + quote(id.String))
		}
		e.UserID.Valid = true
	}
	e.Decision = audit.Decision(text(colDecision))
	if e.Decision != audit.Allow && e.Decision != audit.Deny {
		return bad("decision is neither allow nor deny: " + quote(text(colDecision)))
	}
	for i, into := range [...]*int{&e.ResultCode, &e.DurationMS} {
		c := [...]int{colResultCode, colDurationMS}[i]
		n, err := r.number(c)
		if err != nil {
			return bad(columnNames[c] + " is not a number: " + quote(text(c)))
		}
		*into = int(n)
	}
	e.Action, e.SaltJID, e.Username, e.Verb = text(colAction), text(colSaltJID), text(colUsername), text(colVerb)
	e.RequestID, e.SourceIP = text(colRequestID), text(colSourceIP)
	var made changes
	redacted := func(c int) string {
		out := audit.RedactText(text(c))
		made.redacted = made.redacted || out != text(c)
		return out
	}
	e.Resource, e.Reason, e.UserAgent = redacted(colResource), redacted(colReason), redacted(colUserAgent)
	if args := r.values[colArgs]; args.Valid && args.String != "null" {
		var found bool
		e.Args, found = redactArgs([]byte(args.String))
		made.redacted = made.redacted || found
	}
	before := e.Entry
	e.Entry = audit.Storable(e.Entry)
	made.altered = !same(before, e.Entry)
	return e, made, nil
}

// number is a column that holds a whole number, 0 where it holds nothing.
func (r *row) number(c int) (int64, error) {
	if !r.values[c].Valid {
		return 0, nil
	}
	return strconv.ParseInt(r.values[c].String, 10, 64)
}

// same reports whether a and b hold the same values.
func same(a, b audit.Entry) bool {
	args := bytes.Equal(a.Args, b.Args)
	a.Args, b.Args = nil, nil
	return args && a.Action == b.Action && a.Resource == b.Resource && a.SaltJID == b.SaltJID && a.ResultCode == b.ResultCode &&
		a.DurationMS == b.DurationMS && a.Username == b.Username && a.Verb == b.Verb && a.Reason == b.Reason &&
		a.RequestID == b.RequestID && a.SourceIP == b.SourceIP && a.UserAgent == b.UserAgent
}

// quote shows a value that is wrong, but not all of a long one.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		return strconv.Quote(s[:most]) + "..."
	}
	return strconv.Quote(s)
}
