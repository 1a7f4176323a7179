// Package policy answers one question: may this principal use this verb on this
// resource? Permissions only ever allow; what no permission matches is denied.
//
// The package is pure: no clock, no storage, no state. Everything in it may be used
// from several goroutines at once as long as nobody changes the values passed in.
package policy

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// maxReason bounds Verdict.Reason, in characters.
const maxReason = 512

// Permission allows the verbs that match Verb on the resources that match
// ResourceGlob. Both are patterns as Match takes them.
type Permission struct {
	Verb, ResourceGlob string
}

// Role is a named set of permissions. A role may hold the same permission twice.
type Role struct {
	Name, Description string
	Builtin           bool // seeded at start, cannot be deleted
	Permissions       []Permission
}

// Principal is somebody who asks: a user with the roles held at this moment.
type Principal struct {
	UserID                uuid.UUID
	Username, DisplayName string
	Active                bool
	MustChangePassword    bool // not looked at by Decide; enforced where decisions are used
	Roles                 []Role
}

// Verdict is the answer to a question put to Decide.
type Verdict struct {
	Allowed bool
	Reason  string // in words, for the log; valid UTF-8 if the names are, 512 characters at most
}

// Decide says whether p may use verb on resource, which is written `namespace:name`.
//
// A permission matches if its verb pattern matches verb and its glob matches
// either resource itself or the class of the resource, the text `namespace:*`. So
// both `key:web-*` and `key:*` cover `key:web-01`. A resource without a colon has no
// class. The first match, in the order of p.Roles, is the one that Reason names.
//
// A nil principal (nobody is signed in) and an inactive one match nothing.
func Decide(p *Principal, verb, resource string) Verdict {
	if p == nil {
		return Verdict{Reason: "not signed in"}
	}
	if !p.Active {
		return Verdict{Reason: "user is inactive"}
	}
	class := resource
	if namespace, _, ok := strings.Cut(resource, ":"); ok {
		class = namespace + ":*"
	}
	for i := range p.Roles {
		role := &p.Roles[i]
		for j := range role.Permissions {
			if role.Permissions[j].matches(verb, resource, class) {
				return Verdict{Allowed: true, Reason: allowedReason(role.Name, role.Permissions[j])}
			}
		}
	}
	return Verdict{Reason: deniedReason(p.Roles)}
}

func (p *Permission) matches(verb, resource, class string) bool {
	return Match(p.Verb, verb) &&
		(Match(p.ResourceGlob, resource) || class != resource && Match(p.ResourceGlob, class))
}

func allowedReason(role string, p Permission) string {
	return cut("allowed by role "+role+": "+p.Verb+" "+p.ResourceGlob, maxReason)
}

// deniedReason names as many roles as fit and says how many it left out.
func deniedReason(roles []Role) string {
	if len(roles) == 0 {
		return "no roles"
	}
	permissions := 0
	for i := range roles {
		permissions += len(roles[i].Permissions)
	}
	var reason strings.Builder
	reason.WriteString("no match among " + count(permissions, "permission") + " of role")
	if len(roles) > 1 {
		reason.WriteByte('s')
	}
	used := reason.Len()
	const room = maxReason - len(" and 9223372036854775807 more")
	for i := range roles {
		separator := " "
		if i > 0 {
			separator = ", "
		}
		left := room - used - len(separator)
		length := utf8.RuneCountInString(roles[i].Name)
		if i > 0 && length > left {
			reason.WriteString(" and " + strconv.Itoa(len(roles)-i) + " more")
			break
		}
		reason.WriteString(separator + cut(roles[i].Name, left))
		used += len(separator) + length
	}
	return reason.String()
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// cut returns s, or its beginning with a mark if it is longer than limit characters.
func cut(s string, limit int) string {
	if len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n++; n == limit {
			return s[:i] + "…"
		}
	}
	return s
}
