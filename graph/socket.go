package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"halite/internal/fault"
	"halite/internal/guard"
)

// The codes with which the protocol closes a connection.
const (
	closeBadRequest   websocket.StatusCode = 4400
	closeUnauthorized websocket.StatusCode = 4401
	closeSubprotocol  websocket.StatusCode = 4406
	closeInitTimeout  websocket.StatusCode = 4408
	closeDuplicate    websocket.StatusCode = 4409
	closeInitTwice    websocket.StatusCode = 4429
)

// frame is a message of the protocol.
type frame struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// socket is one connection.
type socket struct {
	*sockets
	conn   *websocket.Conn
	exec   graphql.GraphExecutor
	header http.Header
	cancel context.CancelFunc // ends it at once

	mu         sync.Mutex
	operations map[string]*operation // those that the client has not completed, by its ids
	count      int                   // of all that have not ended
	quiet      time.Duration         // without one
	running    sync.WaitGroup
}

// operation is a subscription under way.
type operation struct {
	id     string
	params *graphql.RawParams
	stop   context.CancelFunc
}

// violation is what a client did against the protocol.
type violation struct {
	code   websocket.StatusCode
	reason string
}

func (v *violation) Error() string { return v.reason }

// run reads until the connection ends, and returns when all that it did has ended too.
func (s *socket) run(ctx context.Context) {
	err := s.read(ctx)
	s.mu.Lock()
	for _, o := range s.operations {
		o.stop()
	}
	s.mu.Unlock()
	s.running.Wait()
	if v, ok := errors.AsType[*violation](err); ok {
		_ = s.conn.Close(v.code, v.reason)
	}
	s.cancel()
	_ = s.conn.CloseNow()
}

func (s *socket) read(ctx context.Context) error {
	if err := s.greet(ctx); err != nil {
		return err
	}
	for {
		m, err := s.next(ctx)
		if err != nil {
			return err
		}
		switch m.Type {
		case "connection_init":
			err = &violation{closeInitTwice, "Too many initialisation requests"}
		case "ping":
			s.write(frame{Type: "pong", Payload: m.Payload})
		case "pong":
		case "subscribe":
			err = s.subscribe(ctx, m)
		case "complete":
			s.forget(m.ID)
		default:
			err = &violation{closeBadRequest, "The type of the message is not known"}
		}
		if err != nil {
			return err
		}
	}
}

// greet waits for connection_init. Who asks is known by then: from the cookie.
func (s *socket) greet(ctx context.Context) error {
	late := make(chan struct{})
	t := time.AfterFunc(s.init, func() {
		defer close(late)
		_ = s.conn.Close(closeInitTimeout, "Connection initialisation timeout")
	})
	defer func() {
		if !t.Stop() {
			<-late
		}
	}()
	for {
		m, err := s.next(ctx)
		switch {
		case err != nil:
			return err
		case m.Type == "connection_init":
			s.write(frame{Type: "connection_ack"})
			return nil
		case m.Type == "ping":
			s.write(frame{Type: "pong", Payload: m.Payload})
		case m.Type == "subscribe":
			return &violation{closeUnauthorized, "Unauthorized"}
		case m.Type != "pong":
			return &violation{closeBadRequest, "The type of the message is not known"}
		}
	}
}

func (s *socket) next(ctx context.Context) (m frame, err error) {
	kind, b, err := s.conn.Read(ctx)
	if err != nil {
		return m, err
	}
	if kind != websocket.MessageText || json.Unmarshal(b, &m) != nil {
		return m, &violation{closeBadRequest, "The message is not one of the protocol"}
	}
	return m, nil
}

// write sends a message. A client who does not take it is cut off.
func (s *socket) write(m frame) {
	b, err := json.Marshal(m)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), s.patience)
		defer cancel()
		err = s.conn.Write(ctx, websocket.MessageText, b)
	}
	if err != nil {
		s.cancel()
	}
}

func (s *socket) fail(id string, errs gqlerror.List) {
	b, err := json.Marshal(errs)
	if err != nil {
		s.cancel()
		return
	}
	s.write(frame{ID: id, Type: "error", Payload: b})
}

