package graph

import (
	"context"
	"errors"
	"strconv"

	"halite/graph/internal/generated"
	"halite/graph/view"
	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/guard"
)

// Login is the resolver for the login field.
func (r *mutationResolver) Login(ctx context.Context, username string, password string) (*view.Me, error) {
	p, err := r.Auth.SignIn(ctx, username, password)
	if err != nil {
		return nil, err
	}
	return &view.Me{Principal: p}, nil
}

// Logout is the resolver for the logout field.
func (r *mutationResolver) Logout(ctx context.Context) (*bool, error) {
	return done(r.Auth.SignOut(ctx))
}

// ChangePassword is the resolver for the changePassword field.
func (r *mutationResolver) ChangePassword(ctx context.Context, currentPassword string, newPassword string) (*bool, error) {
	return done(renamed(r.Auth.ChangePassword(ctx, currentPassword, newPassword), "newPassword"))
}

// AuditEntries is the resolver for the auditEntries field.
func (r *queryResolver) AuditEntries(ctx context.Context, filter *audit.Filter, limit int64, offset int64) (*view.Page, error) {
	q := audit.Query{Limit: int(limit), Offset: offset, Counted: selects(ctx, "total")}
	if filter != nil {
		q.Filter = *filter
	}
	if err := checkRange(q); err != nil {
		return nil, err
	}
	if !selects(ctx, "entries") {
		q.Limit = 0
	}
	page, err := r.Log.List(ctx, q)
	if err != nil {
		return nil, err
	}
	return view.NewPage(page), nil
}

// AuditEntry is the resolver for the auditEntry field.
func (r *queryResolver) AuditEntry(ctx context.Context, id string) (*view.Entry, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n < 1 {
		return nil, fault.Input("id", "should be a number from 1 up")
	}
	e, err := r.Log.Get(ctx, n)
	if errors.Is(err, audit.ErrNotFound) {
		return nil, fault.New(fault.NotFound, "There is no entry "+id)
	}
	if err != nil {
		return nil, err
	}
	return &view.Entry{Entry: &e}, nil
}

// Me is the resolver for the me field.
func (r *queryResolver) Me(ctx context.Context) (*view.Me, error) {
	caller := guard.CallerOf(ctx)
	if caller.Principal == nil {
		return nil, fault.New(fault.Unauthenticated, caller.Problem)
	}
	return &view.Me{Principal: caller.Principal}, nil
}

// Mutation returns generated.MutationResolver implementation.
func (r *Resolver) Mutation() generated.MutationResolver { return &mutationResolver{r} }

// Query returns generated.QueryResolver implementation.
func (r *Resolver) Query() generated.QueryResolver { return &queryResolver{r} }

type (
	mutationResolver struct{ *Resolver }
	queryResolver    struct{ *Resolver }
)
