package salt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"halite/internal/fault"
)

// answer is what salt-api answered.
type answer struct {
	status int
	body   []byte
}

// post makes one request and reads its answer. It is not made again by net/http once any of
// it has been written: a POST is no request that may be replayed. An error says with
// OutcomeUnknown that salt-api may have got it.
func (c *Client) post(ctx context.Context, path, token string, body []byte, timeout time.Duration) (answer, error) {
	ctx, cancel := within(ctx, timeout)
	defer cancel()
	// A connection that is had counts as written to. It is asked for anew only if nothing
	// was written to the one before.
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{
		GetConn: func(string) { connected.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodPost, c.base+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, fault.New(fault.SaltUnavailable, "salt-api: its URL is not valid")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "halite")
	if token != "" {
		req.Header.Set("X-Auth-Token", token)
	}
	start := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, c.unanswered(ctx, connected.Load(), err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	c.logger.Debug("salt-api answered", "path", path, "status", a.status, "bytes", len(a.body), "duration", time.Since(start))
	switch {
	case a.status >= http.StatusMultipleChoices:
		return a, nil // its text is for people only
	case err != nil:
		return answer{}, c.unanswered(ctx, true, err)
	case len(a.body) > maxBody:
		return answer{}, c.misunderstood(fmt.Sprintf("longer than %d MiB", maxBody>>20))
	}
	return a, nil
}

// unanswered is the failure of a request without an answer: err is why, and sent whether
// salt-api may have got it.
func (c *Client) unanswered(ctx context.Context, sent bool, err error) *fault.Error {
	f := &fault.Error{Code: fault.SaltUnavailable, OutcomeUnknown: sent, Err: ctx.Err()}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the URL
	}
	late, isLate := errors.AsType[tooLate](context.Cause(ctx))
	switch {
	case isLate:
		f.Message = "salt-api: " + late.Error()
	case ctx.Err() != nil:
		f.Message = "salt-api: given up before it answered"
	case sent:
		f.Message = "salt-api: connection lost: " + c.clean(err.Error())
	default:
		f.Message = "salt-api: unreachable: " + c.clean(err.Error())
	}
	return f
}

// refused is the failure that the status of an answer tells of. A 5xx does not say that
// nothing was done; a 406 is said after the call was made.
func (c *Client) refused(a answer) *fault.Error {
	f := &fault.Error{
		Code:           fault.SaltError,
		Message:        fmt.Sprintf("salt-api: %d %s", a.status, c.clean(a.said())),
		OutcomeUnknown: a.status < http.StatusMultipleChoices || a.status == http.StatusNotAcceptable || a.status >= http.StatusInternalServerError,
	}
	if a.status == http.StatusServiceUnavailable {
		f.Code = fault.SaltUnavailable
	}
	return f
}

// notPermitted is the failure of a call for which the account has no right.
func (c *Client) notPermitted(a answer) *fault.Error {
	return fault.New(fault.SaltError, fmt.Sprintf("salt-api: %d not permitted: %s", a.status, c.clean(a.said())))
}

// misunderstood is the failure of a call that was answered with something unknown.
func (c *Client) misunderstood(why string) *fault.Error {
	return &fault.Error{Code: fault.SaltError, Message: "salt-api: 200 with an unknown answer: " + c.clean(why), OutcomeUnknown: true}
}

// failed is the failure that Salt told of in an answer that is otherwise good.
func (c *Client) failed(what, said string) *fault.Error {
	return fault.New(fault.SaltError, "salt-api: "+what+": "+c.clean(brief(said)))
}

// tooLate is why a context of ours has ended, rather than that of who called.
type tooLate time.Duration

func (d tooLate) Error() string { return "no answer within " + time.Duration(d).String() }

func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, tooLate(d))
}
