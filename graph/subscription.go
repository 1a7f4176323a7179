package graph

import (
	"context"
	"fmt"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"halite/graph/view"
	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/live"
)

// subscription is what the directive, the resolver and the transport of a subscription know
// of one another.
type subscription struct {
	// Of the resolver: what goes on once the gate has let it through, and what is to be done
	// if it does not.
	follow  func(ctx context.Context, began int64) (count int64, err error)
	abandon func()
	// Of the directive: closed when the last row is durable; nil = it has not begun. why is
	// set by then.
	ended chan struct{}
	why   error
}

type subscriptionKey struct{}

// subscribe puts a subscription through the gate: it is a stream of it. What the resolver
// has prepared goes on in a goroutine that the transport waits for.
func (gt *gate) subscribe(ctx context.Context, a guard.Action, next graphql.Resolver) (any, error) {
	sub, ok := ctx.Value(subscriptionKey{}).(*subscription)
	if !ok {
		return nil, fault.From(fmt.Errorf("%s: no transport looks after the subscription", a.Name))
	}
	var events any
	s, err := gt.guard.Begin(ctx, a, func(ctx context.Context) (err error) {
		events, err = next(ctx)
		return err
	})
	if err != nil {
		if sub.abandon != nil {
			sub.abandon()
		}
		return nil, err
	}
	sub.ended = make(chan struct{})
	go func() {
		defer close(sub.ended)
		sub.why = s.Run(func(ctx context.Context) (int64, error) { return sub.follow(ctx, s.Began()) })
	}()
	return events, nil
}

// entriesAdded is the resolver of auditEntryAdded: it prepares a stream of the feed.
func (r *Resolver) entriesAdded(ctx context.Context, filter *audit.Filter, after *string) (<-chan *view.Entry, error) {
	sub, ok := ctx.Value(subscriptionKey{}).(*subscription)
	if !ok {
		return nil, fmt.Errorf("no transport looks after the subscription")
	}
	f, err := checked(filter)
	if err != nil {
		return nil, err
	}
	var from *int64
	if after != nil {
		id, err := strconv.ParseInt(*after, 10, 64)
		if err != nil {
			return nil, fault.Input("after", "should be the id of an entry, or 0")
		}
		from = &id
	}
	st, err := r.Live.Open(ctx, guard.CallerOf(ctx).Principal.UserID, f, from)
	if err != nil {
		return nil, err
	}
	entries := make(chan *view.Entry)
	sub.abandon = st.Close
	sub.follow = func(ctx context.Context, began int64) (count int64, err error) {
		defer st.Close()
		defer close(entries)
		err = st.Follow(ctx, began, func(b live.Batch) error {
			if g := b.Gap; g != nil {
				return fault.Input("after", fmt.Sprintf("the entries from %d to %d are not kept any more", g.First, g.Last))
			}
			for i := range b.Entries {
				select {
				case entries <- &view.Entry{Entry: &b.Entries[i]}:
					count++
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
		return count, err
	}
	return entries, nil
}

// perform runs an operation. If it is a subscription that the gate let through, it calls
// begun, and then next with each response, until the subscription is over and its last row is
// durable; then why says what ended it, nil if ctx did. Of all else it returns the one
// response, which may be nil if ctx ended.
func perform(ctx context.Context, exec graphql.GraphExecutor, oc *graphql.OperationContext, begun func(), next func(*graphql.Response)) (one *graphql.Response, why error) {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	sub := &subscription{}
	responses, inner := exec.DispatchOperation(context.WithValue(withDecisions(inner), subscriptionKey{}, sub), oc)
	if sub.ended == nil {
		return responses(inner), nil
	}
	defer func() { // whatever happens in between
		cancel()
		<-sub.ended
		if ctx.Err() == nil {
			why = sub.why
		}
	}()
	begun()
	for r := responses(inner); r != nil; r = responses(inner) {
		next(r)
	}
	return nil, nil
}

// ending is a failure at the end of a subscription as a client sees it.
func ending(ctx context.Context, exec graphql.GraphExecutor, oc *graphql.OperationContext, why error) gqlerror.List {
	return exec.DispatchError(graphql.WithOperationContext(ctx, oc), gqlerror.List{gqlerror.Wrap(why)}).Errors
}

// again reports whether a subscription that ended so can be begun anew where it was: the
// clients of the protocols do so by themselves when a connection is lost, and not when they
// are told of an error.
func again(why error) bool { return fault.From(why).RetryAfter > 0 }

// checkSubscription refuses what selects no field or two at the root, which the validation
// lets through where aliases or @skip make it so.
func checkSubscription(oc *graphql.OperationContext) *gqlerror.Error {
	if oc.Operation.Operation == ast.Subscription && len(graphql.CollectFields(oc, oc.Operation.SelectionSet, []string{"Subscription"})) != 1 {
		return refuse(codeBadRequest, "A subscription selects one field at its root")
	}
	return nil
}
