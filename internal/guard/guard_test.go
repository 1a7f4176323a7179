package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"halite/internal/audit"
	"halite/internal/directory"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/pgtest"
	"halite/internal/policy"
)

// memory is a recorder that keeps what it is given, or fails.
type memory struct {
	mu   sync.Mutex
	rows []audit.Entry
	err  error
}

func (m *memory) Record(e audit.Entry) (audit.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return audit.Entry{}, m.err
	}
	e.ID = int64(len(m.rows) + 1)
	e.DurationMS = 0
	m.rows = append(m.rows, e)
	return e, nil
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.rows)
}

func (m *memory) set(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// Change is that of a database that takes back what failed.
func (m *memory) Change(ctx context.Context, change func(context.Context) error, row func(error) audit.Entry) (audit.Entry, error) {
	return m.Record(row(change(ctx)))
}

func (m *memory) last(t *testing.T) audit.Entry {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.rows) == 0 {
		t.Fatal("no row")
	}
	return m.rows[len(m.rows)-1]
}

func newGuard(t *testing.T, m *memory, o guard.Config) *guard.Guard {
	t.Helper()
	o.Recorder, o.Changer, o.Logger = m, m, pgtest.Quiet
	if o.Refusals == 0 {
		o.Refusals = 60
	}
	g := guard.New(o)
	t.Cleanup(g.Stop)
	return g
}

func principal(pairs ...policy.Permission) *policy.Principal {
	return &policy.Principal{
		UserID: uuid.MustParse("3f4b2c1a-0000-0000-0000-000000000001"), Username: "alice", Active: true,
		Roles: []policy.Role{{Name: "r", Permissions: pairs}},
	}
}

func as(t *testing.T, p *policy.Principal) (context.Context, *guard.Caller) {
	t.Helper()
	c := &guard.Caller{Principal: p, Problem: "Not authenticated", RequestID: "req", SourceIP: "192.0.2.1", UserAgent: "agent"}
	return guard.WithCaller(t.Context(), c), c
}

var everything = policy.Permission{Verb: "*", ResourceGlob: "*"}

