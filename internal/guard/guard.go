// Package guard is the one gate: it decides, records and enforces in one call, and no
// caller can have one without the other.
//
// The answer leaves after the row is durable. If the row cannot be written, the
// caller gets fault.AuditUnavailable and the action is not done.
package guard

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"halite/internal/audit"
	"halite/internal/every"
	"halite/internal/fault"
	"halite/internal/limit"
	"halite/internal/policy"
)

// Effect says how an action and its row are tied together.
type Effect int

const (
	// Read has no effect: the action runs, then its row is written, then it answers.
	Read Effect = iota
	// Change is in our own database: it commits in one transaction with its row.
	Change
	// Outside is elsewhere: a durable intent precedes it (Intend), and is closed with its row.
	Outside
)

// Action is one question put to the gate.
type Action struct {
	Name     string // as it is recorded, such as audit.list
	Verb     string // what is checked
	Resource string // the concrete object, namespace:name
	// Named gives Resource where it has to be looked up first. It is called before the
	// decision, and not for a caller who is turned away. Its error means that no decision
	// could be made.
	Named  func(ctx context.Context) (string, error)
	Args   map[string]any // recorded redacted; never altered
	Effect Effect
	// Changer runs a change that needs more than the others may. Nil: the guard's.
	Changer Changer
	Success int // the result code if nothing fails; 0 = 200
	// Judge decides. Nil: the principal's permissions do (package policy), and a
	// password that must be changed is changed first.
	Judge Judge
	// Anonymous actions may be asked for without a principal. They have a Judge.
	Anonymous bool
}

// Judge decides by other means than permissions. A refusal is a *fault.Error beside a
// verdict that is not allowed; any other error means that no decision could be made.
type Judge func(ctx context.Context) (policy.Verdict, error)

// SignedIn is the Judge of what every principal may do to himself.
func SignedIn(context.Context) (policy.Verdict, error) {
	return policy.Verdict{Allowed: true, Reason: "signed in"}, nil
}

// Allowed is the Judge of what needs no permission because of who asks, such as whoever
// runs the server's own commands: reason says so in the row.
func Allowed(reason string) Judge {
	return func(context.Context) (policy.Verdict, error) {
		return policy.Verdict{Allowed: true, Reason: reason}, nil
	}
}

// Recorder makes one entry durable. *audit.Recorder is one.
type Recorder interface {
	Record(e audit.Entry) (audit.Entry, error)
}

// Changer runs a change and its row in one transaction. *db.DB is one.
type Changer interface {
	Change(ctx context.Context, change func(context.Context) error, row func(error) audit.Entry) (audit.Entry, error)
}

const changeTimeout = 15 * time.Second // for a change and its row

// statusClientClosed is recorded when the caller went away before the action ended.
const statusClientClosed = 499

// Config is what a Guard needs.
type Config struct {
	Recorder Recorder
	Changer  Changer
	Intents  audit.Intents
	Settler  Settler // asks what became of effects; nil = nobody can be asked
	Logger   *slog.Logger
	// AuditReads false silences allowed reads of the log itself. Denials never.
	AuditReads bool
	// Recheck is how often a stream looks whether its caller may still have it; 0 = every ten
	// seconds.
	Recheck time.Duration
	// Refusals is how many refusals without a principal are recorded per minute and
	// address; beyond it they are turned away before the gate and counted.
	Refusals int
}

// Guard is the gate. It is safe for concurrent use.
type Guard struct {
	Config
	refusals *limit.Counter
	turned   []limit.Turned // windows that could not be recorded yet; the sweeper's
	sweeper  *every.Task
	settler  *every.Task // nil: there are no intents

	streams streams
	refused refused
}

// New returns a guard. Stop ends what it does in the background.
func New(cfg Config) *Guard {
	if cfg.Recheck == 0 {
		cfg.Recheck = recheckEvery
	}
	g := &Guard{Config: cfg, refusals: limit.New(cfg.Refusals, refusalWindow, time.Now)}
	g.sweeper = every.Start(sweepEvery, func(context.Context) { g.sweep(false) })
	if g.Intents != nil {
		g.settler = every.Start(settleEvery, g.settle)
	}
	return g
}

