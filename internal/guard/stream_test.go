package guard_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/policy"
)

var stream = guard.Action{Name: "audit.export", Verb: "export", Resource: "audit:*", Args: map[string]any{"format": "csv"}}

func nothing(context.Context) error { return nil }

// told is what of the rows the tests of streams look at.
func told(m *memory) (out []string) {
	for _, e := range m.rows {
		out = append(out, fmt.Sprintf("%s %s %s %d %s: %s", e.Action, e.Resource, e.Decision, e.ResultCode, e.Args, e.Reason))
	}
	return out
}

// TestStream: a stream has a row before its first byte and one at its end, whatever ends
// it, reads that are silenced included.
func TestStream(t *testing.T) {
	t.Parallel()
	const begin = `audit.export audit:* allow 200 {"format":"csv"}: allowed by role r: * *`
	for _, c := range []struct {
		name  string
		next  func(ctx context.Context, cancel func()) (int64, error)
		end   string
		fails fault.Code
	}{
		{
			name: "complete", next: func(context.Context, func()) (int64, error) { return 7, nil },
			end: `allow 200 {"began":1,"count":7}`,
		},
		{
			name: "fails", next: func(context.Context, func()) (int64, error) { return 3, errors.New("disk") },
			end: `allow 500 {"began":1,"count":3}`, fails: fault.Internal,
		},
		{
			name: "panics", next: func(context.Context, func()) (int64, error) { panic("oh") },
			end: `allow 500 {"began":1,"count":0}`, fails: fault.Internal,
		},
		{
			name: "the caller goes away", next: func(ctx context.Context, cancel func()) (int64, error) {
				cancel()
				<-ctx.Done()
				return 1, errors.New("write: broken pipe")
			},
			end: `allow 499 {"began":1,"count":1}`, fails: fault.Internal,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := &memory{}
			g := newGuard(t, m, guard.Config{})
			ctx, caller := as(t, principal(everything))
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			s, err := g.Begin(ctx, stream, nothing)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{begin}, told(m)); diff != "" || s.Began() != 1 {
				t.Errorf("before the first byte, -want +got\n%s", diff)
			}
			err = s.Run(func(ctx context.Context) (int64, error) { return c.next(ctx, cancel) })
			if (err == nil) != (c.fails == "") || err != nil && fault.From(err).Code != c.fails {
				t.Errorf("it ends with %v", err)
			}
			want := []string{begin, "audit.export.end audit:* " + c.end + ": let through by entry 1"}
			if diff := cmp.Diff(want, told(m)); diff != "" || len(caller.Rows()) != 2 {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestStreamIsRefused: what is not let through, or cannot be prepared or recorded, is no
// stream, and leaves the row that Do would.
func TestStreamIsRefused(t *testing.T) {
	t.Parallel()
	m := &memory{}
	g := newGuard(t, m, guard.Config{})
	nobody, _ := as(t, nil)
	viewer, _ := as(t, principal(policy.Permission{Verb: "view", ResourceGlob: "*"}))
	admin, _ := as(t, principal(everything))
	for _, c := range []struct {
		ctx     context.Context
		prepare func(context.Context) error
		code    fault.Code
	}{
		{nobody, nothing, fault.Unauthenticated},
		{viewer, nothing, fault.Forbidden},
		{admin, func(context.Context) error { return fault.New(fault.BadUserInput, "no") }, fault.BadUserInput},
		{admin, func(context.Context) error { m.set(errors.New("gone")); return nil }, fault.AuditUnavailable},
	} {
		if _, err := g.Begin(c.ctx, stream, c.prepare); err == nil || fault.From(err).Code != c.code {
			t.Errorf("%v, want %s", err, c.code)
		}
	}
	want := []string{
		`audit.export audit:* deny 401 {"format":"csv"}: not authenticated`,
		`audit.export audit:* deny 403 {"format":"csv"}: no match among 1 permission of role r`,
		`audit.export audit:* allow 422 {"format":"csv"}: allowed by role r: * *`,
	}
	if diff := cmp.Diff(want, told(m)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestStreamIsLookedAtAgain: within ten seconds a stream ends whose caller lost the session
// or the permission, or can no longer be looked up, and its last row says so.
func TestStreamIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		again func() (*policy.Principal, error)
		code  fault.Code
		end   string
	}{
		{
			"the permission", func() (*policy.Principal, error) { return principal(), nil },
			fault.Forbidden, `deny 403 {"began":1,"count":2}: ended: Forbidden`,
		},
		{
			"the session", func() (*policy.Principal, error) { return nil, fault.New(fault.Unauthenticated, "Session expired") },
			fault.Unauthenticated, `deny 401 {"began":1,"count":2}: ended: Session expired`,
		},
		{
			"the database", func() (*policy.Principal, error) { return nil, errors.New("gone") },
			fault.AuditUnavailable, `allow 503 {"began":1,"count":2}: let through by entry 1`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := &memory{}
				g := newGuard(t, m, guard.Config{})
				ctx, caller := as(t, principal(everything))
				var lost atomic.Bool
				caller.Again = func(context.Context) (*policy.Principal, error) {
					if lost.Load() {
						return c.again()
					}
					return principal(everything), nil
				}
				s, err := g.Begin(ctx, stream, nothing)
				if err != nil {
					t.Fatal(err)
				}
				err = s.Run(func(ctx context.Context) (int64, error) {
					time.Sleep(25 * time.Second)
					if ctx.Err() != nil {
						t.Error("it ended although nothing was lost")
					}
					lost.Store(true)
					at := time.Now()
					<-ctx.Done()
					if took := time.Since(at); took > 10*time.Second {
						t.Errorf("it ended after %v", took)
					}
					return 2, ctx.Err()
				})
				if fault.From(err).Code != c.code {
					t.Errorf("it ends with %v", err)
				}
				if diff := cmp.Diff("audit.export.end audit:* "+c.end, told(m)[1]); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		})
	}
}

// TestStreamIsLookedAtAgainByName: whose permission is for what a stream reads, and no more,
// keeps a stream whose resource is looked up, and its last row names it.
func TestStreamIsLookedAtAgainByName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		g := newGuard(t, m, guard.Config{})
		may := principal(policy.Permission{Verb: "export", ResourceGlob: "audit:*"})
		ctx, caller := as(t, may)
		caller.Again = func(context.Context) (*policy.Principal, error) { return may, nil }
		named := stream
		named.Resource, named.Named = "", func(context.Context) (string, error) { return "audit:*", nil }
		s, err := g.Begin(ctx, named, nothing)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Run(func(ctx context.Context) (int64, error) {
			time.Sleep(25 * time.Second)
			return 2, ctx.Err()
		})
		if err != nil {
			t.Errorf("it ends with %v", err)
		}
		if diff := cmp.Diff(`audit.export.end audit:* allow 200 {"began":1,"count":2}: let through by entry 1`, told(m)[1]); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// TestEndStreams: a server that ends takes its streams with it, those that are about to
// begin too.
func TestEndStreams(t *testing.T) {
	t.Parallel()
	m := &memory{}
	g := newGuard(t, m, guard.Config{})
	ctx, _ := as(t, principal(everything))
	for range 2 {
		s, err := g.Begin(ctx, stream, nothing)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Run(func(ctx context.Context) (int64, error) {
			g.EndStreams()
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if e := m.last(t); fault.From(err).Code != fault.AuditUnavailable || e.ResultCode != 503 || e.Decision != audit.Allow {
			t.Errorf("%v, %+v", err, e)
		}
	}
}
