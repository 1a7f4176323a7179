// Package auth knows who is asking: passwords, sessions, the cookie, sign-in and
// sign-out. Every decision it makes goes through package guard.
package auth

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"halite/internal/policy"
)

// What a Store can say no with.
var (
	ErrNoUser    = errors.New("no such user")
	ErrNoSession = errors.New("no such session")
)

// User is what sign-in asks of an account.
type User struct {
	ID           uuid.UUID
	Username     string // as it is spelled in the account
	PasswordHash string // argon2id, PHC format
	Active       bool
}

// Session is a signed-in browser or program.
type Session struct {
	IDHash        []byte // SHA-256 of the session id
	UserID        uuid.UUID
	UserAgent, IP string
}

// Store keeps accounts and sessions. Inside guard's Change its methods take part
// in the transaction that the context carries. *db.DB is one.
type Store interface {
	// UserByName finds a user whatever the case of name, or returns ErrNoUser. In a
	// transaction the user stays locked until its end.
	UserByName(ctx context.Context, name string) (User, error)
	SetPassword(ctx context.Context, id uuid.UUID, hash string, mustChange bool) error
	// SignedIn notes the time of the last sign-in.
	SignedIn(ctx context.Context, id uuid.UUID) error

	CreateSession(ctx context.Context, s Session, ttl time.Duration) error
	// SessionPrincipal returns the active user of a session that has not ended, with
	// the roles and permissions of this moment, or ErrNoSession.
	SessionPrincipal(ctx context.Context, idHash []byte) (*policy.Principal, error)
	EndSession(ctx context.Context, idHash []byte) error
	// EndSessions ends all sessions of a user but one; nil spares none.
	EndSessions(ctx context.Context, userID uuid.UUID, except []byte) error
	// PurgeSessions removes the sessions that have ended and says how many.
	PurgeSessions(ctx context.Context) (int64, error)
}
