package db

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"halite/internal/audit"
)

// selection is a filter as the database is asked for it, whoever asks: the entries of
// some keys of the rank index, no two of which have an entry in common, and among them
// those of which the rest is true. The times are not in it, they become ids.
type selection struct {
	keys     []rankKey // one at least; of one kind behind those of another
	decision *audit.Decision
	rest     *remainder // nil: nothing
}

// wholeLog reports whether the keys of s select every entry.
func (s selection) wholeLog() bool {
	return len(s.keys) == 1 && s.keys[0].kind == ofLog && s.decision == nil
}

// compile makes a selection of f. It reports false if f selects nothing whatever the log
// holds.
func compile(f audit.Filter) (s selection, ok bool) {
	if f.Decision != nil && *f.Decision != audit.Allow && *f.Decision != audit.Deny {
		return s, false
	}
	if f.Since != nil && f.Until != nil && !f.Since.Before(*f.Until) {
		return s, false
	}
	s.decision = f.Decision
	users, actions := usersOf(f), actionsOf(f)
	if users != nil && len(users) == 0 || actions != nil && len(actions) == 0 {
		return s, false
	}
	r := restOf(f)
	combined := func() int { return max(1, len(users)) * max(1, len(actions)) }
	if combined() > audit.MaxCombined && len(users) > len(actions) {
		r.users, r.given, users = users, true, nil
	}
	if combined() > audit.MaxCombined {
		r.actions, r.given, actions = actions, true, nil
	}
	if combined() > audit.MaxCombined {
		r.users, r.given, users = users, true, nil
	}
	if r.given {
		s.rest = &r
	}
	s.keys = combine(users, actions)
	return s, true
}

// combine returns the keys of each user with each action; nil stands for all of them.
func combine(users []uuid.NullUUID, actions []string) (keys []rankKey) {
	kinds := []rankKind{ofUser, ofNobody}
	if users == nil {
		kinds, users = kinds[:1], []uuid.NullUUID{{}}
		kinds[0] = ofLog
	}
	for _, kind := range kinds {
		for _, u := range users {
			if kind != ofLog && u.Valid != (kind == ofUser) {
				continue
			}
			if actions == nil {
				keys = append(keys, rankKey{kind: kind, user: u.UUID})
			}
			for _, a := range actions {
				keys = append(keys, rankKey{kind: kind | ofAction, user: u.UUID, action: a})
			}
		}
	}
	return keys
}

// usersOf are the users that f names, each once; nil: it names none, which are all.
func usersOf(f audit.Filter) (users []uuid.NullUUID) {
	if f.UserIDIn != nil {
		users = []uuid.NullUUID{}
	}
	for _, u := range f.UserIDIn {
		var user uuid.NullUUID
		if u != nil {
			user = uuid.NullUUID{UUID: *u, Valid: true}
		}
		if !slices.Contains(users, user) {
			users = append(users, user)
		}
	}
	if f.UserID == nil {
		return users
	}
	one := uuid.NullUUID{UUID: *f.UserID, Valid: true}
	if users != nil && !slices.Contains(users, one) {
		return []uuid.NullUUID{}
	}
	return []uuid.NullUUID{one}
}

// actionsOf are the actions that f names, each once; nil: it names none, which are all.
func actionsOf(f audit.Filter) (actions []string) {
	if f.ActionIn != nil {
		actions = []string{}
	}
	for _, a := range f.ActionIn {
		if a = storable(a); !slices.Contains(actions, a) {
			actions = append(actions, a)
		}
	}
	if f.Action == nil {
		return actions
	}
	one := storable(*f.Action)
	if actions != nil && !slices.Contains(actions, one) {
		return []string{}
	}
	return []string{one}
}

// storable is s as a row holds it.
func storable(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
}

// remainder is what a filter names that no index knows.
type remainder struct {
	given bool

	resource, jid, request, text *string // patterns of LIKE, but for jid and request
	codeMin, codeMax             *int64
	msMin, msMax                 *int64
	users                        []uuid.NullUUID
	actions                      []string
}

func restOf(f audit.Filter) remainder {
	r := remainder{
		codeMin: f.ResultCodeMin, codeMax: f.ResultCodeMax, msMin: f.DurationMSMin, msMax: f.DurationMSMax,
		jid: f.SaltJID, request: f.RequestID, resource: f.Resource, text: f.Text,
	}
	r.given = r.codeMin != nil || r.codeMax != nil || r.msMin != nil || r.msMax != nil || r.jid != nil || r.request != nil ||
		r.resource != nil || r.text != nil
	for _, s := range []**string{&r.jid, &r.request, &r.resource, &r.text} {
		if *s != nil {
			clean := storable(**s)
			*s = &clean
		}
	}
	if r.resource != nil {
		*r.resource = strings.NewReplacer("*", "%", "?", "_").Replace(literal(*r.resource))
	}
	if r.text != nil {
		*r.text = "%" + literal(*r.text) + "%"
	}
	return r
}

// literal is a pattern of LIKE for s itself.
func literal(s string) string { return strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(s) }

// args are the parameters of restSQL.
func (r *remainder) args() []any {
	if r == nil {
		r = &remainder{}
	}
	var users []uuid.UUID
	nobody := false
	for _, u := range r.users {
		if nobody = nobody || !u.Valid; u.Valid {
			users = append(users, u.UUID)
		}
	}
	if r.users != nil && users == nil {
		users = []uuid.UUID{}
	}
	return []any{r.resource, r.jid, r.request, r.codeMin, r.codeMax, r.msMin, r.msMax, r.text, users, nobody, r.actions}
}

// restSQL is the condition that rest is true of an entry: one text, with parameters that
// are null where nothing is named, so that there is one statement to prepare.
const restSQL = `($1::text IS NULL OR resource LIKE $1) AND ($2::text IS NULL OR salt_jid = $2) AND ($3::text IS NULL OR request_id = $3)
	AND ($4::bigint IS NULL OR result_code >= $4) AND ($5::bigint IS NULL OR result_code <= $5)
	AND ($6::bigint IS NULL OR duration_ms >= $6) AND ($7::bigint IS NULL OR duration_ms <= $7)
	AND ($9::uuid[] IS NULL OR user_id = ANY ($9) OR $10::boolean AND user_id IS NULL) AND ($11::text[] IS NULL OR action = ANY ($11))
	AND ($8::text IS NULL OR resource ILIKE $8 OR reason ILIKE $8 OR args_json::text ILIKE $8)`
