package directory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/policy"
)

// keepingAdministrator runs change, and refuses it if it took the last administrator: an
// active user who holds the pair `*` `*`. The caller holds the lock of the directory;
// the error takes back what change did.
func (s *Service) keepingAdministrator(ctx context.Context, change func() error) error {
	before, err := s.store.AnyAdministrator(ctx)
	if err != nil {
		return err
	}
	if err := change(); err != nil || !before {
		return err
	}
	after, err := s.store.AnyAdministrator(ctx)
	if err == nil && !after {
		return fault.New(fault.Conflict, "This would remove the last active administrator")
	}
	return err
}

// covered refuses to give away what the caller does not hold himself: each pair must be
// covered by one of his, as they are at this moment. what is done with the pair is for
// the message. A caller without a principal runs the server's own commands, and may.
func (s *Service) covered(ctx context.Context, what string, pairs []policy.Permission) error {
	caller := guard.CallerOf(ctx).Principal
	if caller == nil {
		return nil
	}
	// Not the caller's own roles: those are of the request's beginning.
	now, err := s.store.Principal(ctx, caller.UserID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	var held []policy.Permission
	if now != nil && now.Active {
		held = pairsOf(now)
	}
	for _, pair := range pairs {
		if err := ctx.Err(); err != nil {
			return err
		}
		covers := func(h policy.Permission) bool { return policy.Covers(h, pair) }
		if !slices.ContainsFunc(held, covers) {
			return fault.New(fault.Forbidden, fmt.Sprintf("%s %q needs a permission that covers it", what, pair.Verb+" "+pair.ResourceGlob))
		}
	}
	return nil
}

// coversRightsOf is covered for everything that a user holds, or would if he were active.
func (s *Service) coversRightsOf(ctx context.Context, what string, userID uuid.UUID) error {
	p, err := s.store.Principal(ctx, userID)
	if err != nil {
		return orFault(err, errNoUser)
	}
	return s.covered(ctx, what, pairsOf(p))
}

func pairsOf(p *policy.Principal) []policy.Permission {
	var pairs []policy.Permission
	for _, r := range p.Roles {
		pairs = append(pairs, r.Permissions...)
	}
	return pairs
}

// note puts what differs between two states into the row.
func note(ctx context.Context, was, now map[string]any) {
	before, after := maps.Clone(was), maps.Clone(now)
	for key, value := range was {
		if now[key] == value {
			delete(before, key)
			delete(after, key)
		}
	}
	if o := guard.OutcomeOf(ctx); len(before) > 0 {
		o.Before, o.After = before, after
	}
}
