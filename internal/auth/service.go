package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"halite/internal/every"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/limit"
	"halite/internal/policy"
)

// How many failed sign-ins are let through in failureWindow.
const (
	failureWindow      = 5 * time.Minute
	failuresPerName    = 10 // per (name, address)
	failuresPerAddress = 30
	janitorEvery       = time.Minute
	maxUsername        = 255 // characters
)

// Problems of a request without a principal, in the words of the REST contract.
const (
	notAuthenticated = "Not authenticated"
	invalidSession   = "Invalid session"
	sessionExpired   = "Session expired"
)

// Service signs users in and out. It is safe for concurrent use.
type Service struct {
	store   Store
	guard   *guard.Guard
	cookies Cookies
	logger  *slog.Logger
	hasher  *Hasher

	byName, byAddress *limit.Counter

	janitor *every.Task
}

// NewService returns a service whose background work (ended sessions are removed)
// runs until Stop.
func NewService(store Store, g *guard.Guard, hasher *Hasher, cookies Cookies, logger *slog.Logger) *Service {
	s := &Service{
		store: store, guard: g, cookies: cookies, logger: logger, hasher: hasher,
		byName:    limit.New(failuresPerName, failureWindow, time.Now),
		byAddress: limit.New(failuresPerAddress, failureWindow, time.Now),
	}
	s.janitor = every.Start(janitorEvery, s.clean)
	return s
}

// Stop ends the background work.
func (s *Service) Stop() { s.janitor.Stop() }

// Authenticate finds out who r comes from. It returns r's context with the principal
// in the caller, if there is one, and with what sign-in and sign-out need; header is
// where they set cookies. The error says that the question could not be asked.
func (s *Service) Authenticate(r *http.Request, header http.Header) (context.Context, error) {
	x := &exchange{header: header}
	ctx := context.WithValue(r.Context(), exchangeKey{}, x)
	caller := guard.CallerOf(ctx)
	caller.Problem = notAuthenticated
	cookie, err := r.Cookie(s.cookies.Name)
	if errors.Is(err, http.ErrNoCookie) || cookie.Value == "" {
		return ctx, nil
	}
	id, ok := s.cookies.verify(cookie.Value)
	if !ok {
		caller.Problem = invalidSession
		return ctx, nil
	}
	hash := hashID(id)
	p, err := s.store.SessionPrincipal(ctx, hash)
	switch {
	case errors.Is(err, ErrNoSession):
		caller.Problem = sessionExpired
		return ctx, nil
	case err != nil:
		return ctx, err
	}
	caller.Principal, x.idHash = p, hash
	caller.Again = func(ctx context.Context) (*policy.Principal, error) {
		p, err := s.store.SessionPrincipal(ctx, hash)
		if errors.Is(err, ErrNoSession) {
			return nil, fault.New(fault.Unauthenticated, sessionExpired)
		}
		return p, err
	}
	return ctx, nil
}

// SignIn opens a session for the user if the password is right and sets its cookie.
// Errors: Unauthenticated for an unknown or inactive user and for a wrong password
// alike, RateLimited after too many failures, AuditUnavailable.
func (s *Service) SignIn(ctx context.Context, name, password string) (*policy.Principal, error) {
	caller := guard.CallerOf(ctx)
	back, answer := s.takeFailure(caller.SourceIP, name)
	action := guard.Action{
		Name: "auth.login", Resource: "user:" + name, Effect: guard.Change, Anonymous: true,
		Args: map[string]any{"username": name, "password": password},
	}
	if !answer.OK {
		return nil, s.refuseAttempt(ctx, action, answer)
	}
	var user User
	var p *policy.Principal
	failed := false // the password was compared, and wrong, whatever became of the row
	action.Judge = func(ctx context.Context) (v policy.Verdict, err error) {
		user, v, err = s.judgePassword(ctx, name, password)
		failed = isRefusal(err)
		return v, err
	}
	id := newID()
	err := s.guard.Do(ctx, action, func(ctx context.Context) error {
		// The password may have been changed, or the user deactivated, since it was checked.
		now, err := s.store.UserByName(ctx, name)
		if err != nil || now.PasswordHash != user.PasswordHash || !now.Active {
			return &fault.Error{Code: fault.Conflict, Message: "The account changed during sign-in", Err: err}
		}
		o := guard.OutcomeOf(ctx)
		o.UserID, o.Username = uuid.NullUUID{UUID: user.ID, Valid: true}, user.Username
		o.Resource, o.Args = "user:"+user.Username, map[string]any{"username": user.Username}
		err = s.store.CreateSession(ctx, Session{
			IDHash: hashID(id), UserID: user.ID,
			UserAgent: cut(caller.UserAgent, 512), IP: cut(caller.SourceIP, 64),
		}, s.cookies.TTL)
		if err != nil {
			return err
		}
		if err := s.store.SignedIn(ctx, user.ID); err != nil {
			return err
		}
		p, err = s.store.SessionPrincipal(ctx, hashID(id))
		return err
	})
	if !failed {
		back()
	}
	if err != nil {
		return nil, err
	}
	exchangeOf(ctx).header.Add("Set-Cookie", s.cookies.set(s.cookies.sign(id)))
	return p, nil
}

// SignOut ends the session of the request and clears the cookie. Without a session
// there is nothing to decide and nothing is recorded.
func (s *Service) SignOut(ctx context.Context) error {
	x, caller := exchangeOf(ctx), guard.CallerOf(ctx)
	if caller.Principal != nil {
		err := s.guard.Do(ctx, guard.Action{
			Name: "auth.logout", Resource: "user:" + caller.Principal.Username, Effect: guard.Change,
			Success: http.StatusNoContent, Judge: guard.SignedIn,
		}, func(ctx context.Context) error { return s.store.EndSession(ctx, x.idHash) })
		if err != nil {
			return err
		}
	}
	x.header.Add("Set-Cookie", s.cookies.clear(time.Now()))
	return nil
}

