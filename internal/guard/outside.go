package guard

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"halite/internal/audit"
	"halite/internal/fault"
)

const (
	// OutsideTimeout is the most time that an action with the effect Outside has.
	OutsideTimeout = 40 * time.Second
	closeTimeout   = 15 * time.Second // for closing its intent, with the row

	// settleGrace is how long after an intent's deadline it is settled: a request that its
	// sender has given up may still be held on the other side, and be carried out late.
	settleGrace = 200 * time.Second
	settleEvery = 2 * time.Second
	settleLease = 45 * time.Second // one server settles an intent at a time; if it cannot, this is the pause
	askTimeout  = 25 * time.Second // for asking what became of an effect
)

// Settler finds out what became of an effect whose intent was left open: e is the entry
// as it was known before. done says that it took place. An error says that it cannot
// be asked now; ErrNeverKnown that there is nobody who could say.
type Settler func(ctx context.Context, e audit.Entry) (done bool, err error)

// ErrNeverKnown: what became of the effect cannot be found out, now or later.
var ErrNeverKnown = errors.New("what became of it cannot be found out")

// intention is what Intend needs of the action under way.
type intention struct {
	open func(context.Context) error
}

type intentionKey struct{}

// Intend makes the intent of the action under way durable, with what its Outcome says
// so far. An action with the effect Outside calls it directly before it does what may
// have the effect, once, and does nothing if it fails.
func Intend(ctx context.Context) error {
	if in, ok := ctx.Value(intentionKey{}).(*intention); ok {
		return in.open(ctx)
	}
	return errors.New("guard: an intent outside of an action with the effect Outside")
}

// outside runs next, which makes an intent durable by Intend before it has its effect,
// and closes the intent with the row of how it ended. Like a change it is finished even
// if the caller goes away.
//
// The intent stays open, for somebody to settle, if the outcome is not known: next says
// so by fault.Error.OutcomeUnknown, fails for a reason of its own making after Intend,
// or the row cannot be written.
func (g *Guard) outside(ctx context.Context, caller *Caller, a Action, next func(context.Context) error, row func(error) audit.Entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), OutsideTimeout)
	defer cancel()
	intent, opened, failed := uuid.New(), false, error(nil)
	in := &intention{open: func(ctx context.Context) error {
		if opened || failed != nil {
			return errors.New("guard: an action has one intent")
		}
		ttl := OutsideTimeout + closeTimeout // more than is left, whatever was done before
		failed = g.Intents.OpenIntent(ctx, audit.Intent{ID: intent, Entry: row(nil)}, ttl)
		opened = failed == nil
		return failed
	}}
	outcome := g.run(context.WithValue(ctx, intentionKey{}, in), a, next)
	switch {
	case failed != nil:
		return g.answer(caller, audit.Entry{}, failed, nil)
	case !opened:
		e, err := g.Recorder.Record(row(outcome))
		return g.answer(caller, e, err, outcome)
	}
	if f := fault.From(outcome); f != nil && (f.OutcomeUnknown || f.Code == fault.Internal) {
		g.Logger.Warn("the outcome of an action is not known; its intent stays open", "action", a.Name, "intent", intent, "error", outcome)
		unknown := *f
		unknown.OutcomeUnknown = true
		return &unknown
	}
	closing, cancelClosing := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancelClosing()
	e, err := g.Intents.CloseIntent(closing, intent, row(outcome))
	if err != nil {
		err = errors.Join(audit.ErrOutcomeUnknown, err)
	}
	return g.answer(caller, e, err, outcome)
}

// settle closes the intents that were left open, each as exactly one row. It ends at
// the first that cannot be settled now: the next round begins with another.
func (g *Guard) settle(ctx context.Context) {
	for {
		i, ok, err := g.Intents.ClaimIntent(ctx, settleGrace, settleLease)
		if err != nil {
			g.Logger.Warn("open intents could not be looked for", "error", err)
		}
		if !ok || !g.settleOne(ctx, i) {
			return
		}
	}
}

func (g *Guard) settleOne(ctx context.Context, i audit.Intent) (settled bool) {
	done, err := false, ErrNeverKnown
	if g.Settler != nil {
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		done, err = g.Settler(asking, i.Entry)
	}
	e := i.Entry
	e.DurationMS = int(i.Age.Milliseconds())
	switch {
	case err != nil && !errors.Is(err, ErrNeverKnown):
		g.Logger.Warn("an open intent cannot be settled now", "action", e.Action, "intent", i.ID, "error", err)
		return false
	case err != nil:
		e.ResultCode = http.StatusGatewayTimeout
		e.Reason += "; settled late: the outcome is unknown"
	case done:
		e.Args = withSettled(e.Args)
		e.Reason += "; settled late: it was done"
	default:
		e.ResultCode = http.StatusGatewayTimeout
		e.Reason += "; settled late: it was not done"
	}
	closing, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	switch e, err := g.Intents.CloseIntent(closing, i.ID, e); {
	case err == nil:
		g.Logger.Warn("an intent left open was settled", "audit_id", e.ID, "action", e.Action, "result_code", e.ResultCode)
	case !errors.Is(err, audit.ErrIntentClosed):
		g.Logger.Warn("an open intent could not be closed", "error", err)
		return false
	}
	return true
}

// withSettled adds to redacted arguments that their row was written late.
func withSettled(args json.RawMessage) json.RawMessage {
	m := map[string]json.RawMessage{}
	if args != nil && json.Unmarshal(args, &m) != nil {
		return args
	}
	m["settled"] = json.RawMessage(`"late"`)
	b, err := json.Marshal(m)
	if err != nil {
		return args
	}
	return b
}
