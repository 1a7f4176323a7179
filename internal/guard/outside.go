package guard

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"halite/internal/audit"
)

const (
	outsideTimeout = 60 * time.Second // for an effect outside
	closeTimeout   = 15 * time.Second // for closing its intent, with the row
	// intentTTL is when somebody else may settle an intent: nobody can be at work on it
	// any more.
	intentTTL   = outsideTimeout + closeTimeout + 30*time.Second
	settleEvery = 10 * time.Second
	settleBatch = 20
)

// outside makes an intent durable, runs next, and closes the intent with the row of how
// it ended. Like a change it is finished even if the caller goes away. If it cannot be
// closed, next may have had its effect: the intent stays open, and its row will say so.
func (g *Guard) outside(ctx context.Context, caller *Caller, a Action, next func(context.Context) error, row func(error) audit.Entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outsideTimeout)
	defer cancel()
	intent := audit.Intent{ID: uuid.New(), Entry: row(nil)}
	if err := g.Intents.OpenIntent(ctx, intent, intentTTL); err != nil {
		return g.answer(caller, audit.Entry{}, err, nil)
	}
	outcome := g.run(ctx, a, next)
	e := row(outcome)
	closing, cancelClosing := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancelClosing()
	e, err := g.Intents.CloseIntent(closing, intent.ID, e)
	if err != nil {
		err = errors.Join(audit.ErrOutcomeUnknown, err)
	}
	return g.answer(caller, e, err, outcome)
}

// settle closes the intents that a crash left open: what became of them is not known,
// and exactly one row says so.
func (g *Guard) settle(ctx context.Context) {
	due, err := g.Intents.DueIntents(ctx, settleBatch)
	if err != nil {
		g.Logger.Warn("open intents could not be looked for", "error", err)
		return
	}
	for _, i := range due {
		e := i.Entry
		e.Decision, e.ResultCode = audit.Allow, http.StatusGatewayTimeout
		e.Reason += "; left open by a crash, outcome unknown"
		switch e, err := g.Intents.CloseIntent(ctx, i.ID, e); {
		case err == nil:
			g.Logger.Warn("an intent left open was closed: its outcome is unknown", "audit_id", e.ID, "action", e.Action)
		case !errors.Is(err, audit.ErrIntentClosed):
			g.Logger.Warn("an open intent could not be closed", "error", err)
		}
	}
}

func startSettler(g *Guard) *background {
	if g.Intents == nil {
		return startBackground(settleEvery, func() {}, func() {})
	}
	return startBackground(settleEvery, func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		g.settle(ctx)
	}, func() {})
}