// TestDo is what is decided, run, recorded and answered, for each effect.
func TestDo(t *testing.T) {
	t.Parallel()
	type result struct {
		Decision audit.Decision
		Code     int
		Reason   string
		Ran      bool
		Answer   fault.Code
	}
	boom := errors.New(`ERROR: relation "secret" (SQLSTATE 42P01)`)
	for _, c := range []struct {
		name      string
		principal *policy.Principal
		change    func(*guard.Action)
		next      func(context.Context) error
		want      result
	}{
		{name: "allowed", principal: principal(everything), want: result{audit.Allow, 200, "allowed by role r: * *", true, ""}},
		{name: "the class", principal: principal(policy.Permission{Verb: "accept", ResourceGlob: "key:*"}), want: result{audit.Allow, 200, "allowed by role r: accept key:*", true, ""}},
		{
			name: "the object", principal: principal(policy.Permission{Verb: "accept", ResourceGlob: "key:web-[0-9]*"}),
			want: result{audit.Allow, 200, "allowed by role r: accept key:web-[0-9]*", true, ""},
		},
		{
			name: "another verb", principal: principal(policy.Permission{Verb: "view", ResourceGlob: "*"}),
			want: result{audit.Deny, 403, "no match among 1 permission of role r", false, fault.Forbidden},
		},
		{name: "nobody", want: result{audit.Deny, 401, "not authenticated", false, fault.Unauthenticated}},
		{
			name: "must change", principal: func() *policy.Principal { p := principal(everything); p.MustChangePassword = true; return p }(),
			want: result{audit.Deny, 403, "the password must be changed first", false, fault.Forbidden},
		},
		{
			name: "inactive", principal: func() *policy.Principal { p := principal(everything); p.Active = false; return p }(),
			want: result{audit.Deny, 403, "user is inactive", false, fault.Forbidden},
		},
		{
			name: "a success of its own", principal: principal(everything), change: func(a *guard.Action) { a.Success = 204 },
			want: result{audit.Allow, 204, "allowed by role r: * *", true, ""},
		},
		{
			name: "a code of the resolver's", principal: principal(everything),
			next: func(ctx context.Context) error { guard.OutcomeOf(ctx).ResultCode = 202; return nil },
			want: result{audit.Allow, 202, "allowed by role r: * *", true, ""},
		},
		{
			name: "bad input", principal: principal(everything), next: func(context.Context) error { return fault.Input("id", "x") },
			want: result{audit.Allow, 422, "allowed by role r: * *", true, fault.BadUserInput},
		},
		{
			name: "conflict", principal: principal(everything), next: func(context.Context) error { return fmt.Errorf("wrapped: %w", fault.New(fault.Conflict, "x")) },
			want: result{audit.Allow, 409, "allowed by role r: * *", true, fault.Conflict},
		},
		{
			name: "forbidden by what only the action could see", principal: principal(everything),
			next: func(context.Context) error { return fault.New(fault.Forbidden, `"x:pw=hunter2" is more than you hold`) },
			want: result{audit.Deny, 403, `"x:pw=<redacted>" is more than you hold`, true, fault.Forbidden},
		},
		{
			name: "a status of its own", principal: principal(everything),
			next: func(context.Context) error {
				return &fault.Error{Code: fault.BadUserInput, Status: 400, Message: "x"}
			},
			want: result{audit.Allow, 400, "allowed by role r: * *", true, fault.BadUserInput},
		},
		{
			name: "an error of its own making", principal: principal(everything), next: func(context.Context) error { return boom },
			want: result{audit.Allow, 500, "allowed by role r: * *", true, fault.Internal},
		},
		{
			name: "panic", principal: principal(everything), next: func(context.Context) error { panic("boom") },
			want: result{audit.Allow, 500, "allowed by role r: * *", true, fault.Internal},
		},
		{
			name: "panic with nil", principal: principal(everything), next: func(context.Context) error { panic(nil) },
			want: result{audit.Allow, 500, "allowed by role r: * *", true, fault.Internal},
		},
		{name: "a judge says no", principal: principal(everything), change: func(a *guard.Action) {
			a.Judge = func(context.Context) (policy.Verdict, error) {
				return policy.Verdict{Reason: "wrong"}, fault.New(fault.Unauthenticated, "No")
			}
		}, want: result{audit.Deny, 401, "wrong", false, fault.Unauthenticated}},
		{
			name: "a judge does not ask for nobody", change: func(a *guard.Action) { a.Judge = guard.SignedIn },
			want: result{audit.Deny, 401, "not authenticated", false, fault.Unauthenticated},
		},
		{
			name: "anonymous", change: func(a *guard.Action) { a.Judge, a.Anonymous = guard.SignedIn, true },
			want: result{audit.Allow, 200, "signed in", true, ""},
		},
	} {
		for name, effect := range map[string]guard.Effect{"READ": guard.Read, "CHANGE": guard.Change} {
			m := &memory{}
			g := newGuard(t, m, guard.Config{AuditReads: true})
			ctx, caller := as(t, c.principal)
			a := guard.Action{Name: "key.accept", Verb: "accept", Resource: "key:web-01", Effect: effect, Args: map[string]any{"id": "web-01", "password": "p"}}
			if c.change != nil {
				c.change(&a)
			}
			var got result
			err := g.Do(ctx, a, func(ctx context.Context) error {
				got.Ran = true
				if c.next != nil {
					return c.next(ctx)
				}
				return nil
			})
			row := m.last(t)
			got.Decision, got.Code, got.Reason = row.Decision, row.ResultCode, row.Reason
			if f := fault.From(err); f != nil {
				got.Answer = f.Code
				if f.AuditID != 1 {
					t.Errorf("%s, %s: the error names row %d", c.name, name, f.AuditID)
				}
				if f.Code == fault.Internal && f.Message != "Internal server error" {
					t.Errorf("%s, %s: the caller is told %q", c.name, name, f.Message)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s, %s: -want +got\n%s", c.name, name, diff)
			}
			want := audit.Entry{
				ID: 1, Action: "key.accept", Verb: "accept", Resource: "key:web-01", Args: json.RawMessage(`{"id":"web-01","password":"\u003credacted\u003e"}`),
				RequestID: "req", SourceIP: "192.0.2.1", UserAgent: "agent", Decision: row.Decision, ResultCode: row.ResultCode, Reason: row.Reason,
			}
			if c.principal != nil {
				want.UserID, want.Username = uuid.NullUUID{UUID: c.principal.UserID, Valid: true}, "alice"
			}
			if diff := cmp.Diff(want, row); diff != "" || len(m.rows) != 1 {
				t.Errorf("%s, %s: %d rows, -want +got\n%s", c.name, name, len(m.rows), diff)
			}
			if diff := cmp.Diff([]int64{1}, caller.Rows()); diff != "" {
				t.Errorf("%s, %s: rows of the caller\n%s", c.name, name, diff)
			}
			if a.Args["password"] != "p" {
				t.Errorf("%s, %s: the arguments were altered: %v", c.name, name, a.Args)
			}
		}
	}
}

// TestOutcome: what only the action knows takes the place of what was asked.
func TestOutcome(t *testing.T) {
	t.Parallel()
	m := &memory{}
	g := newGuard(t, m, guard.Config{AuditReads: true})
	ctx, _ := as(t, nil)
	bob := uuid.New()
	err := g.Do(ctx, guard.Action{Name: "auth.login", Resource: "user:BOB", Anonymous: true, Judge: guard.SignedIn, Args: map[string]any{"a": 1}},
		func(ctx context.Context) error {
			o := guard.OutcomeOf(ctx)
			o.UserID, o.Username = uuid.NullUUID{UUID: bob, Valid: true}, "bob"
			o.Resource, o.Args = "user:bob", map[string]any{"username": "bob"}
			return nil
		})
	row := m.last(t)
	if err != nil || row.UserID.UUID != bob || row.Username != "bob" || row.Resource != "user:bob" || string(row.Args) != `{"username":"bob"}` {
		t.Errorf("%v, row %+v", err, row)
	}
}

// TestChanged: the row of a change says what it found and what it left; the row of one
// that failed does not, and the arguments are not altered.
func TestChanged(t *testing.T) {
	t.Parallel()
	args := map[string]any{"id": 7}
	for _, c := range []struct {
		outcome error
		want    string
	}{
		{nil, `{"after":{"email":null,"password":"\u003credacted\u003e"},"before":{"email":"a@example.org"},"id":7}`},
		{fault.New(fault.Conflict, "x"), `{"id":7}`},
	} {
		m := &memory{}
		g := newGuard(t, m, guard.Config{})
		ctx, _ := as(t, principal(everything))
		_ = g.Do(ctx, guard.Action{Name: "user.update", Verb: "v", Resource: "user:a", Args: args, Effect: guard.Change}, func(ctx context.Context) error {
			o := guard.OutcomeOf(ctx)
			o.Before, o.After = map[string]any{"email": "a@example.org"}, map[string]any{"email": nil, "password": "hunter2"}
			return c.outcome
		})
		if got := string(m.last(t).Args); got != c.want || len(args) != 1 {
			t.Errorf("%v: %s, want %s; the arguments are %v now", c.outcome, got, c.want, args)
		}
	}
}

// TestNotRecorded: no row, no action; and what the caller is told.
func TestNotRecorded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err     error
		unknown bool
	}{
		{audit.ErrQueueFull, false},
		{audit.ErrUnavailable, false},
		{audit.ErrStopped, false},
		{audit.ErrRejected, false},
		{fmt.Errorf("commit: %w", audit.ErrOutcomeUnknown), true},
	} {
		for _, effect := range []guard.Effect{guard.Read, guard.Change} {
			for name, p := range map[string]*policy.Principal{"allowed": principal(everything), "denied": principal(), "nobody": nil} {
				for _, outcome := range []error{nil, fault.New(fault.Conflict, "x")} {
					g := newGuard(t, &memory{err: c.err}, guard.Config{AuditReads: true})
					ctx, caller := as(t, p)
					f := fault.From(g.Do(ctx, guard.Action{Name: "a.b", Verb: "v", Resource: "x:y", Effect: effect}, func(context.Context) error { return outcome }))
					if f == nil || f.Code != fault.AuditUnavailable || f.OutcomeUnknown != c.unknown || f.RetryAfter <= 0 || f.AuditID != 0 {
						t.Errorf("%v, %s: %+v", c.err, name, f)
						continue
					}
					if strings.Contains(f.Message, "nothing was done") == c.unknown {
						t.Errorf("%v, %s: %q", c.err, name, f.Message)
					}
					if caller.Rows() != nil {
						t.Errorf("%v, %s: rows %v", c.err, name, caller.Rows())
					}
				}
			}
		}
	}
}

