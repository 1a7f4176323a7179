package graph

import (
	"context"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"halite/internal/fault"
	"halite/internal/guard"
)

// Names knows what the objects in the log are called. *directory.Service is one.
type Names interface {
	// Name returns the name of the object of a namespace (user, role) with the id, and
	// whether there is one.
	Name(ctx context.Context, namespace string, id uuid.UUID) (string, bool, error)
}

// gate is the directive's side of the one gate.
type gate struct {
	guard  *guard.Guard
	names  Names
	schema *ast.Schema // of the fields that it guards
}

// requirePerm is the directive: it puts each guarded field through the one gate.
//
// The elements of a list share one decision and one row: what counts is the path of
// the field in the response without list indexes, so that aliases stay apart. The
// first element to come asks; the others wait for its row.
func (gt *gate) requirePerm(ctx context.Context, _ any, next graphql.Resolver, action, verb, resource string, effect guard.Effect, success int64) (any, error) {
	fc := graphql.GetFieldContext(ctx)
	d, first := decisionsOf(ctx).at(fc.Path())
	if !first {
		<-d.done
		if d.refused != nil {
			return nil, d.refused
		}
		return next(ctx)
	}
	// It is a no until the gate has answered: a panic there must let nobody pass.
	d.refused = fault.New(fault.Internal, "Internal server error")
	defer close(d.done)
	args := fc.Field.ArgumentMap(graphql.GetOperationContext(ctx).Variables)
	a := guard.Action{
		Name: action, Verb: verb, Effect: effect, Success: int(success), Args: recordedArgs(gt.schema, fc.Field.Definition, args),
		Named: func(ctx context.Context) (string, error) { return gt.resource(ctx, resource, args) },
	}
	if graphql.GetOperationContext(ctx).Operation.Operation == ast.Subscription && fc.Object == "Subscription" {
		value, err := gt.subscribe(ctx, a, next)
		d.refused = err
		return value, err
	}
	var value any
	ran := false
	err := gt.guard.Do(ctx, a, func(ctx context.Context) (err error) {
		ran = true
		value, err = next(ctx)
		return err
	})
	d.refused = nil
	if err != nil && (!ran || fault.From(err).Code == fault.AuditUnavailable) {
		d.refused = err
	}
	if err != nil {
		return nil, err
	}
	return value, nil
}

// decisions are those of one operation, by path.
type decisions struct {
	mu sync.Mutex
	m  map[string]*decision
}

type decision struct {
	done    chan struct{} // closed when the row is durable
	refused error
}

type decisionsKey struct{}

func withDecisions(ctx context.Context) context.Context {
	return context.WithValue(ctx, decisionsKey{}, &decisions{m: map[string]*decision{}})
}

func decisionsOf(ctx context.Context) *decisions {
	if d, ok := ctx.Value(decisionsKey{}).(*decisions); ok {
		return d
	}
	return &decisions{m: map[string]*decision{}}
}

func (ds *decisions) at(path ast.Path) (_ *decision, first bool) {
	var key strings.Builder
	for _, p := range path {
		if name, ok := p.(ast.PathName); ok {
			key.WriteString(string(name))
			key.WriteByte('.')
		}
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	d, ok := ds.m[key.String()]
	if !ok {
		d = &decision{done: make(chan struct{})}
		ds.m[key.String()] = d
	}
	return d, !ok
}
