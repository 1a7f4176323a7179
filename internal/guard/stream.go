package guard

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"halite/internal/every"
	"halite/internal/fault"
	"halite/internal/policy"
)

// recheckEvery is Config.Recheck where nothing else is asked for.
const recheckEvery = 10 * time.Second

// Stream is an action that goes on after the gate let it through, such as an export. It
// leaves two rows: one before its first byte, one at its end.
type Stream struct {
	guard  *Guard
	caller *Caller
	action Action
	began  int64 // the id of the first row
	start  time.Time
	ctx    context.Context
	cancel context.CancelCauseFunc
	check  *every.Task
}

// Begin decides like Do and, if the caller may, runs prepare and makes the first row
// durable before it returns. Reads of the log that are silenced are recorded all the same.
// Run must be called on a stream. a has the effect Read.
func (g *Guard) Begin(ctx context.Context, a Action, prepare func(context.Context) error) (*Stream, error) {
	s := &Stream{guard: g, caller: CallerOf(ctx), action: a, start: time.Now()}
	if named := a.Named; named != nil { // it is asked for at the gate, once
		a.Named = func(ctx context.Context) (resource string, err error) {
			s.action.Resource, err = named(ctx)
			return s.action.Resource, err
		}
	}
	var outcome *Outcome
	id, err := g.do(ctx, a, true, func(ctx context.Context) error {
		outcome = OutcomeOf(ctx)
		return prepare(ctx)
	})
	if err != nil {
		return nil, err
	}
	if outcome.Resource != "" {
		s.action.Resource = outcome.Resource
	}
	s.began = id
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	g.streams.add(s)
	if s.caller.Again != nil {
		s.check = every.Start(g.Recheck, s.recheck)
	}
	return s, nil
}

// Began is the id of the stream's first row.
func (s *Stream) Began() int64 { return s.began }

func (s *Stream) recheck(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, recheckEvery)
	defer cancel()
	p, err := s.caller.Again(ctx)
	switch f := (*fault.Error)(nil); {
	case s.ctx.Err() != nil: // at its end anyway
	case errors.As(err, &f):
		s.cancel(f)
	case err != nil:
		s.guard.Logger.Error("a stream ends: its session could not be looked up", "action", s.action.Name, "error", err)
		s.cancel(&fault.Error{Code: fault.AuditUnavailable, Message: "The session could not be looked up", RetryAfter: time.Second, Err: err})
	case s.action.Judge == nil:
		if v := Decide(p, s.action.Verb, s.action.Resource); !v.Allowed {
			s.cancel(fault.New(fault.Forbidden, "Forbidden"))
		}
	}
}

// Run calls next, which returns how many entries it handed out, and records how that ended
// as <action>.end. The context of next ends with the caller's, when the caller loses the
// session or the permission, when neither can be looked up, and when the server ends: what
// next returns then counts as the reason. Run returns the outcome once its row is durable.
func (s *Stream) Run(next func(ctx context.Context) (count int64, err error)) error {
	var count int64
	err := s.guard.run(s.ctx, s.action, func(ctx context.Context) (err error) {
		count, err = next(ctx)
		return err
	})
	if s.check != nil {
		s.check.Stop()
	}
	if cause := context.Cause(s.ctx); cause != nil && err != nil {
		err = cause
	}
	s.cancel(nil)
	s.guard.streams.remove(s)
	v := policy.Verdict{Allowed: true, Reason: "let through by entry " + strconv.FormatInt(s.began, 10)}
	if f, ok := errors.AsType[*fault.Error](err); ok && (f.Code == fault.Unauthenticated || f.Code == fault.Forbidden) {
		v = policy.Verdict{Reason: "ended: " + f.Message}
	}
	a := s.action
	a.Name += ".end"
	a.Args = map[string]any{"began": s.began, "count": count}
	e, rerr := s.guard.Recorder.Record(entry(s.caller, a, &Outcome{}, v, err, time.Since(s.start)))
	return s.guard.answer(s.caller, e, rerr, err)
}

// EndStreams ends the streams that are under way, and those that begin from now on: the
// server is about to end.
func (g *Guard) EndStreams() { g.streams.end() }

// streams are those under way.
type streams struct {
	mu     sync.Mutex
	ended  bool
	active map[*Stream]struct{}
}

func (l *streams) add(s *Stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active == nil {
		l.active = map[*Stream]struct{}{}
	}
	l.active[s] = struct{}{}
	if l.ended {
		s.cancel(errServerEnds)
	}
}

func (l *streams) remove(s *Stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.active, s)
}

func (l *streams) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for s := range l.active {
		s.cancel(errServerEnds)
	}
}

var errServerEnds = &fault.Error{Code: fault.AuditUnavailable, Message: "The server is being stopped", RetryAfter: time.Second}
