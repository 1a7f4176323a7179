package directory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"

	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/policy"
)

// What is done with a pair that the caller needs to hold.
const (
	granting   = "granting"
	activating = "activating a user who holds"
	resetting  = "resetting the password of a user who holds"
)

// CreateUser makes an active user. Errors: BadUserInput (roleIds: with the status 400),
// Conflict if the name is taken, Forbidden for roles with more than the caller holds.
func (s *Service) CreateUser(ctx context.Context, n NewUser) (User, error) {
	return s.create(ctx, n, false)
}

func (s *Service) create(ctx context.Context, n NewUser, builtin bool) (User, error) {
	if err := firstOf(
		checkText("username", n.Username, 1, maxName), checkText("displayName", n.DisplayName, 0, maxText),
		checkEmail("email", n.Email), checkPassword("password", n.Password),
	); err != nil {
		return User{}, err
	}
	hash, err := s.hasher.Hash(ctx, n.Password) // before the lock: it takes its time
	if err != nil {
		return User{}, err
	}
	if err := s.store.LockDirectory(ctx); err != nil {
		return User{}, err
	}
	u := User{
		ID: uuid.New(), Username: n.Username, DisplayName: n.DisplayName, Email: n.Email,
		Active: true, Builtin: builtin, MustChangePassword: n.MustChangePassword,
	}
	var pairs []policy.Permission
	if u.Roles, pairs, err = s.rolesOf(ctx, n.RoleIDs); err != nil {
		return User{}, err
	}
	if err := s.covered(ctx, granting, pairs); err != nil {
		return User{}, err
	}
	switch err := s.store.CreateUser(ctx, u, hash); {
	case errors.Is(err, ErrExists):
		return User{}, fault.New(fault.Conflict, "Username already exists")
	case err != nil:
		return User{}, err
	}
	guard.OutcomeOf(ctx).After = map[string]any{"id": u.ID.String(), "username": u.Username, "roles": u.roleNames()}
	return s.store.User(ctx, u.ID)
}

// rolesOf returns the roles with the ids, by name, and all that they permit.
func (s *Service) rolesOf(ctx context.Context, ids []uuid.UUID) ([]RoleRef, []policy.Permission, error) {
	if len(ids) == 0 {
		return nil, nil, nil
	}
	all, err := s.store.Roles(ctx)
	if err != nil {
		return nil, nil, err
	}
	var refs []RoleRef
	var pairs []policy.Permission
	for _, r := range all {
		if slices.Contains(ids, r.ID) {
			refs, pairs = append(refs, RoleRef{r.ID, r.Name}), append(pairs, r.pairs()...)
		}
	}
	var unknown []string
	for _, id := range ids {
		known := slices.ContainsFunc(refs, func(r RoleRef) bool { return r.ID == id })
		if !known && !slices.Contains(unknown, id.String()) {
			unknown = append(unknown, id.String())
		}
	}
	if unknown != nil {
		return nil, nil, badRequest("roleIds", "Unknown role IDs: "+strings.Join(unknown, ", "))
	}
	return refs, pairs, nil
}

// UpdateUser changes what the patch says and returns the user as he is then. One who is
// inactive has no session left. Errors: NotFound, BadUserInput, Conflict for the last
// active administrator, Forbidden if one who holds more than the caller would become
// active: that gives him his rights back.
func (s *Service) UpdateUser(ctx context.Context, id uuid.UUID, p UserPatch) (User, error) {
	if err := firstOf(checkText("displayName", or(p.DisplayName, ""), 0, maxText), checkEmail("email", p.Email.Value)); err != nil {
		return User{}, err
	}
	was, err := s.lockedUser(ctx, id)
	if err != nil {
		return User{}, err
	}
	now := was
	now.DisplayName, now.Active = or(p.DisplayName, was.DisplayName), or(p.Active, was.Active)
	if p.Email.Sent {
		now.Email = p.Email.Value
	}
	if now.Active && !was.Active {
		if err := s.coversRightsOf(ctx, activating, id); err != nil {
			return User{}, err
		}
	}
	if err := s.keepingAdministrator(ctx, func() error { return s.store.UpdateUser(ctx, now) }); err != nil {
		return User{}, err
	}
	if !now.Active {
		if err := s.store.EndSessions(ctx, id, nil); err != nil {
			return User{}, err
		}
	}
	note(ctx, was.state(), now.state())
	return now, nil
}

// DeleteUser removes a user and ends his sessions. Errors: NotFound; Conflict for
// oneself, a built-in user and the last active administrator.
func (s *Service) DeleteUser(ctx context.Context, id uuid.UUID) error {
	if p := guard.CallerOf(ctx).Principal; p != nil && p.UserID == id {
		return fault.New(fault.Conflict, "Cannot delete yourself")
	}
	u, err := s.lockedUser(ctx, id)
	if err != nil {
		return err
	}
	if u.Builtin {
		return fault.New(fault.Conflict, "Cannot delete a built-in user")
	}
	before := u.state()
	before["username"], before["roles"] = u.Username, u.roleNames()
	guard.OutcomeOf(ctx).Before = before
	return s.keepingAdministrator(ctx, func() error { return s.store.DeleteUser(ctx, id) })
}

// ResetPassword sets a user's password and ends all his sessions. Errors: NotFound,
// BadUserInput, Forbidden if the user holds more than the caller.
func (s *Service) ResetPassword(ctx context.Context, id uuid.UUID, newPassword string, mustChange bool) error {
	return s.resetPassword(ctx, "newPassword", newPassword, mustChange, func(ctx context.Context) (User, error) {
		return s.store.User(ctx, id)
	})
}

func (s *Service) resetPassword(ctx context.Context, field, password string, mustChange bool, find func(context.Context) (User, error)) error {
	if err := checkPassword(field, password); err != nil {
		return err
	}
	hash, err := s.hasher.Hash(ctx, password) // before the lock: it takes its time
	if err != nil {
		return err
	}
	if err := s.store.LockDirectory(ctx); err != nil {
		return err
	}
	u, err := find(ctx)
	if err != nil {
		return orFault(err, errNoUser)
	}
	if err := s.coversRightsOf(ctx, resetting, u.ID); err != nil {
		return err
	}
	if err := s.store.SetPassword(ctx, u.ID, hash, mustChange); err != nil {
		return err
	}
	if u.MustChangePassword != mustChange {
		guard.OutcomeOf(ctx).After = map[string]any{"must_change_pw": mustChange}
	}
	return s.store.EndSessions(ctx, u.ID, nil)
}

// lockedUser takes the lock of the directory and returns a user, or errNoUser.
func (s *Service) lockedUser(ctx context.Context, id uuid.UUID) (User, error) {
	if err := s.store.LockDirectory(ctx); err != nil {
		return User{}, err
	}
	return s.User(ctx, id)
}

// state is what can be changed of a user, as it is recorded.
func (u User) state() map[string]any {
	m := map[string]any{"display_name": u.DisplayName, "email": nil, "is_active": u.Active}
	if u.Email != nil {
		m["email"] = *u.Email
	}
	return m
}

// or is what was sent, else what there is.
func or[T any](sent *T, is T) T {
	if sent != nil {
		return *sent
	}
	return is
}
