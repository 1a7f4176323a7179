package guard

import (
	"context"
	"errors"
	"sync"

	"github.com/google/uuid"

	"halite/internal/fault"
	"halite/internal/policy"
)

// Caller is who asks and from where. The edges put one into the context of each
// request; the guard writes it into the row.
type Caller struct {
	Principal *policy.Principal // nil: nobody is signed in
	Problem   string            // why Principal is nil, in the words of the REST contract
	Name      string            // the username of rows without a principal, such as cli:root
	// Again looks up once more who it is, for what goes on for long. Its error is a
	// *fault.Error if that is nobody any more. Nil: nothing can change.
	Again     func(ctx context.Context) (*policy.Principal, error)
	RequestID string
	SourceIP  string
	UserAgent string

	mu   sync.Mutex
	rows []int64
}

type callerKey struct{}

// WithCaller returns a context that carries c.
func WithCaller(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns the caller that ctx carries; if there is none, an anonymous one.
func CallerOf(ctx context.Context) *Caller {
	if c, ok := ctx.Value(callerKey{}).(*Caller); ok {
		return c
	}
	return &Caller{Problem: "Not authenticated"}
}

// Renewed returns the caller as he is now, without rows, for another action on a connection
// that lasts. The error says that he could not be looked up.
func (c *Caller) Renewed(ctx context.Context) (*Caller, error) {
	out := &Caller{
		Principal: c.Principal, Problem: c.Problem, Name: c.Name, Again: c.Again,
		RequestID: c.RequestID, SourceIP: c.SourceIP, UserAgent: c.UserAgent,
	}
	if c.Again == nil {
		return out, nil
	}
	p, err := c.Again(ctx)
	f, lost := errors.AsType[*fault.Error](err)
	switch {
	case lost:
		out.Principal, out.Problem, out.Again = nil, f.Message, nil
	case err != nil:
		return nil, err
	default:
		out.Principal = p
	}
	return out, nil
}

// Rows returns the ids of the rows that the request has left so far, in the order in
// which they were written.
func (c *Caller) Rows() []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]int64(nil), c.rows...)
}

func (c *Caller) left(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows = append(c.rows, id)
}

// Outcome is what only the action itself knows of its row. It is not safe for
// concurrent use; it belongs to the function that the guard runs.
type Outcome struct {
	UserID     uuid.NullUUID  // who it turned out to be, for sign-in
	Username   string         // the name that goes with UserID
	Resource   string         // replaces the action's, once the real name is known
	Args       map[string]any // replaces the action's
	Before     map[string]any // recorded beside the arguments: what a change found of what it changed
	After      map[string]any // recorded beside the arguments: what it made of that
	SaltJID    string         // the job at Salt that it started or concerns
	ResultCode int            // replaces the one for success
}

type outcomeKey struct{}

// OutcomeOf returns the outcome of the action under way in ctx. Outside of one it
// returns an outcome that nobody reads.
func OutcomeOf(ctx context.Context) *Outcome {
	if o, ok := ctx.Value(outcomeKey{}).(*Outcome); ok {
		return o
	}
	return &Outcome{}
}
