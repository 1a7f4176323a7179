package db_test

import (
	"fmt"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"halite/internal/audit"
)

// randomLists gives f lists of users and of actions, sometimes so long ones that the rank
// index is not asked for each.
func randomLists(rnd *rand.Rand, f *audit.Filter) {
	if rnd.IntN(2) == 0 {
		f.UserIDIn = []*uuid.UUID{}
		for range rnd.IntN(5) {
			f.UserIDIn = append(f.UserIDIn, pick(rnd, []*uuid.UUID{nil, {1}, {2}, {3}, {}}))
		}
		for i := range rnd.IntN(2) * rnd.IntN(40) {
			f.UserIDIn = append(f.UserIDIn, &uuid.UUID{9, byte(i)})
		}
	}
	if rnd.IntN(2) == 0 {
		f.ActionIn = []string{}
		for range rnd.IntN(5) {
			f.ActionIn = append(f.ActionIn, pick(rnd, append(sample.actions, "none", "\x00")))
		}
		for i := range rnd.IntN(2) * rnd.IntN(40) {
			f.ActionIn = append(f.ActionIn, fmt.Sprint("none ", i))
		}
	}
}

// randomSearch gives f what is searched for.
func randomSearch(rnd *rand.Rand, f *audit.Filter) {
	for range 1 + rnd.IntN(2) {
		s, n := "", int64(rnd.IntN(500))
		switch rnd.IntN(7) {
		case 0:
			s = pick(rnd, []string{"*", "test:*", "*:x", "key:web-??", "key:*", "test:100%", "test:a_b", `test:a\b`, "?", "*a?b", "*\x00", "*ё", "[k]ey:*", "TEST:*"})
			f.Resource = &s
		case 1:
			s = pick(rnd, append(sample.jobs[2:], "none", "%", "\xff"))
			f.SaltJID = &s
		case 2:
			s = pick(rnd, append(sample.requests, "r", "_1"))
			f.RequestID = &s
		case 3:
			f.ResultCodeMin = &n
		case 4:
			f.ResultCodeMax = &n
		case 5:
			f.DurationMSMin = pick(rnd, []*int64{new(int64(0)), new(int64(5)), new(int64(-1)), new(int64(1 << 40))})
			f.DurationMSMax = pick(rnd, []*int64{nil, new(int64(10)), new(int64(1 << 62))})
		case 6:
			s = pick(rnd, []string{"web-01", "WEB-0", "100%", "a_b", `a\b`, "Role", "über", "ÜBER", "tgt\": \"web", "x00", "\x00ab", "%%%", "___"})
			f.Text = &s
		}
	}
}

// selects is the filter, but for its times and AsOf, as anybody would write it in Go.
func selects(f audit.Filter, e audit.Entry) bool {
	one := func(u *uuid.UUID) bool {
		return u == nil && !e.UserID.Valid || u != nil && e.UserID.Valid && *u == e.UserID.UUID
	}
	matches := func(pattern, s string) bool {
		ok, err := path.Match(strings.NewReplacer(`\`, `\\`, "[", `\[`).Replace(cleaned(pattern)), s)
		return ok && err == nil
	}
	contains := func(s, text string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(cleaned(text))) }
	return (f.UserID == nil || one(f.UserID)) && (f.Action == nil || e.Action == *f.Action) && (f.Decision == nil || e.Decision == *f.Decision) &&
		(f.UserIDIn == nil || slices.ContainsFunc(f.UserIDIn, one)) && (f.ActionIn == nil || slices.Contains(f.ActionIn, e.Action)) &&
		(f.Resource == nil || matches(*f.Resource, e.Resource)) && (f.SaltJID == nil || e.SaltJID == *f.SaltJID) &&
		(f.RequestID == nil || e.RequestID == *f.RequestID) &&
		(f.ResultCodeMin == nil || int64(e.ResultCode) >= *f.ResultCodeMin) && (f.ResultCodeMax == nil || int64(e.ResultCode) <= *f.ResultCodeMax) &&
		(f.DurationMSMin == nil || int64(e.DurationMS) >= *f.DurationMSMin) && (f.DurationMSMax == nil || int64(e.DurationMS) <= *f.DurationMSMax) &&
		(f.Text == nil || contains(e.Resource, *f.Text) || contains(e.Reason, *f.Text) || contains(string(e.Args), *f.Text))
}

// plainSQL is the filter as anybody would write it.
func plainSQL(f audit.Filter) (string, []any) {
	var terms []string
	var args []any
	add := func(term string, arg any) {
		args = append(args, arg)
		terms = append(terms, strings.ReplaceAll(term, "$", fmt.Sprintf("$%d", len(args))))
	}
	if f.UserID != nil {
		add("user_id = $", *f.UserID)
	}
	if f.Action != nil {
		add("convert_to(action, 'UTF8') = $", []byte(*f.Action))
	}
	if f.Decision != nil {
		add("convert_to(decision, 'UTF8') = $", []byte(*f.Decision))
	}
	if f.Since != nil {
		add("at >= $", *f.Since)
	}
	if f.Until != nil {
		add("at < $", *f.Until)
	}
	if f.AsOf != nil {
		add("id <= $", *f.AsOf)
	}
	if f.UserIDIn != nil {
		add("coalesce(user_id::text, 'nobody') = ANY ($)", userTexts(f.UserIDIn))
	}
	if f.ActionIn != nil {
		bytes := [][]byte{}
		for _, a := range f.ActionIn {
			bytes = append(bytes, []byte(a))
		}
		add("convert_to(action, 'UTF8') = ANY ($)", bytes)
	}
	if f.Resource != nil {
		pattern := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(cleaned(*f.Resource)))
		add("resource ~ $", "^"+pattern+"$")
	}
	if f.SaltJID != nil {
		add("convert_to(salt_jid, 'UTF8') = $", []byte(*f.SaltJID))
	}
	if f.RequestID != nil {
		add("convert_to(request_id, 'UTF8') = $", []byte(*f.RequestID))
	}
	for _, n := range []struct {
		term  string
		bound *int64
	}{
		{"result_code >= $::bigint", f.ResultCodeMin},
		{"result_code <= $::bigint", f.ResultCodeMax},
		{"duration_ms >= $::bigint", f.DurationMSMin},
		{"duration_ms <= $::bigint", f.DurationMSMax},
	} {
		if n.bound != nil {
			add(n.term, *n.bound)
		}
	}
	if f.Text != nil {
		add("(position(lower($) in lower(resource)) > 0 OR position(lower($) in lower(reason)) > 0 OR position(lower($) in lower(args_json::text)) > 0)", cleaned(*f.Text))
	}
	if len(terms) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(terms, " AND "), args
}

func cleaned(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
}

func userTexts(users []*uuid.UUID) []string {
	out := []string{}
	for _, u := range users {
		if u == nil {
			out = append(out, "nobody")
		} else {
			out = append(out, u.String())
		}
	}
	return out
}
