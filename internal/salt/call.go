package salt

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"time"

	"halite/internal/fault"
)

// lowstate is one call in salt-api's words.
type lowstate map[string]any

// denied are the texts of a 401 that come from a session that is known: this account may
// not. Any other 401 is taken for a session that has ended.
var denied = regexp.MustCompile(`^Authorization error occurred|occurred for user `)

// read makes a call that changes nothing, and returns the one element of its answer.
func (c *Client) read(ctx context.Context, l lowstate) (json.RawMessage, error) {
	raw, err := c.call(ctx, l, callTimeout, nil)
	return raw, harmless(err)
}

// effect makes a call that changes something. begin is called directly before it. A failure
// with OutcomeUnknown may have had its effect; every other failure has not.
func (c *Client) effect(ctx context.Context, l lowstate, timeout time.Duration, begin Begin) (json.RawMessage, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	return c.call(ctx, l, timeout, func(ctx context.Context) error {
		if err := begin(ctx); err != nil {
			return err
		}
		late := time.AfterFunc(effectTimeout, func() { cancel(tooLate(effectTimeout)) })
		context.AfterFunc(ctx, func() { late.Stop() })
		return nil
	})
}

// call logs in where it has to and makes one call, which may take as long as timeout. After
// a 401 it is made once more with another session, unless the first one was granted just
// now or the account is said to be denied.
func (c *Client) call(ctx context.Context, l lowstate, timeout time.Duration, begin Begin) (json.RawMessage, error) {
	body, err := json.Marshal([]lowstate{l})
	if err != nil {
		return nil, fault.Input("kwargs", "values must be JSON")
	}
	s, fresh, err := c.granted(ctx, nil)
	if err != nil {
		return nil, err
	}
	a, err := c.send(ctx, s, body, timeout, begin)
	if err == nil && a.status == http.StatusUnauthorized && !fresh && !denied.MatchString(a.said()) {
		if s, _, err = c.granted(ctx, s); err != nil {
			return nil, err
		}
		a, err = c.send(ctx, s, body, timeout, nil)
	}
	if err != nil {
		return nil, err
	}
	return c.judge(a)
}

// send makes one request when it is its turn. begin, unless nil, is called directly before.
func (c *Client) send(ctx context.Context, s *session, body []byte, timeout time.Duration, begin Begin) (answer, error) {
	if err := c.enter(ctx); err != nil {
		return answer{}, err
	}
	defer c.leave()
	if begin != nil {
		if err := begin(ctx); err != nil {
			return answer{}, err
		}
	}
	return c.post(ctx, "/", s.token, body, timeout)
}

// judge returns the one element of an answer, or the failure that it tells of.
func (c *Client) judge(a answer) (json.RawMessage, error) {
	switch {
	case a.status == http.StatusUnauthorized:
		return nil, c.notPermitted(a)
	case a.status != http.StatusOK:
		return nil, c.refused(a)
	}
	raw, err := only[json.RawMessage](a.body)
	if err != nil {
		return nil, c.misunderstood(err.Error())
	}
	return raw, nil
}

// harmless is err, of something without an effect: there is no outcome to be unknown.
func harmless(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		f.OutcomeUnknown = false
	}
	return err
}

// only returns the one element of an answer's list.
func only[T any](body []byte) (T, error) {
	var none T
	var a struct{ Return []T }
	if err := json.Unmarshal(body, &a); err != nil {
		return none, err
	}
	if len(a.Return) != 1 {
		return none, errors.New("not one result")
	}
	return a.Return[0], nil
}
