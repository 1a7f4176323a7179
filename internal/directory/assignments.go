package directory

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"halite/internal/fault"
	"halite/internal/guard"
)

// AddUserRole gives a user a role and reports whether he did not have it before; if he
// had, the row says 200. Errors: NotFound for the user, BadUserInput with the status
// 400 for the role, Forbidden for a role with more than the caller holds.
func (s *Service) AddUserRole(ctx context.Context, userID, roleID uuid.UUID) (added bool, err error) {
	u, err := s.lockedUser(ctx, userID)
	if err != nil {
		return false, err
	}
	if u.has(roleID) {
		guard.OutcomeOf(ctx).ResultCode = http.StatusOK
		return false, nil
	}
	role, err := s.store.Role(ctx, roleID)
	if err != nil {
		return false, orFault(err, badRequest("roleId", "Role not found"))
	}
	if err := s.covered(ctx, granting, role.pairs()); err != nil {
		return false, err
	}
	if err := s.store.AddUserRole(ctx, userID, roleID); err != nil {
		return false, err
	}
	return true, s.noteRoles(ctx, u)
}

// RemoveUserRole takes a role from a user. Errors: NotFound if he does not have it,
// Conflict for the last active administrator.
func (s *Service) RemoveUserRole(ctx context.Context, userID, roleID uuid.UUID) error {
	u, err := s.lockedUser(ctx, userID)
	if err != nil && !errors.Is(err, errNoUser) {
		return err
	}
	if !u.has(roleID) {
		return fault.New(fault.NotFound, "Role assignment not found")
	}
	err = s.keepingAdministrator(ctx, func() error { return s.store.RemoveUserRole(ctx, userID, roleID) })
	if err != nil {
		return err
	}
	return s.noteRoles(ctx, u)
}

// noteRoles notes the roles that the user had and has.
func (s *Service) noteRoles(ctx context.Context, was User) error {
	now, err := s.store.User(ctx, was.ID)
	o := guard.OutcomeOf(ctx)
	o.Before, o.After = map[string]any{"roles": was.roleNames()}, map[string]any{"roles": now.roleNames()}
	return err
}

func (u User) has(role uuid.UUID) bool {
	return slices.ContainsFunc(u.Roles, func(r RoleRef) bool { return r.ID == role })
}
