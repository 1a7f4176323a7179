// Package view is how the domain looks in GraphQL: what is empty there is null here.
package view

import (
	"encoding/json"
	"strconv"

	"github.com/google/uuid"

	"halite/internal/audit"
	"halite/internal/policy"
)

// Page is an AuditEntryPage.
type Page struct {
	Total        int64
	TotalIsExact bool
	SearchedTo   *int64
	Entries      Entries
	AsOf         *int64
}

// NewPage returns p as it looks in GraphQL, with the proofs of its entries if they were
// asked for. It shares p's entries.
func NewPage(p audit.Page, proofs []Proof) *Page {
	return &Page{
		Total: p.Total, TotalIsExact: !p.Partial, SearchedTo: present(p.SearchedTo), Entries: Entries{p.Entries, proofs}, AsOf: present(p.AsOf),
	}
}

// present is nil for the id that no entry has.
func present(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}

// Entry is an AuditEntry.
type Entry struct {
	*audit.Entry
	Proof *Proof // nil: it was not asked for
}

// ID is the decimal number as a string.
func (e Entry) ID() string { return strconv.FormatInt(e.Entry.ID, 10) }

// UserID is nil if nobody was signed in.
func (e Entry) UserID() *uuid.UUID {
	if !e.Entry.UserID.Valid {
		return nil
	}
	return &e.Entry.UserID.UUID
}

// ArgsJSON is nil if there were no arguments.
func (e Entry) ArgsJSON() json.RawMessage { return e.Args }

// SaltJid is nil if no job is concerned.
func (e Entry) SaltJid() *string { return nullable(e.SaltJID) }

// Username is nil if none is known.
func (e Entry) Username() *string { return nullable(e.Entry.Username) }

// Verb is nil if no permission was checked.
func (e Entry) Verb() *string { return nullable(e.Entry.Verb) }

// Reason is nil if none was given.
func (e Entry) Reason() *string { return nullable(e.Entry.Reason) }

// RequestID is nil if no request was behind it.
func (e Entry) RequestID() *string { return nullable(e.Entry.RequestID) }

// SourceIP is nil if no client was behind it.
func (e Entry) SourceIP() *string { return nullable(e.Entry.SourceIP) }

// UserAgent is nil if the client sent none.
func (e Entry) UserAgent() *string { return nullable(e.Entry.UserAgent) }

// Me is the signed-in user.
type Me struct{ *policy.Principal }

// MustChangePassword is the principal's.
func (m Me) MustChangePassword() bool { return m.Principal.MustChangePassword }

// Permissions are those of all roles, in the order of the roles.
func (m Me) Permissions() []policy.Permission {
	out := []policy.Permission{}
	for _, r := range m.Roles {
		out = append(out, r.Permissions...)
	}
	return out
}

// HeldPermission is a permission with the role that it comes from.
type HeldPermission struct {
	Role string
	policy.Permission
}

// NewHeld returns the permissions of all roles, in the order of the roles.
func NewHeld(p *policy.Principal) []HeldPermission {
	out := []HeldPermission{}
	for _, r := range p.Roles {
		for _, perm := range r.Permissions {
			out = append(out, HeldPermission{r.Name, perm})
		}
	}
	return out
}

func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
