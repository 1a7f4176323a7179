package graph

import (
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"halite/internal/guard"
)

// What the tests of the directive put together with a schema of their own.
var (
	NewServer   = newServer
	CheckGuards = checkGuards
)

// SetTimes sets what a WebSocket waits for.
func (h *Handler) SetTimes(init, ping, idle time.Duration) {
	h.sockets.init, h.sockets.ping, h.sockets.idle = init, ping, idle
}

// NewDirective is @requirePerm, for a schema that is given later.
func NewDirective(g *guard.Guard, names Names) (directive func(context.Context, any, graphql.Resolver, string, string, string, guard.Effect, int64) (any, error), bind func(*ast.Schema)) {
	gt := &gate{guard: g, names: names}
	return gt.requirePerm, func(s *ast.Schema) { gt.schema = s }
}

// Expand is a resource whose names are those of the map.
func Expand(template string, args map[string]any, names map[string]string) string {
	return expand(template, args, func(v string) string {
		if name, ok := names[v]; ok {
			return name
		}
		return v
	})
}