// Stop writes the counts of the windows that are open and ends the background work.
// It is called while the recorder still runs.
func (g *Guard) Stop() {
	if g.settler != nil {
		g.settler.Stop()
	}
	g.sweeper.Stop()
	g.sweep(true)
}

// Do decides whether the caller in ctx may do a, runs next if so, and records the
// decision and how it ended. It returns nil if next did, once the row is durable. A
// fault.Forbidden of next is a decision too, taken on what only the action could see:
// it is recorded as deny, with its message, redacted, for the reason.
// Errors are *fault.Error with the row's id where one was written; those of next keep
// their code. With Effect Change, next runs inside the transaction of the row and must
// use the context it is given.
func (g *Guard) Do(ctx context.Context, a Action, next func(context.Context) error) error {
	_, err := g.do(ctx, a, g.AuditReads || !strings.HasPrefix(a.Name, "audit."), next)
	return err
}

// do is Do. It returns the id of the row too, 0 if there is none: an allowed read leaves
// one if reads says so.
func (g *Guard) do(ctx context.Context, a Action, reads bool, next func(context.Context) error) (id int64, err error) {
	start := time.Now()
	caller := CallerOf(ctx)
	if caller.Principal == nil && !a.Anonymous {
		if err := g.turnAway(caller); err != nil {
			return 0, err
		}
	}
	o := &Outcome{}
	ctx = context.WithValue(ctx, outcomeKey{}, o)
	if a.Named != nil {
		resource, err := a.Named(ctx)
		if err != nil {
			return 0, g.undecided(a, err)
		}
		a.Resource = resource
	}
	verdict, err := g.judge(ctx, caller, a)
	refusal := (*fault.Error)(nil)
	if err != nil {
		var ok bool
		if refusal, ok = errors.AsType[*fault.Error](err); !ok || verdict.Allowed {
			return 0, g.undecided(a, err)
		}
	}
	row := func(err error) audit.Entry { return entry(caller, a, o, verdict, err, time.Since(start)) }

	if !verdict.Allowed {
		e, err := g.Recorder.Record(row(refusal))
		return e.ID, g.answer(caller, e, err, refusal)
	}
	switch a.Effect {
	case Change:
		return 0, g.change(ctx, caller, a, next, row)
	case Outside:
		return 0, g.outside(ctx, caller, a, next, row)
	case Read:
	}
	err = g.run(ctx, a, next)
	if !reads {
		return 0, err
	}
	e, rerr := g.Recorder.Record(row(err))
	return e.ID, g.answer(caller, e, rerr, err)
}

// undecided is the answer where the question itself failed: there is nothing to record.
func (g *Guard) undecided(a Action, err error) error {
	g.refused.undecided.Add(1)
	g.Logger.Error("no decision could be made", "action", a.Name, "error", err)
	return &fault.Error{Code: fault.AuditUnavailable, Message: "No decision could be made", RetryAfter: time.Second, Err: err}
}

func (g *Guard) judge(ctx context.Context, caller *Caller, a Action) (policy.Verdict, error) {
	p := caller.Principal
	switch {
	case p == nil && !a.Anonymous:
		return policy.Verdict{Reason: strings.ToLower(caller.Problem)}, fault.New(fault.Unauthenticated, caller.Problem)
	case a.Judge != nil:
		return a.Judge(ctx)
	}
	v := Decide(p, a.Verb, a.Resource)
	switch {
	case v.Allowed:
		return v, nil
	case p.MustChangePassword:
		return v, fault.New(fault.Forbidden, "The password must be changed first")
	}
	return v, fault.New(fault.Forbidden, "Forbidden")
}

// Decide says whether p may use verb on resource, and why: what p's permissions say, but
// that a password that must be changed is changed first.
func Decide(p *policy.Principal, verb, resource string) policy.Verdict {
	if p.MustChangePassword {
		return policy.Verdict{Reason: "the password must be changed first"}
	}
	return policy.Decide(p, verb, resource)
}

