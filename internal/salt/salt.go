// Package salt asks a Salt master through salt-api (rest_cherrypy): it runs commands on
// minions, changes keys, kills jobs, and reads keys and jobs.
//
// What has an effect is sent at most once, and only after its [Begin] has made the intent
// durable; a failure says whether the effect may have taken place all the same. It is sent
// a second time only after a 401, with which salt-api says that it has done nothing.
//
// Errors are of the type [fault.Error]: SALT_UNAVAILABLE when salt-api or its master cannot
// be reached or does not answer, SALT_ERROR when it refuses or answers what cannot be
// understood, BAD_USER_INPUT, NOT_FOUND and CONFLICT where a function says so. Their messages
// hold neither the password nor a token.
package salt

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"halite/internal/fault"
)

const (
	connectTimeout  = 5 * time.Second  // TCP, and TLS again as long
	dispatchTimeout = 20 * time.Second // local_async: salt-api itself gives up after 15 s
	callTimeout     = 30 * time.Second // wheel, runner, local, login
	effectTimeout   = 30 * time.Second // from a Begin to the answer, with a login between
	confirmTimeout  = 15 * time.Second // for the look after an effect
	idleTimeout     = 5 * time.Second  // salt-api closes idle connections after 10 s
	maxInFlight     = 8                // each holds a thread of salt-api, which has others to serve too
	maxBody         = 16 << 20
)

// EffectTimeout is the longest time that a function with an effect takes once its Begin
// has returned. Later than that nothing is sent any more on its behalf.
const EffectTimeout = effectTimeout + confirmTimeout

// Begin makes the intent of an effect durable. It is called once, after every look that
// comes before the effect and directly before the one request that may have it; not at all
// if it does not come to that. If it fails, nothing is sent and its error is returned
// unchanged.
type Begin func(context.Context) error

// Settings say where salt-api is and who asks it.
type Settings struct {
	URL      string // http or https, with the path under which salt-api is, if any
	Username string
	Password string
	EAuth    string // a backend of the master's external_auth, such as pam, file or ldap
	Verify   bool   // check the TLS certificate and its name
}

// Client is an account at one salt-api. It is safe for concurrent use. It logs in when it
// first has to and shares the login; at most 8 of its requests are in flight, the next ones
// wait as long as their contexts allow.
type Client struct {
	settings Settings
	base     string // without a slash at the end
	logger   *slog.Logger
	http     *http.Client
	inFlight chan struct{}

	background context.Context // of logins, which outlive those who wait for them
	stop       context.CancelFunc
	logins     sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	session *session // the last one that is not known to have ended
	login   *login   // under way
	refusal *refusal // of the last login
}

// New returns a client, which connects and logs in when it is first asked for something.
// Close must be called. A Settings.Verify of false is logged as a warning.
func New(s Settings, logger *slog.Logger) *Client {
	if !s.Verify {
		logger.Warn("the TLS certificate of salt-api is not checked")
	}
	// HTTP/1.1 alone is what salt-api speaks, and it does not ask for a request anew as
	// HTTP/2 may. There is no proxy: the password is for salt-api only.
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !s.Verify}, //nolint:gosec // as the operator wants it
		TLSHandshakeTimeout: connectTimeout,
		IdleConnTimeout:     idleTimeout,
		MaxIdleConnsPerHost: maxInFlight,
		Protocols:           new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(true)
	c := &Client{
		settings: s,
		base:     strings.TrimRight(s.URL, "/"),
		logger:   logger,
		// Without a cookie jar: the token is sent in a header, and a cookie could only
		// shadow it.
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
		inFlight: make(chan struct{}, maxInFlight),
	}
	c.background, c.stop = context.WithCancel(context.Background())
	return c
}

// Close ends a login that is under way, waits for it, and drops idle connections. What is
// in flight goes on; it fails if it has to log in again.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.logins.Wait()
	c.http.CloseIdleConnections()
}

// enter waits for one of the requests that may be in flight; leave gives it back.
func (c *Client) enter(ctx context.Context) error {
	select {
	case c.inFlight <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &fault.Error{Code: fault.SaltUnavailable, Message: "salt-api: given up while too many requests were in flight", Err: ctx.Err()}
	}
}

func (c *Client) leave() { <-c.inFlight }