// ChangePassword sets the caller's own password and ends all his other sessions.
// Errors: Unauthenticated, BadUserInput for a new password that is too short or too
// long, Forbidden for a wrong current one, RateLimited, AuditUnavailable.
func (s *Service) ChangePassword(ctx context.Context, current, next string) error {
	x, caller := exchangeOf(ctx), guard.CallerOf(ctx)
	action := guard.Action{
		Name: "auth.change_password", Resource: "user:*", Effect: guard.Change, Success: http.StatusNoContent,
		Args: map[string]any{"current_password": current, "new_password": next},
	}
	if caller.Principal == nil {
		return s.guard.Do(ctx, action, func(context.Context) error { return nil })
	}
	name := caller.Principal.Username
	action.Resource = "user:" + name
	back, answer := s.takeFailure(caller.SourceIP, name)
	if !answer.OK {
		return s.refuseAttempt(ctx, action, answer)
	}
	bad := CheckPassword("new_password", next)
	var user User
	var hash string
	failed := false
	action.Judge = func(ctx context.Context) (v policy.Verdict, err error) {
		if bad != nil {
			return guard.SignedIn(ctx)
		}
		if user, v, err = s.judgePassword(ctx, name, current); !v.Allowed {
			failed = isRefusal(err)
			if f, ok := errors.AsType[*fault.Error](err); ok {
				f.Code, f.Message = fault.Forbidden, "Current password is incorrect"
			}
			return v, err
		}
		hash, err = s.hasher.Hash(ctx, next)
		return v, err
	}
	err := s.guard.Do(ctx, action, func(ctx context.Context) error {
		if bad != nil {
			return bad
		}
		now, err := s.store.UserByName(ctx, name)
		if err != nil || now.PasswordHash != user.PasswordHash {
			return &fault.Error{Code: fault.Conflict, Message: "The password was changed by somebody else meanwhile", Err: err}
		}
		if err := s.store.SetPassword(ctx, user.ID, hash, false); err != nil {
			return err
		}
		return s.store.EndSessions(ctx, user.ID, x.idHash)
	})
	if !failed {
		back()
	}
	return err
}

// judgePassword does the same work whether the user exists or not.
func (s *Service) judgePassword(ctx context.Context, name, password string) (User, policy.Verdict, error) {
	user := User{}
	err := ErrNoUser
	if utf8.RuneCountInString(name) <= maxUsername {
		user, err = s.store.UserByName(ctx, name)
	}
	if err != nil && !errors.Is(err, ErrNoUser) {
		return user, policy.Verdict{}, err
	}
	ok, err := s.hasher.matches(ctx, password, user.PasswordHash)
	if err != nil {
		return user, policy.Verdict{}, err
	}
	switch {
	case ok && user.Active:
		return user, policy.Verdict{Allowed: true, Reason: "password accepted"}, nil
	case ok:
		return user, policy.Verdict{Reason: "user is inactive"}, fault.New(fault.Unauthenticated, "Invalid credentials")
	case user.PasswordHash == "":
		return user, policy.Verdict{Reason: "unknown user"}, fault.New(fault.Unauthenticated, "Invalid credentials")
	}
	return user, policy.Verdict{Reason: "wrong password"}, fault.New(fault.Unauthenticated, "Invalid credentials")
}

// isRefusal tells a decision against the caller from a question that could not be asked.
func isRefusal(err error) bool {
	_, ok := errors.AsType[*fault.Error](err)
	return ok
}

// takeFailure reserves a failure before the attempt, so that attempts side by side
// cannot pass the bound together; back returns it when the attempt was none.
func (s *Service) takeFailure(address, name string) (back func(), _ limit.Answer) {
	address = guard.AddressKey(address)
	folded := sha256.Sum256([]byte(strings.ToLower(name))) // a name may be as long as a request
	byAddress := s.byAddress.Take(address)
	if !byAddress.OK {
		return func() {}, byAddress
	}
	byName := s.byName.Take(string(folded[:]) + address)
	if !byName.OK {
		s.byAddress.Return(byAddress)
	}
	return func() { s.byName.Return(byName); s.byAddress.Return(byAddress) }, byName
}

// refuseAttempt turns an attempt away. Only the first of a window leaves a row.
func (s *Service) refuseAttempt(ctx context.Context, a guard.Action, answer limit.Answer) error {
	f := &fault.Error{Code: fault.RateLimited, Message: "Too many failed attempts, try again later", RetryAfter: answer.RetryAfter}
	if !answer.First {
		return f
	}
	a.Judge = func(context.Context) (policy.Verdict, error) {
		return policy.Verdict{Reason: "too many failed attempts"}, f
	}
	return s.guard.Do(ctx, a, nil)
}

// clean removes what has ended.
func (s *Service) clean(ctx context.Context) {
	s.byName.Sweep(false)
	s.byAddress.Sweep(false)
	ctx, cancel := context.WithTimeout(ctx, janitorEvery/2)
	defer cancel()
	if n, err := s.store.PurgeSessions(ctx); err != nil {
		s.logger.Warn("ended sessions not removed", "error", err)
	} else if n > 0 {
		s.logger.Debug("ended sessions removed", "sessions", n)
	}
}

// cut keeps the first n characters.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}