// change runs next and the row in one transaction. It is not tied to the caller's
// staying: what was begun is finished.
func (g *Guard) change(ctx context.Context, caller *Caller, a Action, next func(context.Context) error, row func(error) audit.Entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	changer := g.Changer
	if a.Changer != nil {
		changer = a.Changer
	}
	var cerr error
	e, err := changer.Change(ctx, func(ctx context.Context) error {
		cerr = g.run(ctx, a, next)
		return cerr
	}, row)
	return g.answer(caller, e, err, cerr)
}

// run calls next; a panic becomes an error, so that its row is still written.
func (g *Guard) run(ctx context.Context, a Action, next func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			g.Logger.Error("panic behind the gate", "action", a.Name, "panic", p, "stack", string(debug.Stack()))
			err = fault.From(errors.New("panic behind the gate"))
		}
	}()
	return next(ctx)
}

// answer is what the caller gets: the outcome if its row is durable, else why not.
func (g *Guard) answer(caller *Caller, e audit.Entry, recordErr, outcome error) error {
	if recordErr != nil {
		g.refused.count(recordErr)
		g.Logger.Error("decision not recorded: the action is refused", "error", recordErr)
		f := &fault.Error{Code: fault.AuditUnavailable, Message: "The audit log is unavailable: nothing was done", RetryAfter: time.Second, Err: recordErr}
		if errors.Is(recordErr, audit.ErrOutcomeUnknown) {
			f.OutcomeUnknown = true
			f.Message = "The audit log did not answer in time: it is not known whether this was done"
		}
		return f
	}
	caller.left(e.ID)
	if outcome == nil {
		return nil
	}
	f := *fault.From(outcome)
	f.AuditID = e.ID
	if f.Code == fault.Internal && !errors.Is(outcome, context.Canceled) { // the caller has gone
		g.Logger.Error("action failed", "audit_id", e.ID, "error", outcome)
	}
	return &f
}

func entry(caller *Caller, a Action, o *Outcome, v policy.Verdict, err error, took time.Duration) audit.Entry {
	e := audit.Entry{
		Action: a.Name, Verb: a.Verb, Resource: audit.RedactText(a.Resource), Reason: v.Reason, Decision: audit.Deny,
		Username: caller.Name, RequestID: caller.RequestID, SourceIP: caller.SourceIP,
		UserAgent: audit.RedactText(caller.UserAgent), ResultCode: http.StatusOK, DurationMS: int(took.Milliseconds()),
	}
	if v.Allowed {
		e.Decision = audit.Allow
	}
	if p := caller.Principal; p != nil {
		e.UserID, e.Username = uuid.NullUUID{UUID: p.UserID, Valid: true}, p.Username
	}
	args := a.Args
	if a.Success != 0 {
		e.ResultCode = a.Success
	}
	if v.Allowed {
		if o.UserID.Valid {
			e.UserID, e.Username = o.UserID, o.Username
		}
		if o.Resource != "" {
			e.Resource = audit.RedactText(o.Resource)
		}
		if o.Args != nil {
			args = o.Args
		}
		e.SaltJID = o.SaltJID
		if o.ResultCode != 0 {
			e.ResultCode = o.ResultCode
		}
		if err == nil {
			args = o.changed(args)
		}
	}
	e.Args = encodeArgs(args)
	switch f := fault.From(err); {
	case err == nil:
	case errors.Is(err, context.Canceled):
		e.ResultCode = statusClientClosed
	default:
		e.ResultCode = f.HTTPStatus()
		if v.Allowed && f.Code == fault.Forbidden { // what only the action could see forbids it
			e.Decision, e.Reason = audit.Deny, audit.RedactText(f.Message)
		}
	}
	return e
}

// changed returns args with what the change found and left.
func (o *Outcome) changed(args map[string]any) map[string]any {
	if o.Before == nil && o.After == nil {
		return args
	}
	out := maps.Clone(args)
	if out == nil {
		out = map[string]any{}
	}
	if o.Before != nil {
		out["before"] = o.Before
	}
	if o.After != nil {
		out["after"] = o.After
	}
	return out
}

func encodeArgs(args map[string]any) json.RawMessage {
	if args == nil {
		return nil
	}
	b, err := json.Marshal(audit.Redact(args))
	if err != nil { // Redact returns what can be marshalled
		return json.RawMessage(`{"_unreadable": true}`)
	}
	return b
}
