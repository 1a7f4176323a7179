// Package directory is which users and roles there are, and the rules of changing
// them. Who is asking is package auth's.
//
// Service stands behind the gate: its callers have asked package guard for the action,
// with the effect Change for all that changes something, and the context that the guard
// passes on carries the transaction and the outcome that the row is made of. Console is
// the way of whoever runs the server's own commands; it asks the guard itself.
//
// Lengths are in characters.
package directory

import (
	"time"

	"github.com/google/uuid"

	"halite/internal/policy"
)

// User is an account. Its password is nowhere to be seen.
type User struct {
	ID                 uuid.UUID
	Username           string  // 1 to 255 characters, unique whatever the case; never changes
	DisplayName        string  // 255 characters at most
	Email              *string // 255 characters at most; nil: none
	Active             bool    // may sign in, and has the rights of the roles
	Builtin            bool    // cannot be deleted
	MustChangePassword bool    // may do nothing else before
	CreatedAt          time.Time
	LastSignIn         *time.Time // nil: never
	Roles              []RoleRef  // by name
}

// RoleRef names a role.
type RoleRef struct {
	ID   uuid.UUID
	Name string
}

// UserPage is a part of the list of users.
type UserPage struct {
	Total int64 // of the whole list
	Users []User
}

// Role is a named set of permissions.
type Role struct {
	ID          uuid.UUID
	Name        string       // 1 to 64 characters, unique; never changes
	Description string       // 255 characters at most
	Builtin     bool         // cannot be deleted
	Permissions []Permission // by verb and glob
}

// Permission is a permission of a role, with its own identity.
type Permission struct {
	ID uuid.UUID
	policy.Permission
}

// NewUser is what CreateUser makes.
type NewUser struct {
	Username, DisplayName string
	Email                 *string
	Password              string // 8 to 1024 characters
	MustChangePassword    bool
	RoleIDs               []uuid.UUID // one that occurs twice counts once
}

// UserPatch says what UpdateUser changes. A nil pointer leaves the field as it is; so
// does an Email that was not sent, while one that was sent as null clears it.
type UserPatch struct {
	DisplayName *string
	Email       Optional[*string]
	Active      *bool
}

// Optional is a value that may not have been sent. The zero value was not.
type Optional[T any] struct {
	Value T
	Sent  bool
}

// Sent returns a value that was sent.
func Sent[T any](v T) Optional[T] { return Optional[T]{Value: v, Sent: true} }

func (u User) roleNames() []string {
	names := make([]string, 0, len(u.Roles))
	for _, r := range u.Roles {
		names = append(names, r.Name)
	}
	return names
}

func (r Role) pairs() []policy.Permission {
	pairs := make([]policy.Permission, 0, len(r.Permissions))
	for _, p := range r.Permissions {
		pairs = append(pairs, p.Permission)
	}
	return pairs
}
