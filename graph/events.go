package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"halite/internal/every"
	"halite/internal/fault"
)

const typeEvents = "text/event-stream"

// events is GraphQL over SSE in its "distinct connections mode": an answer is an operation,
// `next` is each of its responses, `complete` its end. Without the latter the client comes
// again.
type events struct {
	to       http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
	gone     context.CancelFunc // called when the client does not take what is sent

	mu sync.Mutex
}

// serve answers an operation.
func (t transport) serve(w http.ResponseWriter, ctx context.Context, exec graphql.GraphExecutor, oc *graphql.OperationContext) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	subscribes := oc.Operation.Operation == ast.Subscription
	if !subscribes { // the responses of a subscription are hours apart
		ctx = withSealed(ctx)
	}
	out := t.events(w, cancel)
	var beats *every.Task
	defer func() {
		if beats != nil {
			beats.Stop()
		}
	}()
	one, why := perform(ctx, exec, oc, func() {
		out.begin()
		beats = every.Start(t.beat, func(context.Context) { out.send([]byte(":\n\n")) })
	}, out.next)
	if one != nil && one.Data == nil && !subscribes { // it was executed
		one.Data = json.RawMessage("null")
	}
	switch {
	case ctx.Err() != nil || why != nil && again(why):
	case one != nil && keepsStatus(one.Errors):
		reply{typeJSON, http.StatusOK}.write(w, one.Data, one.Errors)
	case one != nil:
		out.whole(one)
	case why != nil:
		out.next(&graphql.Response{Errors: ending(ctx, exec, oc, why)})
		out.complete()
	}
}

func (t transport) events(w http.ResponseWriter, gone context.CancelFunc) *events {
	return &events{to: w, control: http.NewResponseController(w), patience: t.patience, gone: gone}
}

// keepsStatus reports whether errs have an HTTP status of their own.
func keepsStatus(errs gqlerror.List) bool {
	for _, e := range errs {
		if code, _ := e.Extensions["code"].(fault.Code); code == fault.RateLimited || code == fault.AuditUnavailable {
			return true
		}
	}
	return false
}

// whole is the answer of an operation that has one response.
func (e *events) whole(r *graphql.Response) {
	e.begin()
	e.next(r)
	e.complete()
}

func (e *events) begin() {
	e.to.Header().Set("Content-Type", typeEvents)
	e.to.Header().Set("X-Accel-Buffering", "no") // nginx would keep events back
	e.to.WriteHeader(http.StatusOK)
	e.send([]byte(":\n\n"))
}

// next sends a response. One without data is of what was not executed, a subscription that
// was refused included: it has errors alone.
func (e *events) next(r *graphql.Response) {
	var body any = r
	if r.Data == nil {
		body = struct {
			Errors gqlerror.List `json:"errors"`
		}{r.Errors}
	}
	text, err := json.Marshal(body)
	if err != nil {
		e.gone()
		return
	}
	e.send(append(append([]byte("event: next\ndata: "), text...), "\n\n"...))
}

func (e *events) complete() { e.send([]byte("event: complete\ndata:\n\n")) }

func (e *events) send(b []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.control.SetWriteDeadline(time.Now().Add(e.patience))
	if err == nil {
		_, err = e.to.Write(b)
	}
	if err = errors.Join(err, e.control.Flush()); err != nil {
		e.gone()
	}
}
