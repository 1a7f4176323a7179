// Package settings keeps what is set while the server runs: how to reach the Salt
// master. The password is sealed before it is stored and never handed out.
//
// A change takes effect with the next use, on every server: what is set is read from
// the database each time that a client is asked for.
package settings

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/salt"
	"halite/internal/seal"
)

// unreadable is told to callers.
const unreadable = "The stored Salt password cannot be read with this COOKIE_SECRET, enter it again in the settings"

// Salt is how the Salt master is reached, as it may be shown.
type Salt struct {
	URL         string // http or https; empty = no connection
	Username    string
	PasswordSet bool
	Verify      bool      // the TLS certificate is checked
	EAuth       string    // pam, sharedsecret, ldap, file or auto
	UpdatedAt   time.Time // zero = never
}

// Configured reports whether there is all that a connection needs.
func (s Salt) Configured() bool { return s.URL != "" && s.Username != "" && s.PasswordSet }

// Stored is Salt as it is kept.
type Stored struct {
	Revision       int64 // grows with every change
	UpdatedAt      time.Time
	URL, Username  string
	SealedPassword string // empty = none
	Verify         bool
	EAuth          string
}

func (s Stored) shown() Salt {
	return Salt{
		URL: s.URL, Username: s.Username, PasswordSet: s.SealedPassword != "", Verify: s.Verify, EAuth: s.EAuth, UpdatedAt: s.UpdatedAt,
	}
}

func (s Stored) connection(password string) salt.Settings {
	return salt.Settings{URL: s.URL, Username: s.Username, Password: password, EAuth: s.EAuth, Verify: s.Verify}
}

// Store keeps the settings. Inside guard's Change its methods take part in the
// transaction that the context carries. *db.DB is one.
type Store interface {
	// SaltSettings reads them. In a transaction they stay locked until its end.
	SaltSettings(ctx context.Context) (Stored, error)
	// SetSaltSettings writes them, and returns them with the revision and the time of that.
	SetSaltSettings(ctx context.Context, s Stored) (Stored, error)
	// ReplaceSaltPassword puts sealed in the place of old, if that is still there. It is
	// no change: both are the same password.
	ReplaceSaltPassword(ctx context.Context, old, sealed string) error
}

// Service reads and changes the settings, and hands out the client that they describe.
// It is safe for concurrent use.
type Service struct {
	store  Store
	sealer *seal.Sealer
	logger *slog.Logger

	mu       sync.Mutex
	client   *salt.Client // of revision; nil = none yet
	revision int64
}

// NewService returns a service on store. Close ends the client that it made.
func NewService(store Store, sealer *seal.Sealer, logger *slog.Logger) *Service {
	return &Service{store: store, sealer: sealer, logger: logger}
}

// Close ends the client.
func (s *Service) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
}

// Salt returns the settings as they are now.
func (s *Service) Salt(ctx context.Context) (Salt, error) {
	stored, err := s.store.SaltSettings(ctx)
	return stored.shown(), err
}

// Update changes what p says, inside guard's Change, and notes in the outcome what
// changed. Errors: BadUserInput; the field is url, username, password or eauth, or
// input where p says nothing.
func (s *Service) Update(ctx context.Context, p Patch) (Salt, error) {
	if err := p.check(); err != nil {
		return Salt{}, err
	}
	before, err := s.store.SaltSettings(ctx)
	if err != nil {
		return Salt{}, err
	}
	after, err := s.store.SetSaltSettings(ctx, p.apply(before, s.sealer))
	if err != nil {
		return Salt{}, err
	}
	o := guard.OutcomeOf(ctx)
	o.Before, o.After = differ(before.shown(), after.shown())
	return after.shown(), nil
}

// differ is what the row of a change says of the fields that changed. Of the password
// it says no more than that it was sent, which is among the arguments.
func differ(before, after Salt) (b, a map[string]any) {
	b, a = map[string]any{}, map[string]any{}
	note := func(name string, from, to any) {
		if from != to {
			b[name], a[name] = from, to
		}
	}
	note("url", before.URL, after.URL)
	note("username", before.Username, after.Username)
	note("verify", before.Verify, after.Verify)
	note("eauth", before.EAuth, after.EAuth)
	note("configured", before.Configured(), after.Configured())
	return b, a
}

// Renew seals the stored password anew if that was done with an older secret. A
// password that cannot be read is left for Check to tell of.
func (s *Service) Renew(ctx context.Context) error {
	stored, err := s.store.SaltSettings(ctx)
	if err != nil || stored.SealedPassword == "" {
		return err
	}
	plain, current, err := s.sealer.Open(stored.SealedPassword)
	if err != nil || current {
		return nil //nolint:nilerr // Check tells of it
	}
	return s.store.ReplaceSaltPassword(ctx, stored.SealedPassword, s.sealer.Seal(plain))
}

// Check says for /readyz whether the settings can be used: "ok", "not configured", or
// what is wrong.
func (s *Service) Check(ctx context.Context) (result string, bad bool) {
	stored, err := s.store.SaltSettings(ctx)
	switch {
	case err != nil:
		return "error: could not be read", true
	case !stored.shown().Configured():
		return "not configured", false
	}
	_, _, err = s.sealer.Open(stored.SealedPassword)
	switch {
	case errors.Is(err, seal.ErrOtherKey):
		return "error: the password was sealed with another COOKIE_SECRET, enter it again", true
	case err != nil:
		return "error: the password cannot be read, enter it again", true
	}
	return "ok", false
}

// password opens the stored password.
func (s *Service) password(stored Stored) (string, error) {
	plain, _, err := s.sealer.Open(stored.SealedPassword)
	if err != nil {
		return "", &fault.Error{Code: fault.SaltUnavailable, Message: unreadable, Err: err}
	}
	return plain, nil
}
