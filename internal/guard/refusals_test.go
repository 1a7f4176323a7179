package guard_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/pgtest"
	"halite/internal/policy"
)

// knock asks once from an address and says what the answer was.
func knock(t *testing.T, g *guard.Guard, address string, p *policy.Principal) *fault.Error {
	t.Helper()
	ctx := guard.WithCaller(t.Context(), &guard.Caller{Principal: p, Problem: "Not authenticated", SourceIP: address})
	return fault.From(g.Do(ctx, guard.Action{Name: "audit.list", Verb: "view", Resource: "audit:*"}, func(context.Context) error { return nil }))
}

// TestRefusalsAreLimited: 60 a minute and address are recorded one by one, the rest is
// counted in one row when the window has ended.
func TestRefusalsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		g := guard.New(guard.Config{Recorder: m, Changer: m, Logger: pgtest.Quiet, AuditReads: true, Refusals: 60})
		defer g.Stop()
		count := func(n int, address string) (refused, limited int) {
			for range n {
				switch f := knock(t, g, address, nil); {
				case f.Code == fault.Unauthenticated && f.AuditID != 0:
					refused++
				case f.Code == fault.RateLimited && f.AuditID == 0 && f.RetryAfter > 0 && f.RetryAfter <= time.Minute:
					limited++
				default:
					t.Errorf("answered %+v", f)
				}
			}
			return refused, limited
		}
		if refused, limited := count(100, "192.0.2.1"); refused != 60 || limited != 40 {
			t.Errorf("%d refused, %d limited", refused, limited)
		}
		// Another address, and another /64, have their own bound; one /64 is one address,
		// and so is IPv4 inside IPv6.
		for _, c := range []struct {
			address          string
			refused, limited int
		}{
			{"192.0.2.2", 1, 0}, {"::ffff:192.0.2.1", 0, 1}, {"2001:db8:0:1::1", 1, 0},
		} {
			if refused, limited := count(1, c.address); refused != c.refused || limited != c.limited {
				t.Errorf("%s: %d refused, %d limited", c.address, refused, limited)
			}
		}
		refused, limited := 0, 0
		for i := range 99 {
			r, l := count(1, fmt.Sprintf("2001:db8:0:1:%x::%x", i, i+7))
			refused, limited = refused+r, limited+l
		}
		if refused != 59 || limited != 40 {
			t.Errorf("a /64: %d refused, %d limited", refused, limited)
		}
		if refused, limited := count(1, "2001:db8:0:2::1"); refused != 1 || limited != 0 {
			t.Errorf("the next /64: %d refused, %d limited", refused, limited)
		}
		// Who is signed in always gets his row.
		for range 100 {
			if f := knock(t, g, "192.0.2.1", principal()); f.Code != fault.Forbidden || f.AuditID == 0 {
				t.Fatalf("answered %+v", f)
			}
		}
		before := m.count()
		time.Sleep(2 * time.Minute) // of the bubble's own clock
		synctest.Wait()
		got := map[string]audit.Entry{}
		for _, e := range m.rows[before:] {
			got[e.SourceIP] = e
		}
		row := func(id int64, address string, turned int) audit.Entry {
			return audit.Entry{
				ID: id, Action: "http.rate_limit", Resource: "address:" + address, Decision: audit.Deny, ResultCode: 429,
				Reason: "too many refusals without a session", SourceIP: address,
				Args: fmt.Appendf(nil, `{"address":%q,"turned_away":%d,"window_s":60}`, address, turned),
			}
		}
		want := map[string]audit.Entry{
			"192.0.2.1":         row(got["192.0.2.1"].ID, "192.0.2.1", 41),
			"2001:db8:0:1::/64": row(got["2001:db8:0:1::/64"].ID, "2001:db8:0:1::/64", 40),
		}
		if diff := cmp.Diff(want, got); diff != "" || len(m.rows) != before+2 {
			t.Errorf("%d rows of windows, -want +got\n%s", len(m.rows)-before, diff)
		}
		// A new window is a new bound.
		if refused, limited := count(61, "192.0.2.1"); refused != 60 || limited != 1 {
			t.Errorf("the next window: %d refused, %d limited", refused, limited)
		}
		// Stop writes what is still open.
		before = len(m.rows)
		g.Stop()
		if len(m.rows) != before+1 || string(m.last(t).Args) != `{"address":"192.0.2.1","turned_away":1,"window_s":60}` {
			t.Errorf("Stop left %+v", m.rows[before:])
		}
	})
}

// TestWindowThatCannotBeRecorded: a count is not lost because the log could not be
// written for a while.
func TestWindowThatCannotBeRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		g := guard.New(guard.Config{Recorder: m, Changer: m, Logger: pgtest.Quiet, AuditReads: true, Refusals: 1})
		defer g.Stop()
		for range 5 {
			knock(t, g, "192.0.2.1", nil)
		}
		m.set(errors.New("database gone"))
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		m.set(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(m.rows) != 2 || string(m.last(t).Args) != `{"address":"192.0.2.1","turned_away":4,"window_s":60}` {
			t.Errorf("rows %+v", m.rows)
		}
	})
}
