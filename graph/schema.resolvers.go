package graph

import (
	"context"
	"errors"
	"strconv"

	"github.com/google/uuid"

	"halite/graph/internal/generated"
	"halite/graph/view"
	"halite/internal/audit"
	"halite/internal/directory"
	"halite/internal/fault"
	"halite/internal/policy"
	"halite/internal/salt"
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

// RunCommand is the resolver for the runCommand field.
func (r *mutationResolver) RunCommand(ctx context.Context, input generated.RunCommandInput) (*salt.Started, error) {
	kwargs, err := object("kwargs", input.Kwargs)
	if err != nil {
		return nil, err
	}
	return answer(r.Dispatch.Run(ctx, salt.Job{
		Target: input.Target, TargetType: string(input.TargetType), Fun: input.Fun, Args: input.Args, Kwargs: kwargs,
	}))
}

// AcceptKey is the resolver for the acceptKey field.
func (r *mutationResolver) AcceptKey(ctx context.Context, id string) (*bool, error) {
	return done(r.Dispatch.AcceptKey(ctx, id))
}

// RejectKey is the resolver for the rejectKey field.
func (r *mutationResolver) RejectKey(ctx context.Context, id string) (*bool, error) {
	return done(r.Dispatch.RejectKey(ctx, id))
}

// DeleteKey is the resolver for the deleteKey field.
func (r *mutationResolver) DeleteKey(ctx context.Context, id string) (*bool, error) {
	return done(r.Dispatch.DeleteKey(ctx, id))
}

// KillJob is the resolver for the killJob field.
func (r *mutationResolver) KillJob(ctx context.Context, jid string) (*bool, error) {
	return done(r.Dispatch.KillJob(ctx, jid))
}

// UpdateSaltSettings is the resolver for the updateSaltSettings field.
func (r *mutationResolver) UpdateSaltSettings(ctx context.Context, input generated.SaltSettingsInput) (*view.Settings, error) {
	return shown(r.Settings.Update(ctx, settingsPatch(input)))
}

// TestSaltSettings is the resolver for the testSaltSettings field.
func (r *mutationResolver) TestSaltSettings(ctx context.Context, input generated.SaltConnectionInput) (*salt.TestResult, error) {
	return tested(ctx, func() (salt.TestResult, error) {
		return r.Settings.Test(ctx, salt.Settings{
			URL: input.URL, Username: input.Username, Password: input.Password, Verify: input.Verify, EAuth: string(input.Eauth),
		})
	})
}

// TestSavedSaltSettings is the resolver for the testSavedSaltSettings field.
func (r *mutationResolver) TestSavedSaltSettings(ctx context.Context) (*salt.TestResult, error) {
	return tested(ctx, func() (salt.TestResult, error) { return r.Settings.TestSaved(ctx) })
}

// CreateUser is the resolver for the createUser field.
func (r *mutationResolver) CreateUser(ctx context.Context, input generated.CreateUserInput) (*directory.User, error) {
	return answer(r.Directory.CreateUser(ctx, directory.NewUser{
		Username: input.Username, DisplayName: input.DisplayName, Email: input.Email, Password: input.Password,
		MustChangePassword: input.MustChangePassword, RoleIDs: input.RoleIds,
	}))
}

// UpdateUser is the resolver for the updateUser field.
func (r *mutationResolver) UpdateUser(ctx context.Context, id uuid.UUID, input generated.UpdateUserInput) (*directory.User, error) {
	patch := directory.UserPatch{DisplayName: input.DisplayName, Active: input.IsActive}
	if email, ok := input.Email.ValueOK(); ok {
		patch.Email = directory.Sent(email)
	}
	return answer(r.Directory.UpdateUser(ctx, id, patch))
}

// DeleteUser is the resolver for the deleteUser field.
func (r *mutationResolver) DeleteUser(ctx context.Context, id uuid.UUID) (*bool, error) {
	return done(r.Directory.DeleteUser(ctx, id))
}

// ResetPassword is the resolver for the resetPassword field.
func (r *mutationResolver) ResetPassword(ctx context.Context, id uuid.UUID, newPassword string, mustChangePassword bool) (*bool, error) {
	return done(r.Directory.ResetPassword(ctx, id, newPassword, mustChangePassword))
}

// AddUserRole is the resolver for the addUserRole field.
func (r *mutationResolver) AddUserRole(ctx context.Context, userID uuid.UUID, roleID uuid.UUID) (*directory.User, error) {
	if _, err := r.Directory.AddUserRole(ctx, userID, roleID); err != nil {
		return nil, err
	}
	return answer(r.Directory.User(ctx, userID))
}

// RemoveUserRole is the resolver for the removeUserRole field.
func (r *mutationResolver) RemoveUserRole(ctx context.Context, userID uuid.UUID, roleID uuid.UUID) (*bool, error) {
	return done(r.Directory.RemoveUserRole(ctx, userID, roleID))
}

// CreateRole is the resolver for the createRole field.
func (r *mutationResolver) CreateRole(ctx context.Context, name string, description string) (*directory.Role, error) {
	return answer(r.Directory.CreateRole(ctx, name, description))
}

// UpdateRole is the resolver for the updateRole field.
func (r *mutationResolver) UpdateRole(ctx context.Context, id uuid.UUID, description *string) (*directory.Role, error) {
	return answer(r.Directory.UpdateRole(ctx, id, description))
}

// DeleteRole is the resolver for the deleteRole field.
func (r *mutationResolver) DeleteRole(ctx context.Context, id uuid.UUID) (*bool, error) {
	return done(r.Directory.DeleteRole(ctx, id))
}

// AddPermission is the resolver for the addPermission field.
func (r *mutationResolver) AddPermission(ctx context.Context, roleID uuid.UUID, verb string, resourceGlob string) (*directory.Permission, error) {
	return answer(r.Directory.AddPermission(ctx, roleID, verb, resourceGlob))
}

// RemovePermission is the resolver for the removePermission field.
func (r *mutationResolver) RemovePermission(ctx context.Context, roleID uuid.UUID, permissionID uuid.UUID) (*bool, error) {
	return done(r.Directory.RemovePermission(ctx, roleID, permissionID))
}

// AuditEntries is the resolver for the auditEntries field.
func (r *queryResolver) AuditEntries(ctx context.Context, filter *audit.Filter, limit int64, offset int64) (*view.Page, error) {
	q := audit.Query{
		Limit: int(limit), Offset: offset,
		Counted: selects(ctx, "total") || selects(ctx, "totalIsExact"), Brief: brief(ctx, "entries"),
	}
	if filter != nil {
		q.Filter = *filter
	}
	if err := rule(q.Check()); err != nil {
		return nil, err
	}
	if !selects(ctx, "entries") && !selects(ctx, "searchedTo") {
		q.Limit = 0
	}
	page, err := r.Log.List(ctx, q)
	if err != nil {
		return nil, err
	}
	proofs, err := r.proofs(ctx, page.Entries, "entries")
	if err != nil {
		return nil, err
	}
	return view.NewPage(page, proofs), nil
}

// AuditLog is the resolver for the auditLog field.
func (r *queryResolver) AuditLog(ctx context.Context, filter *audit.Filter, first *int64, after *string, last *int64, before *string) (*view.Connection, error) {
	return r.connection(ctx, filter, connectionArgs{first, last, after, before})
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
	return r.entry(ctx, e)
}

// AuditStats is the resolver for the auditStats field.
func (r *queryResolver) AuditStats(ctx context.Context, filter *audit.Filter, bucket *audit.Step) (*view.Stats, error) {
	f, err := checked(filter)
	if err != nil {
		return nil, err
	}
	var step audit.Step
	if bucket != nil {
		step = *bucket
	}
	stats, err := r.Log.Stats(ctx, f, step)
	if err != nil {
		return nil, rule(err)
	}
	return &view.Stats{Stats: stats}, nil
}

// AuditFacets is the resolver for the auditFacets field.
func (r *queryResolver) AuditFacets(ctx context.Context, filter *audit.Filter, field audit.Facet, limit int64) (*view.Facets, error) {
	if limit < 1 || limit > audit.MaxFacets {
		return nil, fault.Input("limit", "should be from 1 to 100")
	}
	f, err := checked(filter)
	if err != nil {
		return nil, err
	}
	facets, err := r.Log.Facets(ctx, f, field, int(limit))
	if err != nil {
		return nil, err
	}
	return view.NewFacets(facets, field), nil
}

// AuditActions is the resolver for the auditActions field.
func (r *queryResolver) AuditActions(ctx context.Context) ([]string, error) {
	return r.Log.Actions(ctx)
}

// OpenIntents is the resolver for the openIntents field.
func (r *queryResolver) OpenIntents(ctx context.Context, limit int64) ([]view.Intent, error) {
	if err := rule(audit.Query{Limit: int(limit)}.Check()); err != nil {
		return nil, err
	}
	intents, err := r.Intents.OpenIntents(ctx, int(limit))
	return view.NewIntents(intents), err
}

// AuditStorage is the resolver for the auditStorage field.
func (r *queryResolver) AuditStorage(ctx context.Context) (*view.Storage, error) {
	s, err := r.Retention.Storage(ctx)
	if err != nil {
		return nil, err
	}
	return &view.Storage{Storage: s}, nil
}

// Checkpoint is the resolver for the checkpoint field.
func (r *queryResolver) Checkpoint(ctx context.Context) (*view.Checkpoint, error) {
	return r.checkpoint(ctx)
}

// ConsistencyProof is the resolver for the consistencyProof field.
func (r *queryResolver) ConsistencyProof(ctx context.Context, from int64, to *int64) (*view.ConsistencyProof, error) {
	return r.consistency(ctx, from, to)
}

// Me is the resolver for the me field.
func (r *queryResolver) Me(ctx context.Context) (*view.Me, error) {
	p, err := principal(ctx)
	if err != nil {
		return nil, err
	}
	return &view.Me{Principal: p}, nil
}

// MyPermissions is the resolver for the myPermissions field.
func (r *queryResolver) MyPermissions(ctx context.Context) ([]view.HeldPermission, error) {
	p, err := principal(ctx)
	if err != nil {
		return nil, err
	}
	return view.NewHeld(p), nil
}

// Can is the resolver for the can field.
func (r *queryResolver) Can(ctx context.Context, verb string, resource string, userID *uuid.UUID) (*policy.Verdict, error) {
	p, err := principal(ctx)
	if userID != nil && (err != nil || *userID != p.UserID) {
		return r.explain(ctx, *userID, verb, resource)
	}
	if err != nil {
		return nil, err
	}
	return answer(r.Directory.Explain(ctx, p.UserID, verb, resource))
}

// Keys is the resolver for the keys field.
func (r *queryResolver) Keys(ctx context.Context) ([]view.Key, error) {
	keys, err := r.Dispatch.Keys(ctx)
	return view.NewKeys(keys), err
}

// Job is the resolver for the job field.
func (r *queryResolver) Job(ctx context.Context, jid string) (*salt.JobDetail, error) {
	return answer(r.Dispatch.Job(ctx, jid))
}

// Jobs is the resolver for the jobs field.
func (r *queryResolver) Jobs(ctx context.Context, limit int64) ([]salt.JobSummary, error) {
	return r.Dispatch.Jobs(ctx, int(limit))
}

// Settings is the resolver for the settings field.
func (r *queryResolver) Settings(ctx context.Context) (*view.Settings, error) {
	return shown(r.Resolver.Settings.Salt(ctx))
}

// Users is the resolver for the users field.
func (r *queryResolver) Users(ctx context.Context, limit int64, offset int64) (*directory.UserPage, error) {
	return answer(r.Directory.Users(ctx, int(limit), int(offset)))
}

// User is the resolver for the user field.
func (r *queryResolver) User(ctx context.Context, id uuid.UUID) (*directory.User, error) {
	return answer(r.Directory.User(ctx, id))
}

// Roles is the resolver for the roles field.
func (r *queryResolver) Roles(ctx context.Context) ([]directory.Role, error) {
	return r.Directory.Roles(ctx)
}

// Role is the resolver for the role field.
func (r *queryResolver) Role(ctx context.Context, id uuid.UUID) (*directory.Role, error) {
	return answer(r.Directory.Role(ctx, id))
}

// AuditEntryAdded is the resolver for the auditEntryAdded field.
func (r *subscriptionResolver) AuditEntryAdded(ctx context.Context, filter *audit.Filter, after *string) (<-chan *view.Entry, error) {
	return r.entriesAdded(ctx, filter, after)
}

// Mutation returns generated.MutationResolver implementation.
func (r *Resolver) Mutation() generated.MutationResolver { return &mutationResolver{r} }

// Query returns generated.QueryResolver implementation.
func (r *Resolver) Query() generated.QueryResolver { return &queryResolver{r} }

// Subscription returns generated.SubscriptionResolver implementation.
func (r *Resolver) Subscription() generated.SubscriptionResolver { return &subscriptionResolver{r} }

type (
	mutationResolver     struct{ *Resolver }
	queryResolver        struct{ *Resolver }
	subscriptionResolver struct{ *Resolver }
)
