package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"halite/graph/scalar"
	"halite/internal/fault"
)

// presenter turns every error into one with a code of the closed set. What it does
// not know becomes INTERNAL_SERVER_ERROR without its text.
func presenter(logger *slog.Logger) graphql.ErrorPresenterFunc {
	return func(ctx context.Context, err error) *gqlerror.Error {
		out := &gqlerror.Error{Path: graphql.GetPath(ctx)}
		in, isGQL := errors.AsType[*gqlerror.Error](err)
		if isGQL {
			out.Path, out.Locations = in.Path, in.Locations
		}
		if f, ok := errors.AsType[*fault.Error](err); ok {
			out.Message, out.Extensions = f.Message, extensions(f)
			return out
		}
		if s, ok := errors.AsType[*scalar.Error](err); ok {
			out.Message, out.Extensions = s.Error(), map[string]any{"code": fault.BadUserInput}
			return out
		}
		// The protocol's own errors carry a code, and quote nothing but the request.
		if isGQL && in.Extensions["code"] != nil {
			out.Message, out.Extensions = in.Message, in.Extensions
			return out
		}
		logger.Error("error without a code", "error", err)
		f := fault.From(errors.New("internal"))
		out.Message, out.Extensions = f.Message, extensions(f)
		return out
	}
}

func extensions(f *fault.Error) map[string]any {
	ext := map[string]any{"code": f.Code}
	if f.AuditID != 0 {
		ext["auditId"] = fmt.Sprint(f.AuditID)
	}
	if f.Field != "" {
		ext["field"] = f.Field
	}
	if f.RetryAfter > 0 {
		ext["retryAfter"] = int(f.RetryAfter.Seconds())
	}
	if f.OutcomeUnknown {
		ext["outcomeUnknown"] = true
	}
	return ext
}

// recovered handles a panic outside of the gate.
func recovered(logger *slog.Logger) graphql.RecoverFunc {
	return func(_ context.Context, p any) error {
		logger.Error("panic in a resolver", "panic", p, "stack", string(debug.Stack()))
		return fault.From(errors.New("panic"))
	}
}
