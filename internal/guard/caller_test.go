package guard_test

import (
	"context"
	"errors"
	"testing"

	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/policy"
)

// TestRenewed: another action on a connection is that of who the caller is by then.
func TestRenewed(t *testing.T) {
	t.Parallel()
	m := &memory{}
	g := newGuard(t, m, guard.Config{AuditReads: true})
	ctx, caller := as(t, principal(everything))
	caller.RequestID = "r"
	if err := g.Do(ctx, stream, nothing); err != nil {
		t.Fatal(err)
	}
	gone := errors.New("gone")
	for _, c := range []struct {
		again func() (*policy.Principal, error)
		code  fault.Code
		says  string
	}{
		{func() (*policy.Principal, error) { return principal(everything), nil }, "", ""},
		{func() (*policy.Principal, error) { return principal(), nil }, fault.Forbidden, "Forbidden"},
		{func() (*policy.Principal, error) { return nil, fault.New(fault.Unauthenticated, "Session expired") }, fault.Unauthenticated, "Session expired"},
	} {
		caller.Again = func(context.Context) (*policy.Principal, error) { return c.again() }
		now, err := caller.Renewed(ctx)
		if err != nil || len(now.Rows()) != 0 || now.RequestID != "r" {
			t.Fatalf("%+v, %v", now, err)
		}
		err = g.Do(guard.WithCaller(ctx, now), stream, nothing)
		if (err == nil) != (c.code == "") || err != nil && (fault.From(err).Code != c.code || fault.From(err).Message != c.says) {
			t.Errorf("%v, want %s", err, c.code)
		}
		if len(now.Rows()) != 1 || len(caller.Rows()) != 1 {
			t.Errorf("rows %v and %v", now.Rows(), caller.Rows())
		}
	}
	caller.Again = func(context.Context) (*policy.Principal, error) { return nil, gone }
	if _, err := caller.Renewed(ctx); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
}
