package directory

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/policy"
)

// CreateRole makes a role without permissions. Errors: BadUserInput, Conflict if the
// name is taken.
func (s *Service) CreateRole(ctx context.Context, name, description string) (Role, error) {
	if err := firstOf(checkText("name", name, 1, maxRoleName), checkText("description", description, 0, maxText)); err != nil {
		return Role{}, err
	}
	if err := s.store.LockDirectory(ctx); err != nil {
		return Role{}, err
	}
	r := Role{ID: uuid.New(), Name: name, Description: description}
	switch err := s.store.CreateRole(ctx, r); {
	case errors.Is(err, ErrExists):
		return Role{}, fault.New(fault.Conflict, "Role name already exists")
	case err != nil:
		return Role{}, err
	}
	guard.OutcomeOf(ctx).After = map[string]any{"id": r.ID.String()}
	return r, nil
}

// UpdateRole sets the description of a role, of a built-in one too, and returns the role
// as it is then; nil leaves it. Errors: NotFound, BadUserInput.
func (s *Service) UpdateRole(ctx context.Context, id uuid.UUID, description *string) (Role, error) {
	if description != nil {
		if err := checkText("description", *description, 0, maxText); err != nil {
			return Role{}, err
		}
	}
	r, err := s.lockedRole(ctx, id)
	if err != nil || description == nil {
		return r, err
	}
	if err := s.store.SetDescription(ctx, id, *description); err != nil {
		return Role{}, err
	}
	note(ctx, map[string]any{"description": r.Description}, map[string]any{"description": *description})
	r.Description = *description
	return r, nil
}

// DeleteRole removes a role, also from everybody who has it. Errors: NotFound; Conflict
// for a built-in role and for the last active administrator.
func (s *Service) DeleteRole(ctx context.Context, id uuid.UUID) error {
	r, err := s.lockedRole(ctx, id)
	if err != nil {
		return err
	}
	if r.Builtin {
		return fault.New(fault.Conflict, "Cannot delete a built-in role")
	}
	permissions := make([]any, 0, len(r.Permissions))
	for _, p := range r.Permissions {
		permissions = append(permissions, pairState(p.Permission))
	}
	guard.OutcomeOf(ctx).Before = map[string]any{"name": r.Name, "description": r.Description, "permissions": permissions}
	return s.keepingAdministrator(ctx, func() error { return s.store.DeleteRole(ctx, id) })
}

// AddPermission gives a role, a built-in one too, a permission; verb and glob are
// patterns. Errors: NotFound, BadUserInput, Forbidden for more than the caller holds,
// Conflict if the role has the same pair already.
func (s *Service) AddPermission(ctx context.Context, roleID uuid.UUID, verb, glob string) (Permission, error) {
	if err := firstOf(checkText("verb", verb, 1, maxVerb), checkText("resourceGlob", glob, 1, maxGlob)); err != nil {
		return Permission{}, err
	}
	r, err := s.lockedRole(ctx, roleID)
	if err != nil {
		return Permission{}, err
	}
	p := Permission{ID: uuid.New(), Permission: policy.Permission{Verb: verb, ResourceGlob: glob}}
	if err := s.covered(ctx, granting, []policy.Permission{p.Permission}); err != nil {
		return Permission{}, err
	}
	if slices.Contains(r.pairs(), p.Permission) {
		return Permission{}, fault.New(fault.Conflict, "The role has this permission already")
	}
	if err := s.store.AddPermission(ctx, roleID, p); err != nil {
		return Permission{}, err
	}
	guard.OutcomeOf(ctx).After = p.state()
	return p, nil
}

// RemovePermission takes a permission from a role, from a built-in one too: one that it
// was seeded with is back at the next start. Errors: NotFound if the role does not have
// it, Conflict for the last active administrator.
func (s *Service) RemovePermission(ctx context.Context, roleID, permissionID uuid.UUID) error {
	r, err := s.lockedRole(ctx, roleID)
	if err != nil && !errors.Is(err, errNoRole) {
		return err
	}
	i := slices.IndexFunc(r.Permissions, func(p Permission) bool { return p.ID == permissionID })
	if i < 0 {
		return fault.New(fault.NotFound, "Permission not found on this role")
	}
	guard.OutcomeOf(ctx).Before = r.Permissions[i].state()
	return s.keepingAdministrator(ctx, func() error { return s.store.RemovePermission(ctx, permissionID) })
}

// lockedRole takes the lock of the directory and returns a role, or errNoRole.
func (s *Service) lockedRole(ctx context.Context, id uuid.UUID) (Role, error) {
	if err := s.store.LockDirectory(ctx); err != nil {
		return Role{}, err
	}
	return s.Role(ctx, id)
}

// state is a permission as it is recorded.
func (p Permission) state() map[string]any {
	m := pairState(p.Permission)
	m["id"] = p.ID.String()
	return m
}

func pairState(p policy.Permission) map[string]any {
	return map[string]any{"verb": p.Verb, "resource_glob": p.ResourceGlob}
}
