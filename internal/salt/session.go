package salt

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"halite/internal/fault"
)

const (
	renewMargin     = 60 * time.Second // before a token ends, unless half its life is less
	defaultLifetime = 10 * time.Minute // of a token that does not say
	maxLifetime     = 24 * time.Hour
	refusalLasts    = 5 * time.Second // a refused login holds a thread of salt-api for a second
)

// session is a login that salt-api has granted.
type session struct {
	token string
	renew time.Time // when it is no longer used for what begins
}

// login is one login that many may wait for. The fields are set when done is closed.
type login struct {
	done    chan struct{}
	session *session
	err     error
}

// refusal is a login that salt-api has refused, and how long that holds for all.
type refusal struct {
	err   error
	until time.Time
}

// granted returns a session other than ended: the one that there is or, if there is none
// or its time is over, that of a login, which callers share. fresh says that the session
// was granted while the caller waited.
func (c *Client) granted(ctx context.Context, ended *session) (s *session, fresh bool, err error) {
	c.mu.Lock()
	if c.session == ended {
		c.session = nil
	}
	if s := c.session; s != nil && time.Now().Before(s.renew) {
		c.mu.Unlock()
		return s, false, nil
	}
	l, err := c.startLogin()
	c.mu.Unlock()
	if err != nil {
		return nil, false, err
	}
	return l.wait(ctx)
}

// loggedIn returns the session of a login that ends after the call began.
func (c *Client) loggedIn(ctx context.Context) (*session, error) {
	c.mu.Lock()
	l, err := c.startLogin()
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	s, _, err := l.wait(ctx)
	return s, err
}

// startLogin returns the login under way, or begins one. c.mu is held.
func (c *Client) startLogin() (*login, error) {
	switch {
	case c.closed:
		return nil, fault.New(fault.SaltUnavailable, "salt-api: the connection was closed")
	case c.login != nil:
		return c.login, nil
	case c.refusal != nil && time.Now().Before(c.refusal.until):
		return nil, ownError(c.refusal.err)
	}
	l := &login{done: make(chan struct{})}
	c.login = l
	c.logins.Go(func() {
		s, refused, err := c.logIn(c.background)
		l.session, l.err = s, harmless(err)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.login, c.refusal = nil, nil
		if s != nil {
			c.session = s
		}
		if refused {
			c.refusal = &refusal{l.err, time.Now().Add(refusalLasts)}
		}
		close(l.done)
	})
	return l, nil
}

// logIn asks for a session. refused says that the account was, rather than the request.
func (c *Client) logIn(ctx context.Context) (s *session, refused bool, err error) {
	waiting, cancel := within(ctx, callTimeout)
	defer cancel()
	if err := c.enter(waiting); err != nil {
		return nil, false, err
	}
	defer c.leave()
	body, err := json.Marshal(map[string]string{
		"username": c.settings.Username, "password": c.settings.Password, "eauth": c.settings.EAuth,
	})
	if err != nil {
		return nil, false, c.misunderstood(err.Error())
	}
	a, err := c.post(ctx, "/login", "", body, callTimeout)
	if err != nil {
		return nil, false, err
	}
	if a.status != http.StatusOK {
		return nil, a.status == http.StatusUnauthorized, c.refused(a)
	}
	granted, err := only[struct {
		Token         string
		Start, Expire float64 // seconds of the master's clock, of which only the difference counts
	}](a.body)
	if err != nil || granted.Token == "" {
		return nil, false, c.misunderstood("no token in the answer to the login")
	}
	return &session{granted.Token, time.Now().Add(usedFor(granted.Expire - granted.Start))}, false, nil
}

// wait returns what becomes of l. It ends early with ctx, and l does not.
func (l *login) wait(ctx context.Context) (s *session, fresh bool, err error) {
	select {
	case <-l.done:
		return l.session, true, ownError(l.err)
	case <-ctx.Done():
		return nil, false, &fault.Error{Code: fault.SaltUnavailable, Message: "salt-api: given up during the login", Err: ctx.Err()}
	}
}

// usedFor says how long a token is used that lasts for so many seconds.
func usedFor(seconds float64) time.Duration {
	lifetime := defaultLifetime
	if seconds > 0 {
		lifetime = time.Duration(min(seconds, maxLifetime.Seconds()) * float64(time.Second))
	}
	return lifetime - min(renewMargin, lifetime/2)
}

// ownError returns a copy of err: who gets a *fault.Error may write into it.
func ownError(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		f := *f
		return &f
	}
	return err
}
