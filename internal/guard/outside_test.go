package guard_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/pgtest"
)

func onDatabase(t *testing.T, d *db.DB, intents audit.Intents) *guard.Guard {
	t.Helper()
	r := audit.NewRecorder(d, audit.DefaultQueue, pgtest.Quiet)
	t.Cleanup(r.Stop)
	g := guard.New(guard.Config{Recorder: r, Changer: d, Intents: intents, Logger: pgtest.Quiet, Refusals: 60, AuditReads: true})
	t.Cleanup(g.Stop)
	return g
}

var accept = guard.Action{
	Name: "key.accept", Verb: "accept", Resource: "key:web-01", Effect: guard.Outside, Success: 204,
	Args: map[string]any{"id": "web-01", "token": "hidden"},
}

func rows(t *testing.T, d *db.DB) []audit.Entry {
	t.Helper()
	p, err := d.List(t.Context(), audit.Query{Limit: 100, Counted: true})
	if err != nil {
		t.Fatal(err)
	}
	return p.Entries
}

// TestOutside: the intent is durable while the effect happens, and gone with the row.
func TestOutside(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	d := pgtest.OpenURL(t, url)
	g := onDatabase(t, d, d)
	look := pgtest.Conn(t, url, "halite")
	intents := func() (n int, args string) {
		if err := look.QueryRow(t.Context(), "SELECT count(*), coalesce(max(args_json::text), '') FROM audit_intents").Scan(&n, &args); err != nil {
			t.Fatal(err)
		}
		return n, args
	}
	for _, c := range []struct {
		name    string
		outcome error
		code    int
	}{
		{"done", nil, 204},
		{"failed", fault.New(fault.SaltError, "Salt says no"), 502},
	} {
		ctx, caller := as(t, principal(everything))
		ctx, goAway := context.WithCancel(ctx)
		err := g.Do(ctx, accept, func(ctx context.Context) error {
			goAway() // the effect is finished all the same
			if n, args := intents(); n != 1 || strings.Contains(args, "hidden") || !strings.Contains(args, "web-01") {
				t.Errorf("%s: %d intents while it happens, with %s", c.name, n, args)
			}
			return errors.Join(ctx.Err(), c.outcome)
		})
		if (err == nil) != (c.outcome == nil) || err != nil && fault.From(err).Code != fault.SaltError {
			t.Errorf("%s: answered %v", c.name, err)
		}
		if n, _ := intents(); n != 0 {
			t.Errorf("%s: %d intents afterwards", c.name, n)
		}
		last := rows(t, d)[0]
		if last.Decision != audit.Allow || last.ResultCode != c.code || last.Username != "alice" || len(caller.Rows()) != 1 || caller.Rows()[0] != last.ID {
			t.Errorf("%s: row %+v, caller was told %v", c.name, last, caller.Rows())
		}
	}
	if n := len(rows(t, d)); n != 2 {
		t.Errorf("%d rows, want one for each", n)
	}
	ctx, _ := as(t, principal())
	if err := g.Do(ctx, accept, func(context.Context) error { t.Error("ran though denied"); return nil }); fault.From(err).Code != fault.Forbidden {
		t.Errorf("denied: %v", err)
	}
}

// TestIntentsLeftOpen: whatever a crash left open is closed as exactly one row, by one
// of the servers that try at once; what is not due is left alone.
func TestIntentsLeftOpen(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	servers := []*db.DB{pgtest.OpenURL(t, url), pgtest.OpenURL(t, url)}
	const left = 10
	for range left {
		i := audit.Intent{ID: uuid.New(), Entry: audit.Entry{Action: "key.accept", Resource: "key:web-01", Reason: "allowed", Username: "alice"}}
		if err := servers[0].OpenIntent(t.Context(), i, -time.Second); err != nil {
			t.Fatal(err)
		}
	}
	young := audit.Intent{ID: uuid.New(), Entry: audit.Entry{Action: "job.kill", Resource: "job:1"}}
	if err := servers[0].OpenIntent(t.Context(), young, time.Hour); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, d := range servers {
		g := onDatabase(t, d, d)
		wg.Go(func() { guard.Settle(g, t.Context()) })
	}
	wg.Wait()
	got := rows(t, servers[0])
	if len(got) != left {
		t.Errorf("%d rows for %d intents", len(got), left)
	}
	for _, e := range got {
		if e.Action != "key.accept" || e.Decision != audit.Allow || e.ResultCode != 504 || e.Username != "alice" || !strings.Contains(e.Reason, "outcome unknown") {
			t.Errorf("row %+v", e)
		}
	}
	if _, err := servers[1].CloseIntent(t.Context(), young.ID, audit.Entry{Action: "job.kill", Resource: "job:1"}); err != nil {
		t.Errorf("an intent that was not due: %v", err)
	}
	if _, err := servers[1].CloseIntent(t.Context(), young.ID, audit.Entry{Action: "job.kill", Resource: "job:1"}); !errors.Is(err, audit.ErrIntentClosed) {
		t.Errorf("closed twice: %v", err)
	}
}

// broken fails to open, or to close.
type broken struct {
	audit.Intents
	open bool
}

func (b broken) OpenIntent(ctx context.Context, i audit.Intent, ttl time.Duration) error {
	if b.open {
		return b.Intents.OpenIntent(ctx, i, -time.Second)
	}
	return audit.ErrUnavailable
}

func (broken) CloseIntent(context.Context, uuid.UUID, audit.Entry) (audit.Entry, error) {
	return audit.Entry{}, audit.ErrUnavailable
}

// TestOutsideUnrecorded: without an intent nothing is done; without its row it is said
// that the outcome is unknown, and the intent stays for somebody to settle.
func TestOutsideUnrecorded(t *testing.T) {
	t.Parallel()
	d := pgtest.Open(t)
	ctx, _ := as(t, principal(everything))
	err := onDatabase(t, d, broken{Intents: d}).Do(ctx, accept, func(context.Context) error { t.Error("done without an intent"); return nil })
	if f := fault.From(err); f.Code != fault.AuditUnavailable || f.OutcomeUnknown {
		t.Errorf("no intent: %+v", f)
	}
	err = onDatabase(t, d, broken{Intents: d, open: true}).Do(ctx, accept, func(context.Context) error { return nil })
	if f := fault.From(err); f.Code != fault.AuditUnavailable || !f.OutcomeUnknown {
		t.Errorf("not closed: %+v", f)
	}
	guard.Settle(onDatabase(t, d, d), t.Context())
	if got := rows(t, d); len(got) != 1 || got[0].ResultCode != 504 {
		t.Errorf("settled as %+v", got)
	}
}
