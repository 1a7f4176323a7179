package directory

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"halite/internal/auth"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/policy"
)

// maxPage is how many users a page can have.
const maxPage = 500

var (
	errNoUser = fault.New(fault.NotFound, "User not found")
	errNoRole = fault.New(fault.NotFound, "Role not found")
)

// Service reads and changes the directory. It is safe for concurrent use.
//
// Errors that a caller may see are *fault.Error; the arguments that they name are named
// as in GraphQL. Every change notes in its row what it found and what it made of that.
type Service struct {
	store  Store
	hasher *auth.Hasher
}

// NewService returns a service on store.
func NewService(store Store, hasher *auth.Hasher) *Service {
	return &Service{store: store, hasher: hasher}
}

// Users returns up to limit users, 1 to 500, after the first offset ones, by name
// whatever the case.
func (s *Service) Users(ctx context.Context, limit, offset int) (UserPage, error) {
	switch {
	case limit < 1 || limit > maxPage:
		return UserPage{}, fault.Input("limit", "should be from 1 to 500")
	case offset < 0:
		return UserPage{}, fault.Input("offset", "should be 0 or more")
	}
	return s.store.Users(ctx, limit, offset)
}

// User returns a user, or NotFound.
func (s *Service) User(ctx context.Context, id uuid.UUID) (User, error) {
	u, err := s.store.User(ctx, id)
	return u, orFault(err, errNoUser)
}

// Roles returns all roles, by name.
func (s *Service) Roles(ctx context.Context) ([]Role, error) { return s.store.Roles(ctx) }

// Role returns a role, or NotFound.
func (s *Service) Role(ctx context.Context, id uuid.UUID) (Role, error) {
	r, err := s.store.Role(ctx, id)
	return r, orFault(err, errNoRole)
}

// Name returns the name of the user or the role with the id, and whether there is one.
// There is none of any other kind. It is no decision: the gate asks it, to name in its
// row what the question is about.
func (s *Service) Name(ctx context.Context, kind string, id uuid.UUID) (string, bool, error) {
	var name string
	var err error
	switch kind {
	case "user":
		var u User
		u, err = s.store.User(ctx, id)
		name = u.Username
	case "role":
		var r Role
		r, err = s.store.Role(ctx, id)
		name = r.Name
	default:
		err = ErrNotFound
	}
	if errors.Is(err, ErrNotFound) {
		return "", false, nil
	}
	return name, err == nil, err
}

// Explain says what would be decided about a user, with his roles of this moment, and
// why. Errors: NotFound, BadUserInput.
func (s *Service) Explain(ctx context.Context, userID uuid.UUID, verb, resource string) (policy.Verdict, error) {
	if err := firstOf(checkText("verb", verb, 1, maxVerb), checkText("resource", resource, 1, maxGlob)); err != nil {
		return policy.Verdict{}, err
	}
	p, err := s.store.Principal(ctx, userID)
	if err != nil {
		return policy.Verdict{}, orFault(err, errNoUser)
	}
	return guard.Decide(p, verb, resource), nil
}

// orFault returns f in the place of ErrNotFound.
func orFault(err error, f *fault.Error) error {
	if errors.Is(err, ErrNotFound) {
		return f
	}
	return err
}