// beat finds out whether the client is still there, and whether it still wants something.
func (s *socket) beat(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.ping)
	defer cancel()
	if s.conn.Ping(ctx) != nil {
		s.cancel()
		return
	}
	s.mu.Lock()
	if s.quiet += s.ping; s.count > 0 {
		s.quiet = 0
	}
	idle := s.quiet >= s.idle
	s.mu.Unlock()
	if idle {
		_ = s.conn.Close(websocket.StatusNormalClosure, "Nothing is subscribed to")
	}
}

// restart closes the connection so that the client comes again, as it does where a
// connection is lost.
func (s *socket) restart() {
	_ = s.conn.Close(websocket.StatusServiceRestart, "Try again")
}

// subscribe begins an operation.
func (s *socket) subscribe(ctx context.Context, m frame) error {
	params, problem := parseParams(m.Payload)
	switch {
	case m.ID == "":
		return &violation{closeBadRequest, "id is missing"}
	case problem != nil:
		return &violation{closeBadRequest, problem.message}
	}
	params.Headers = s.header
	ctx, cancel := context.WithCancel(ctx)
	o := &operation{m.ID, params, cancel}
	switch taken, full := s.begin(o); {
	case taken:
		cancel()
		return &violation{closeDuplicate, fmt.Sprintf("Subscriber for %.80q already exists", m.ID)}
	case full:
		cancel()
		s.fail(m.ID, gqlerror.List{refuse(string(fault.RateLimited), "A connection has %d subscriptions at once", maxOperations)})
		return nil
	}
	s.running.Go(func() {
		defer s.ended(o)
		s.operate(ctx, o)
	})
	return nil
}

func (s *socket) begin(o *operation) (taken, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken = s.operations[o.id]; taken || s.count >= maxOperations {
		return taken, true
	}
	s.operations[o.id] = o
	s.count++
	return false, false
}

// forget ends an operation of which the client wants no more. Its id is free.
func (s *socket) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.operations[id]; ok {
		o.stop()
		delete(s.operations, id)
	}
}

// release frees the id of an operation before the client is told of the end. It reports
// whether there is somebody to be told.
func (s *socket) release(o *operation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := s.operations[o.id] == o
	if wanted {
		delete(s.operations, o.id)
	}
	return wanted
}

func (s *socket) ended(o *operation) {
	o.stop()
	s.release(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count--
}

// operate runs an operation and tells the client of its responses and its end.
func (s *socket) operate(ctx context.Context, o *operation) {
	errs, restart := s.follow(ctx, o)
	switch wanted := s.release(o); {
	case ctx.Err() != nil || !wanted:
	case restart:
		s.restart()
	case len(errs) > 0:
		s.fail(o.id, errs)
	default:
		s.write(frame{ID: o.id, Type: "complete"})
	}
}

// follow hands out the responses of an operation until its end. Errors are those that the
// client is told; with restart there are none, and it comes again by itself.
func (s *socket) follow(ctx context.Context, o *operation) (errs gqlerror.List, restart bool) {
	ctx = graphql.StartOperationTrace(ctx)
	oc := &graphql.OperationContext{}
	defer func() {
		if p := recover(); p != nil {
			s.logger.Error("panic in a subscription", "panic", p, "stack", string(debug.Stack()))
			errs, restart = gqlerror.List{refuse(string(fault.Internal), "Internal server error")}, false
		}
	}()
	caller, err := guard.CallerOf(ctx).Renewed(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.logger.Error("session could not be looked up", "error", err)
		}
		err := &fault.Error{Code: fault.AuditUnavailable, Message: "The database is unavailable", RetryAfter: time.Second}
		return ending(ctx, s.exec, oc, err), false
	}
	ctx = guard.WithCaller(ctx, caller)
	oc, errs = s.exec.CreateOperationContext(ctx, o.params)
	if len(errs) > 0 {
		return s.exec.DispatchError(graphql.WithOperationContext(ctx, oc), errs).Errors, false
	}
	if oc.Operation.Operation != ast.Subscription {
		return gqlerror.List{refuse(codeBadRequest, "This connection serves subscriptions only; send the rest with POST")}, false
	}
	one, why := perform(ctx, s.exec, oc, func() {}, func(r *graphql.Response) {
		b, err := json.Marshal(r)
		if err != nil {
			s.cancel()
			return
		}
		s.write(frame{ID: o.id, Type: "next", Payload: b})
	})
	switch {
	case one != nil:
		return one.Errors, false
	case why != nil && again(why):
		return nil, true
	case why != nil:
		return ending(ctx, s.exec, oc, why), false
	}
	return nil, false
}
