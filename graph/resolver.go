// Package graph is the GraphQL edge: thin resolvers, the directive that guards
// fields, limits, and errors as clients see them.
package graph

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

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
	"halite/internal/proof"
	"halite/internal/retention"
	"halite/internal/settings"
)

//go:generate go tool gqlgen generate

// Resolver holds what the resolvers ask.
type Resolver struct {
	Log       audit.Reader
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

// NewHandler serves GraphQL over HTTP. The caller (package guard) and the session
// (package auth) are in the request's context. It fails if the schema guards a field
// in a way that cannot work, or asks more of a list than that does.
func NewHandler(r *Resolver, logger *slog.Logger) (http.Handler, error) {
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
	return newServer(schema, logger), nil
}

func newServer(schema graphql.ExecutableSchema, logger *slog.Logger) *handler.Server {
	srv := handler.New(schema)
	srv.AddTransport(transport{})
	srv.SetParserTokenLimit(maxTokens)
	srv.SetQueryCache(lru.New[*ast.QueryDocument](queryCache))
	srv.SetErrorPresenter(presenter(logger))
	srv.SetRecoverFunc(recovered(logger))
	srv.Use(persisted{extension.AutomaticPersistedQuery{Cache: lru.New[string](queryCache)}})
	srv.Use(limits{})
	srv.Use(extension.FixedComplexityLimit(maxComplexity))
	return srv
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
