// Package graph is the GraphQL edge: thin resolvers, the directive that guards
// fields, limits, and errors as clients see them.
package graph

import (
	"context"
	"errors"
	"log/slog"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"halite/graph/internal/generated"
	"halite/graph/view"
	"halite/internal/audit"
	"halite/internal/auth"
	"halite/internal/cursor"
	"halite/internal/directory"
	"halite/internal/dispatch"
	"halite/internal/guard"
	"halite/internal/live"
	"halite/internal/proof"
	"halite/internal/retention"
	"halite/internal/settings"
)

//go:generate go tool gqlgen generate

// Resolver holds what the resolvers ask.
type Resolver struct {
	Log       audit.Reader
	Live      *live.Feed
	Intents   audit.OpenIntents
	Guard     *guard.Guard
	Auth      *auth.Service
	Directory *directory.Service
	Settings  *settings.Service
	Dispatch  *dispatch.Service
	Cursors   *cursor.Signer // of auditLog
	Retention *retention.Keeper
	Proofs    proof.Source
}

// Handler serves GraphQL over HTTP, GraphQL over SSE and graphql-transport-ws.
type Handler struct {
	*handler.Server
	sockets *sockets
}

// Close tells the clients of WebSockets to come again, elsewhere or later; none begins from
// now on. It does not wait: a server that ends calls it while others are still answered.
func (h *Handler) Close() { h.sockets.end() }

// Stop closes the WebSockets and returns when all of them have ended and left their rows. It
// is called when nothing else is served any more.
func (h *Handler) Stop() { h.sockets.stop() }

// NewHandler serves GraphQL until Stop. Whoever serves it has looked at the Origin of requests
// for a WebSocket. The caller (package guard) and the session
// (package auth) are in the request's context. It fails if the schema guards a field
// in a way that cannot work, or asks more of a list than that does.
func NewHandler(r *Resolver, logger *slog.Logger) (*Handler, error) {
	g := &gate{guard: r.Guard, names: r.Directory}
	cfg := generated.Config{Resolvers: r}
	cfg.Directives.RequirePerm = g.requirePerm
	cfg.Complexity.Query.AuditEntries = pageComplexity
	cfg.Complexity.Query.AuditLog = connectionComplexity
	cfg.Complexity.Query.AuditStats = statsComplexity
	cfg.Complexity.Query.AuditFacets = facetsComplexity
	cfg.Complexity.Query.AuditActions = func(int) int { return countComplexity }
	cfg.Complexity.Query.OpenIntents = listComplexity
	cfg.Complexity.Query.Jobs = listComplexity
	cfg.Complexity.Query.Users = func(child int, limit, _ int64) int { return listComplexity(child, limit) }
	cfg.Complexity.Query.ConsistencyProof = consistencyComplexity
	cfg.Complexity.AuditEntry.InclusionProof = inclusionComplexity
	schema := generated.NewExecutableSchema(cfg)
	g.schema = schema.Schema()
	if err := errors.Join(checkGuards(g.schema), view.CheckSchema(g.schema)); err != nil {
		return nil, err
	}
	return newServer(schema, r.Live, logger), nil
}

func newServer(schema graphql.ExecutableSchema, feed *live.Feed, logger *slog.Logger) *Handler {
	srv := handler.New(schema)
	h := &Handler{srv, newSockets(feed.Patience, logger)}
	srv.AddTransport(h.sockets)
	srv.AddTransport(transport{beat: feed.Beat, patience: feed.Patience})
	srv.SetParserTokenLimit(maxTokens)
	srv.SetQueryCache(lru.New[*ast.QueryDocument](queryCache))
	srv.SetErrorPresenter(presenter(logger))
	srv.SetRecoverFunc(recovered(logger))
	srv.Use(persisted{extension.AutomaticPersistedQuery{Cache: lru.New[string](queryCache)}})
	srv.Use(limits{})
	srv.Use(extension.FixedComplexityLimit(maxComplexity))
	return h
}

// persisted is automatic persisted queries with a code for each of its errors.
type persisted struct {
	extension.AutomaticPersistedQuery
}

func (p persisted) MutateOperationParameters(ctx context.Context, params *graphql.RawParams) *gqlerror.Error {
	err := p.AutomaticPersistedQuery.MutateOperationParameters(ctx, params)
	if err != nil && err.Extensions["code"] == nil {
		err.Extensions = map[string]any{"code": codeBadRequest}
	}
	return err
}
