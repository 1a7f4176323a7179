package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

// settling is a guard whose settler answers as told. It has no rounds of its own: the
// test calls them.
func settling(t *testing.T, d *db.DB, s guard.Settler) *guard.Guard {
	t.Helper()
	r := audit.NewRecorder(d, audit.DefaultQueue, pgtest.Quiet)
	t.Cleanup(r.Stop)
	g := guard.New(guard.Config{Recorder: r, Changer: d, Intents: d, Settler: s, Logger: pgtest.Quiet, Refusals: 60})
	g.Stop() // the background alone
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
	intents := func() (n int, args, jid string) {
		const sql = "SELECT count(*), coalesce(max(args_json::text), ''), coalesce(max(salt_jid), '') FROM audit_intents"
		if err := look.QueryRow(t.Context(), sql).Scan(&n, &args, &jid); err != nil {
			t.Fatal(err)
		}
		return n, args, jid
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
			if n, _, _ := intents(); n != 0 {
				t.Errorf("%s: %d intents before anything is begun", c.name, n)
			}
			guard.OutcomeOf(ctx).SaltJID = "20260102030405678901"
			if err := guard.Intend(ctx); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if err := guard.Intend(ctx); err == nil {
				t.Errorf("%s: a second intent", c.name)
			}
			if n, args, jid := intents(); n != 1 || strings.Contains(args, "hidden") || !strings.Contains(args, "web-01") || jid != "20260102030405678901" {
				t.Errorf("%s: %d intents while it happens, with %s, %s", c.name, n, args, jid)
			}
			return errors.Join(ctx.Err(), c.outcome)
		})
		if (err == nil) != (c.outcome == nil) || err != nil && fault.From(err).Code != fault.SaltError {
			t.Errorf("%s: answered %v", c.name, err)
		}
		if n, _, _ := intents(); n != 0 {
			t.Errorf("%s: %d intents afterwards", c.name, n)
		}
		last := rows(t, d)[0]
		if last.Decision != audit.Allow || last.ResultCode != c.code || last.Username != "alice" || len(caller.Rows()) != 1 || caller.Rows()[0] != last.ID {
			t.Errorf("%s: row %+v, caller was told %v", c.name, last, caller.Rows())
		}
	}
	// What fails before anything is begun needs no intent.
	ctx, _ := as(t, principal(everything))
	if err := g.Do(ctx, accept, func(context.Context) error { return fault.Input("id", "is a pattern") }); fault.From(err).AuditID != 3 {
		t.Errorf("bad input: %v", err)
	}
	if last := rows(t, d)[0]; last.ID != 3 || last.ResultCode != 422 {
		t.Errorf("bad input: row %+v", last)
	}
	ctx, _ = as(t, principal())
	if err := g.Do(ctx, accept, func(context.Context) error { t.Error("ran though denied"); return nil }); fault.From(err).Code != fault.Forbidden {
		t.Errorf("denied: %v", err)
	}
	if err := guard.Intend(t.Context()); err == nil {
		t.Error("an intent without an action")
	}
}

// TestOutcomeUnknown: an intent whose outcome nobody knows stays open, without a row,
// and the caller is told so.
func TestOutcomeUnknown(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func() error{
		"said so": func() error {
			return &fault.Error{Code: fault.SaltUnavailable, Message: "No answer", OutcomeUnknown: true}
		},
		"an error": func() error { return errors.New("boom") },
		"a panic":  func() error { panic("boom") },
	} {
		d := pgtest.Open(t)
		g := onDatabase(t, d, d)
		ctx, caller := as(t, principal(everything))
		err := g.Do(ctx, accept, func(ctx context.Context) error {
			if err := guard.Intend(ctx); err != nil {
				t.Error(err)
			}
			return next()
		})
		if f := fault.From(err); f == nil || !f.OutcomeUnknown || f.AuditID != 0 || len(caller.Rows()) != 0 {
			t.Errorf("%s: answered %+v, rows %v", name, f, caller.Rows())
		}
		open, err := d.OpenIntents(t.Context(), 10)
		if err != nil || len(open) != 1 || len(rows(t, d)) != 0 {
			t.Errorf("%s: open %v, %v, rows %v", name, open, err, rows(t, d))
		}
	}
}

const late = -settleGrace - time.Second // the time to live of an intent that is due

// settleGrace is the guard's.
const settleGrace = 200 * time.Second

