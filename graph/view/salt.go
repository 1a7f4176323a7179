package view

import (
	"time"

	"halite/internal/salt"
	"halite/internal/settings"
)

// TargetType is how a target is read, in Salt's word.
type TargetType string

// The types of targets that commands may have.
const (
	TargetGlob      TargetType = "glob"
	TargetList      TargetType = "list"
	TargetPCRE      TargetType = "pcre"
	TargetGrain     TargetType = "grain"
	TargetNodegroup TargetType = "nodegroup"
	TargetCompound  TargetType = "compound"
)

// EAuth is a backend that checks accounts at salt-api, in Salt's word.
type EAuth string

// The backends.
const (
	EAuthPAM          EAuth = "pam"
	EAuthSharedSecret EAuth = "sharedsecret"
	EAuthLDAP         EAuth = "ldap"
	EAuthFile         EAuth = "file"
	EAuthAuto         EAuth = "auto"
)

// KeyStatus is what a master thinks of a key.
type KeyStatus string

// What it may think.
const (
	KeyAccepted KeyStatus = salt.KeyAccepted
	KeyPending  KeyStatus = salt.KeyPending
	KeyRejected KeyStatus = salt.KeyRejected
	KeyDenied   KeyStatus = salt.KeyDenied
)

// Key is the key of a minion.
type Key struct{ salt.Key }

// NewKeys returns keys as they look in GraphQL.
func NewKeys(keys []salt.Key) []Key {
	out := make([]Key, len(keys))
	for i, k := range keys {
		out[i] = Key{k}
	}
	return out
}

// Status is the key's.
func (k Key) Status() KeyStatus { return KeyStatus(k.Key.Status) }

// Settings are all settings.
type Settings struct{ Salt SaltSettings }

// NewSettings returns settings as they look in GraphQL.
func NewSettings(s settings.Salt) *Settings { return &Settings{SaltSettings{s}} }

// UpdatedAt is nil if they were never changed.
func (s Settings) UpdatedAt() *time.Time {
	if s.Salt.UpdatedAt.IsZero() {
		return nil
	}
	return &s.Salt.UpdatedAt
}

// SaltSettings are how the Salt master is reached.
type SaltSettings struct{ settings.Salt }

// URL is nil if there is none.
func (s SaltSettings) URL() *string { return nullable(s.Salt.URL) }

// Username is nil if there is none.
func (s SaltSettings) Username() *string { return nullable(s.Salt.Username) }

// Eauth is the backend.
func (s SaltSettings) Eauth() EAuth { return EAuth(s.EAuth) }