// TestNoDecision: a judge that cannot decide is neither a yes nor a no.
func TestNoDecision(t *testing.T) {
	t.Parallel()
	for name, judge := range map[string]guard.Judge{
		"another error": func(context.Context) (policy.Verdict, error) { return policy.Verdict{}, errors.New("database gone") },
		"yes and an error": func(context.Context) (policy.Verdict, error) {
			return policy.Verdict{Allowed: true}, fault.New(fault.Conflict, "x")
		},
	} {
		m := &memory{}
		g := newGuard(t, m, guard.Config{AuditReads: true})
		ctx, _ := as(t, principal(everything))
		f := fault.From(g.Do(ctx, guard.Action{Name: "a.b", Resource: "x:y", Judge: judge}, func(context.Context) error { t.Error("it ran"); return nil }))
		if f == nil || f.Code != fault.AuditUnavailable || f.OutcomeUnknown || len(m.rows) != 0 {
			t.Errorf("%s: %+v, %d rows", name, f, len(m.rows))
		}
	}
}

// TestCallerGone: who goes away still gets his row, and a change that was begun is
// finished.
func TestCallerGone(t *testing.T) {
	t.Parallel()
	for effect, want := range map[guard.Effect]int{guard.Read: 499, guard.Change: 200} {
		m := &memory{}
		g := newGuard(t, m, guard.Config{AuditReads: true})
		ctx, _ := as(t, principal(everything))
		ctx, leave := context.WithCancel(ctx)
		err := g.Do(ctx, guard.Action{Name: "a.b", Verb: "v", Resource: "x:y", Effect: effect}, func(ctx context.Context) error {
			leave()
			return ctx.Err()
		})
		if row := m.last(t); row.Decision != audit.Allow || row.ResultCode != want || (err == nil) != (effect == guard.Change) {
			t.Errorf("effect %d: %v, row %+v", effect, err, row)
		}
	}
}

