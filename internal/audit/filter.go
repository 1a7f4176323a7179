package audit

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Bounds of a filter.
const (
	MaxListed   = 100 // values in a list
	MinText     = 3   // characters of Text: less is found nearly everywhere
	MaxText     = 200
	MaxPattern  = 255 // characters of Resource, SaltJID and RequestID
	MaxCombined = 32  // combinations of users and actions for which the rank index is asked
)

// Filter selects entries; the zero value selects all. What is set combines with AND.
type Filter struct {
	UserID   *uuid.UUID
	Action   *string    // exact, case-sensitive
	Decision *Decision  // exact; a value that no row has selects nothing
	Since    *time.Time // at >= Since
	Until    *time.Time // at < Until
	AsOf     *int64     // id <= AsOf: the log as it was when that was the last entry

	UserIDIn []*uuid.UUID // one of them; nil among them is nobody. A nil list is none
	ActionIn []string     // one of them, as Action. A nil list is none

	// What follows is in no index: it is searched for.
	Resource                     *string // a pattern: * stands for any characters, ? for one
	SaltJID, RequestID           *string // exact
	ResultCodeMin, ResultCodeMax *int64  // inclusive
	DurationMSMin, DurationMSMax *int64  // inclusive
	Text                         *string // in the resource, the reason or the arguments as JSON text; whatever the case
}

// Empty reports whether f selects every entry.
func (f Filter) Empty() bool { return len(f.Canonical()) == 0 }

// Searched reports whether entries have to be looked at to answer f, which is done within
// a bound; what the rank index knows is exact at any depth.
func (f Filter) Searched() bool {
	return f.Resource != nil || f.SaltJID != nil || f.RequestID != nil || f.Text != nil || f.ResultCodeMin != nil ||
		f.ResultCodeMax != nil || f.DurationMSMin != nil || f.DurationMSMax != nil ||
		max(1, len(f.UserIDIn))*max(1, len(f.ActionIn)) > MaxCombined
}

// Check says which rule f breaks, or nil. The fields have the names that they have in
// GraphQL, where f comes from.
func (f Filter) Check() error {
	if f.AsOf != nil && *f.AsOf < 1 {
		return &RangeError{Field: "filter.asOf", Rule: "should be the id of an entry, from 1 up"}
	}
	for _, l := range []struct {
		field string
		given bool
		n     int
	}{{"filter.userIdIn", f.UserIDIn != nil, len(f.UserIDIn)}, {"filter.actionIn", f.ActionIn != nil, len(f.ActionIn)}} {
		if l.given && (l.n < 1 || l.n > MaxListed) {
			return &RangeError{Field: l.field, Rule: "should have from 1 to 100 values"}
		}
	}
	for _, s := range []struct {
		field string
		text  *string
	}{{"filter.resource", f.Resource}, {"filter.saltJid", f.SaltJID}, {"filter.requestId", f.RequestID}} {
		if s.text != nil && (*s.text == "" || utf8.RuneCountInString(*s.text) > MaxPattern) {
			return &RangeError{Field: s.field, Rule: "should have from 1 to 255 characters"}
		}
	}
	if f.Text != nil {
		if n := utf8.RuneCountInString(*f.Text); n < MinText || n > MaxText {
			return &RangeError{Field: "filter.text", Rule: "should have from 3 to 200 characters"}
		}
	}
	for _, r := range []struct {
		field    string
		min, max *int64
	}{{"resultCode", f.ResultCodeMin, f.ResultCodeMax}, {"durationMs", f.DurationMSMin, f.DurationMSMax}} {
		if r.min != nil && r.max != nil && *r.min > *r.max {
			return &RangeError{Field: "filter." + r.field + "Min", Rule: "should not be more than " + r.field + "Max"}
		}
	}
	return nil
}

// Canonical returns a text that two filters share if and only if they say the same, in
// whatever order. It is for signing, not for reading. Times are taken to the microsecond,
// as the log has them.
func (f Filter) Canonical() []byte {
	var b []byte
	if f.UserID != nil {
		b = fmt.Appendf(b, "user %s\n", f.UserID)
	}
	if f.Action != nil {
		b = fmt.Appendf(b, "action %q\n", *f.Action)
	}
	if f.Decision != nil {
		b = fmt.Appendf(b, "decision %q\n", *f.Decision)
	}
	if f.Since != nil {
		b = fmt.Appendf(b, "since %d\n", f.Since.UnixMicro())
	}
	if f.Until != nil {
		b = fmt.Appendf(b, "until %d\n", f.Until.UnixMicro())
	}
	if f.AsOf != nil {
		b = fmt.Appendf(b, "as of %d\n", *f.AsOf)
	}
	if f.UserIDIn != nil {
		var users []string
		for _, u := range f.UserIDIn {
			name := "nobody"
			if u != nil {
				name = u.String()
			}
			users = append(users, name)
		}
		slices.Sort(users)
		b = fmt.Appendf(b, "users %q\n", slices.Compact(users))
	}
	if f.ActionIn != nil {
		b = fmt.Appendf(b, "actions %q\n", slices.Compact(slices.Sorted(slices.Values(f.ActionIn))))
	}
	return f.appendSearched(b)
}

func (f Filter) appendSearched(b []byte) []byte {
	for _, s := range []struct {
		name string
		text *string
	}{{"resource", f.Resource}, {"job", f.SaltJID}, {"request", f.RequestID}, {"text", f.Text}} {
		if s.text != nil {
			b = fmt.Appendf(b, "%s %q\n", s.name, *s.text)
		}
	}
	for _, n := range []struct {
		name  string
		bound *int64
	}{{"code from", f.ResultCodeMin}, {"code to", f.ResultCodeMax}, {"ms from", f.DurationMSMin}, {"ms to", f.DurationMSMax}} {
		if n.bound != nil {
			b = fmt.Appendf(b, "%s %d\n", n.name, *n.bound)
		}
	}
	return b
}
