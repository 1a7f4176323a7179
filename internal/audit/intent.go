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
	Entry Entry // as it is known before the outcome
}

// Intents keeps intents. *db.DB is one.
type Intents interface {
	// OpenIntent makes i durable. From ttl after now, by the database's clock, it is due
	// to be settled by somebody else.
	OpenIntent(ctx context.Context, i Intent, ttl time.Duration) error
	// CloseIntent removes the intent and appends its row, in one transaction. Of several
	// who close one intent, one succeeds; the others get ErrIntentClosed.
	CloseIntent(ctx context.Context, id uuid.UUID, e Entry) (Entry, error)
	// DueIntents returns at most limit intents that are due, the oldest first.
	DueIntents(ctx context.Context, limit int) ([]Intent, error)
}