// TestSilentReads: only allowed reads of the log itself can be silenced.
func TestSilentReads(t *testing.T) {
	t.Parallel()
	m := &memory{}
	g := newGuard(t, m, guard.Config{})
	ask := func(p *policy.Principal, action string, effect guard.Effect) error {
		ctx, _ := as(t, p)
		return g.Do(ctx, guard.Action{Name: action, Verb: "v", Resource: "x:y", Effect: effect}, func(context.Context) error { return nil })
	}
	if err := errors.Join(ask(principal(everything), "audit.list", guard.Read), ask(principal(everything), "audit.get", guard.Read)); err != nil || len(m.rows) != 0 {
		t.Errorf("%v, %d rows of silent reads", err, len(m.rows))
	}
	if ask(principal(), "audit.list", guard.Read) == nil || ask(nil, "audit.list", guard.Read) == nil || ask(principal(everything), "auth.login", guard.Read) != nil {
		t.Error("wrong answers")
	}
	if ask(principal(everything), "audit.purge", guard.Change) != nil || len(m.rows) != 4 {
		t.Errorf("%d rows, 4 were due", len(m.rows))
	}
}

// TestChangeIsOneTransaction, on the database itself: the change and its row are both
// there, or neither; a conflict takes back the change and leaves its row.
func TestChangeIsOneTransaction(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	store := pgtest.OpenURL(t, url)
	recorder := audit.NewRecorder(store, 16, pgtest.Quiet)
	t.Cleanup(recorder.Stop)
	g := guard.New(guard.Config{Recorder: recorder, Changer: store, Logger: pgtest.Quiet, AuditReads: true, Refusals: 60})
	t.Cleanup(g.Stop)
	c := pgtest.Conn(t, url, "halite")
	// there says who is in the table of users, and what the log says.
	there := func() (users, log string) {
		t.Helper()
		err := c.QueryRow(t.Context(), `SELECT coalesce((SELECT string_agg(username, ' ' ORDER BY username) FROM users), ''),
			coalesce((SELECT string_agg(resource || ' ' || decision || ' ' || result_code, ', ' ORDER BY id) FROM audit_log), '')`).Scan(&users, &log)
		if err != nil {
			t.Fatal(err)
		}
		return users, log
	}
	add := func(name string, after func(leave func()) error) fault.Code {
		ctx, _ := as(t, principal(everything))
		ctx, leave := context.WithCancel(ctx)
		defer leave()
		err := g.Do(ctx, guard.Action{Name: "user.create", Verb: "manage_user", Resource: "user:" + name, Effect: guard.Change, Success: 201},
			func(ctx context.Context) error {
				if err := store.CreateUser(ctx, directory.User{ID: uuid.New(), Username: name}, "x"); err != nil {
					return fault.New(fault.Conflict, "x")
				}
				return after(leave)
			})
		if err == nil {
			return ""
		}
		return fault.From(err).Code
	}
	for _, step := range []struct {
		name       string
		after      func(func()) error
		want       fault.Code
		users, row string
	}{
		{"a", func(func()) error { return nil }, "", "a", "user:a allow 201"},
		{"b", func(func()) error { return fault.New(fault.NotFound, "x") }, fault.NotFound, "a", "user:b allow 404"},
		{"c", func(func()) error { panic("boom") }, fault.Internal, "a", "user:c allow 500"},
		{"A", func(func()) error { return nil }, fault.Conflict, "a", "user:A allow 409"}, // the failed statement spoils nothing
		{"d", func(leave func()) error { leave(); return nil }, "", "a d", "user:d allow 201"},
	} {
		_, before := there()
		if got := add(step.name, step.after); got != step.want {
			t.Errorf("%s: answered %q, want %q", step.name, got, step.want)
		}
		users, log := there()
		if users != step.users || strings.TrimPrefix(strings.TrimPrefix(log, before), ", ") != step.row {
			t.Errorf("%s: users %q, log %q", step.name, users, log)
		}
	}
	_, before := there()
	if _, err := c.Exec(t.Context(), "ALTER TABLE audit_log ADD CONSTRAINT full_disk CHECK (id < 6)"); err != nil {
		t.Fatal(err)
	}
	if got := add("e", func(func()) error { return nil }); got != fault.AuditUnavailable {
		t.Errorf("without a row: answered %q", got)
	}
	if users, log := there(); users != "a d" || log != before {
		t.Errorf("without a row: users %q, log %q", users, log)
	}
}
