package guard_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"halite/internal/audit"
	"halite/internal/guard"
)

// TestRefused: what could not be recorded is counted, once, by its reason; a decision that
// was recorded is not.
func TestRefused(t *testing.T) {
	t.Parallel()
	m := &memory{}
	g := newGuard(t, m, guard.Config{AuditReads: true})
	do := func(a guard.Action, err error) {
		m.set(err)
		ctx, _ := as(t, principal(everything))
		a.Name, a.Verb, a.Resource = "x.y", "v", "x:y"
		_ = g.Do(ctx, a, func(context.Context) error { return nil })
	}
	do(guard.Action{}, nil)
	want := guard.Refused{}
	for _, c := range []struct {
		err error
		n   *int64
	}{
		{audit.ErrQueueFull, &want.QueueFull},
		{audit.ErrStopped, &want.Stopped},
		{fmt.Errorf("%w: no connection", audit.ErrUnavailable), &want.Unavailable},
		{errors.New("something else"), &want.Unavailable},
		{fmt.Errorf("%w: too much", audit.ErrRejected), &want.Rejected},
		{errors.Join(audit.ErrOutcomeUnknown, audit.ErrUnavailable), &want.OutcomeUnknown},
	} {
		for _, effect := range []guard.Effect{guard.Read, guard.Change} {
			do(guard.Action{Effect: effect}, c.err)
			*c.n++
			if got := g.Refused(); got != want {
				t.Errorf("after %v: %+v, want %+v", c.err, got, want)
			}
		}
	}
	do(guard.Action{Named: func(context.Context) (string, error) { return "", errors.New("no answer") }}, nil)
	want.Undecided++
	if got := g.Refused(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
