package graph

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"

	"halite/internal/every"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/limit"
)

// protocol is the WebSocket subprotocol that is spoken.
const protocol = "graphql-transport-ws"

// Bounds of WebSockets. What is not signed in is refused as soon as it subscribes, and must
// not take the places of those who are.
const (
	maxSockets           = 128 // of users
	maxSocketsPerUser    = 8
	maxStrangers         = 16 // of those who are not signed in
	maxStrangersPerPlace = 4  // per address
	maxOperations        = 8  // subscriptions of a socket at once
)

const (
	initTimeout = 5 * time.Second  // for connection_init to come
	pingEvery   = 15 * time.Second // and for the pong to come back
	idleTimeout = time.Minute      // without a subscription
	stopTimeout = 6 * time.Second  // for clients to answer that a connection is closed
)

// sockets is graphql-transport-ws, for subscriptions alone: who asks is looked up anew for
// each of them. It owns its connections, which a server that is shut down no longer knows.
//
// It does not look at Origin: whoever serves it has done so.
type sockets struct {
	logger *slog.Logger

	init, ping, idle, patience time.Duration

	users, strangers *limit.Seats

	mu     sync.Mutex
	ended  bool
	active map[*socket]struct{}
	all    sync.WaitGroup
}

var _ graphql.Transport = (*sockets)(nil)

func newSockets(patience time.Duration, logger *slog.Logger) *sockets {
	return &sockets{
		logger: logger, patience: patience,
		init: initTimeout, ping: pingEvery, idle: idleTimeout,
		users: limit.NewSeats(maxSockets, maxSocketsPerUser), strangers: limit.NewSeats(maxStrangers, maxStrangersPerPlace),
		active: map[*socket]struct{}{},
	}
}

// Supports implements graphql.Transport.
func (*sockets) Supports(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// Do implements graphql.Transport.
func (t *sockets) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	leave, ok := t.seat(r.Context())
	defer leave()
	if !ok {
		w.Header().Set("Retry-After", "10")
		reply{typeJSON, http.StatusTooManyRequests}.fail(w, string(fault.RateLimited), "There are too many connections at once: try again later")
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{protocol}, InsecureSkipVerify: true})
	if err != nil { // it has answered
		return
	}
	conn.SetReadLimit(maxBody)
	s := &socket{sockets: t, conn: conn, exec: exec, header: r.Header, operations: map[string]*operation{}}
	// The request's context ends with this function and no earlier.
	ctx, cancel := context.WithCancel(r.Context())
	s.cancel = cancel
	defer cancel()
	if !t.add(s) {
		_ = conn.Close(websocket.StatusServiceRestart, "The server is being stopped")
		return
	}
	defer t.remove(s)
	if conn.Subprotocol() != protocol {
		_ = conn.Close(closeSubprotocol, "Subprotocol not acceptable")
		return
	}
	pinger := every.Start(t.ping, s.beat)
	defer pinger.Stop()
	s.run(ctx)
}

// seat takes a place for the caller.
func (t *sockets) seat(ctx context.Context) (leave func(), ok bool) {
	caller := guard.CallerOf(ctx)
	if caller.Principal == nil {
		return t.strangers.Take(guard.AddressKey(caller.SourceIP))
	}
	return t.users.Take(caller.Principal.UserID.String())
}

func (t *sockets) add(s *socket) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	t.active[s] = struct{}{}
	t.all.Add(1)
	return true
}

func (t *sockets) remove(s *socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.active, s)
	t.all.Done()
}

// end closes all connections, so that their clients come again, and lets none begin.
func (t *sockets) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	for s := range t.active {
		t.all.Go(s.restart)
	}
}

// stop returns when all connections have ended. Those of clients who do not answer are cut.
func (t *sockets) stop() {
	t.end()
	cut := time.AfterFunc(stopTimeout, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for s := range t.active {
			s.cancel()
			go func() { _ = s.conn.CloseNow() }()
		}
	})
	defer cut.Stop()
	t.all.Wait()
}
