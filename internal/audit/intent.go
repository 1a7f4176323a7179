package audit

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// ErrIntentClosed says that an intent is not open: somebody else closed it, with its
// row. Nothing was written.
var ErrIntentClosed = errors.New("audit intent: already closed")

// Intent is an effect outside of our database that may have been begun: durable before
// it is, and closed together with the one row that says how it ended.
type Intent struct {
	ID    uuid.UUID
	Entry Entry // as it is known before the outcome; ResultCode is that of success
	// OpenedAt and Deadline are by the database's clock. Whoever opened it is at work on
	// it until Deadline at the latest. They are not looked at by OpenIntent.
	OpenedAt, Deadline time.Time
	Age                time.Duration // since it was opened; told by ClaimIntent alone
}

// Intents keeps intents. *db.DB is one.
type Intents interface {
	// OpenIntent makes i durable. Its deadline is ttl from now.
	OpenIntent(ctx context.Context, i Intent, ttl time.Duration) error
	// CloseIntent removes the intent and appends its row, in one transaction. Of several
	// who close one intent, one succeeds; the others get ErrIntentClosed.
	CloseIntent(ctx context.Context, id uuid.UUID, e Entry) (Entry, error)
	// ClaimIntent hands out an intent whose deadline is more than grace ago, and hands it to
	// nobody else for the time of lease: the oldest that was not handed out yet, or the one
	// whose lease has ended first. ok is false if there is none.
	ClaimIntent(ctx context.Context, grace, lease time.Duration) (i Intent, ok bool, err error)
}

// OpenIntents reads the intents that are open. *db.DB is one.
type OpenIntents interface {
	// OpenIntents returns at most limit open intents, the oldest first.
	OpenIntents(ctx context.Context, limit int) ([]Intent, error)
}