// TestSettle: what was left open is closed as exactly one row that says what became of
// it, by one of the servers that try at once; what is not due, or cannot be asked for
// now, is left alone.
func TestSettle(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	servers := []*db.DB{pgtest.OpenURL(t, url), pgtest.OpenURL(t, url)}
	open := func(action string, ttl time.Duration) uuid.UUID {
		i := audit.Intent{ID: uuid.New(), Entry: audit.Entry{
			Action: action, Resource: "key:web-01", Reason: "allowed", Username: "alice", SaltJID: "1", ResultCode: 204, Args: json.RawMessage(`{"id":"web-01"}`),
		}}
		if err := servers[0].OpenIntent(t.Context(), i, ttl); err != nil {
			t.Fatal(err)
		}
		return i.ID
	}
	const each = 5
	for range each {
		open("done", late)
		open("not done", late)
		open("never known", late)
	}
	open("not due", -settleGrace+time.Minute)
	var mu sync.Mutex
	asked := map[string]int{}
	settler := func(_ context.Context, e audit.Entry) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		asked[e.Action]++
		if e.Action == "never known" {
			return false, guard.ErrNeverKnown
		}
		return e.Action == "done", nil
	}
	var wg sync.WaitGroup
	for _, d := range servers {
		g := settling(t, d, settler)
		wg.Go(func() { guard.Settle(g, t.Context()) })
	}
	wg.Wait()
	if diff := cmp.Diff(map[string]int{"done": each, "not done": each, "never known": each}, asked); diff != "" {
		t.Errorf("asked, -want +got\n%s", diff)
	}
	got := map[string]int{}
	for _, e := range rows(t, servers[0]) {
		if e.Decision != audit.Allow || e.Username != "alice" || e.SaltJID != "1" || e.DurationMS > 60_000 {
			t.Errorf("row %+v", e)
		}
		got[fmt.Sprint(e.Action, " ", e.ResultCode, " ", e.Reason, " ", string(e.Args))]++
	}
	want := map[string]int{
		`done 204 allowed; settled late: it was done {"id": "web-01", "settled": "late"}`: each,
		`not done 504 allowed; settled late: it was not done {"id": "web-01"}`:            each,
		`never known 504 allowed; settled late: the outcome is unknown {"id": "web-01"}`:  each,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows, -want +got\n%s", diff)
	}
	if left, err := servers[1].OpenIntents(t.Context(), 10); err != nil || len(left) != 1 || left[0].Entry.Action != "not due" {
		t.Errorf("left open: %v, %v", left, err)
	}
}

// TestSettleLater: what cannot be asked for now is tried again, not by everybody at
// once, and not instead of the others.
func TestSettleLater(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	d := pgtest.OpenURL(t, url)
	for _, action := range []string{"first", "second"} {
		i := audit.Intent{ID: uuid.New(), Entry: audit.Entry{Action: action, Resource: "key:web-01"}}
		if err := d.OpenIntent(t.Context(), i, late); err != nil {
			t.Fatal(err)
		}
	}
	var asked []string
	reachable := false
	g := settling(t, d, func(_ context.Context, e audit.Entry) (bool, error) {
		asked = append(asked, e.Action)
		if !reachable {
			return false, errors.New("Salt is away")
		}
		return true, nil
	})
	for range 4 {
		guard.Settle(g, t.Context())
	}
	if fmt.Sprint(asked) != "[first second]" || len(rows(t, d)) != 0 {
		t.Errorf("asked %v, rows %v", asked, rows(t, d))
	}
	// An expired lease is another try.
	reachable = true
	if _, ok, err := d.ClaimIntent(t.Context(), settleGrace, time.Second); ok || err != nil {
		t.Errorf("claimed beside the lease: %v, %v", ok, err)
	}
	if _, err := pgtest.Conn(t, url, "halite").Exec(t.Context(), "UPDATE audit_intents SET leased_until = clock_timestamp()"); err != nil {
		t.Fatal(err)
	}
	guard.Settle(g, t.Context())
	if fmt.Sprint(asked) != "[first second first second]" || len(rows(t, d)) != 2 {
		t.Errorf("asked %v, rows %v", asked, rows(t, d))
	}
}

// broken fails to open, or to close.
type broken struct {
	audit.Intents
	open bool
}

func (b broken) OpenIntent(ctx context.Context, i audit.Intent, _ time.Duration) error {
	if b.open {
		return b.Intents.OpenIntent(ctx, i, late)
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
	err := onDatabase(t, d, broken{Intents: d}).Do(ctx, accept, func(ctx context.Context) error {
		if err := guard.Intend(ctx); err != nil {
			return err
		}
		t.Error("done without an intent")
		return nil
	})
	if f := fault.From(err); f.Code != fault.AuditUnavailable || f.OutcomeUnknown {
		t.Errorf("no intent: %+v", f)
	}
	g := onDatabase(t, d, broken{Intents: d, open: true})
	g.Stop() // the background alone
	err = g.Do(ctx, accept, guard.Intend)
	if f := fault.From(err); f.Code != fault.AuditUnavailable || !f.OutcomeUnknown {
		t.Errorf("not closed: %+v", f)
	}
	guard.Settle(settling(t, d, nil), t.Context())
	if got := rows(t, d); len(got) != 1 || got[0].ResultCode != 504 {
		t.Errorf("settled as %+v", got)
	}
}
