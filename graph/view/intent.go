package view

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"halite/internal/audit"
)

// Intent is an AuditIntent.
type Intent struct {
	ID                 uuid.UUID
	OpenedAt, Deadline time.Time
	entry              Entry
}

// NewIntents returns intents as they look in GraphQL. It shares their entries.
func NewIntents(intents []audit.Intent) []Intent {
	out := make([]Intent, len(intents))
	for i := range intents {
		in := &intents[i]
		out[i] = Intent{ID: in.ID, OpenedAt: in.OpenedAt, Deadline: in.Deadline, entry: Entry{Entry: &in.Entry}}
	}
	return out
}

// UserID is the entry's.
func (i Intent) UserID() *uuid.UUID { return i.entry.UserID() }

// Username is the entry's.
func (i Intent) Username() *string { return i.entry.Username() }

// Action is the entry's.
func (i Intent) Action() string { return i.entry.Action }

// Resource is the entry's.
func (i Intent) Resource() string { return i.entry.Resource }

// ArgsJSON is the entry's.
func (i Intent) ArgsJSON() json.RawMessage { return i.entry.ArgsJSON() }

// SaltJid is the entry's.
func (i Intent) SaltJid() *string { return i.entry.SaltJid() }

// Reason is the entry's.
func (i Intent) Reason() *string { return i.entry.Reason() }

// RequestID is the entry's.
func (i Intent) RequestID() *string { return i.entry.RequestID() }

// SourceIP is the entry's.
func (i Intent) SourceIP() *string { return i.entry.SourceIP() }
