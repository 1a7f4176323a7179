package dispatch

import (
	"context"
	"slices"
	"strings"

	"halite/internal/audit"
	"halite/internal/guard"
	"halite/internal/salt"
)

// Settle is a guard.Settler: it asks Salt whether it knows the job, or where the key is
// now. What became of a kill cannot be found out, nor whether a key that is pending now was
// deleted before.
func (s *Service) Settle(ctx context.Context, e audit.Entry) (done bool, err error) {
	_, id, _ := strings.Cut(e.Resource, ":")
	isKey := slices.Contains([]string{"key.accept", "key.reject", "key.delete"}, e.Action)
	// An id in which a secret was seen, or one that was cut, is not the id any more.
	if !isKey && e.Action != "salt.run" || isKey && (strings.Contains(id, audit.Redacted) || salt.CheckKeyID(id) != nil) {
		return false, guard.ErrNeverKnown
	}
	c, err := s.clients.Client(ctx)
	if err != nil {
		return false, err
	}
	if !isKey {
		return c.JobKnown(ctx, e.SaltJID)
	}
	statuses, err := c.KeyStatuses(ctx, id)
	switch {
	case err != nil:
		return false, err
	case e.Action == "key.accept":
		return slices.Contains(statuses, salt.KeyAccepted), nil
	case e.Action == "key.reject":
		return slices.Contains(statuses, salt.KeyRejected), nil
	case slices.Equal(statuses, []string{salt.KeyPending}):
		// The key was pending before, or a minion that runs has asked again since.
		return false, guard.ErrNeverKnown
	}
	return len(statuses) == 0, nil
}
