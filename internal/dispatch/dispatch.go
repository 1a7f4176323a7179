// Package dispatch carries out at Salt what the gate has allowed: it finds the client
// of the settings of this moment, makes the intent durable before anything is sent, and
// finds out later what became of what was left open.
package dispatch

import (
	"context"
	"fmt"
	"time"

	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/salt"
)

// Clients hands out a client of the Salt master. *settings.Service is one.
type Clients interface {
	// Client returns a client that may be used by several at once, or SaltUnavailable.
	Client(ctx context.Context) (*salt.Client, error)
}

// Moments hands out moments, no two of them the same, over all servers: the ids of jobs
// are made of them, and a minion that sees one twice runs but one of the two. *db.DB is
// one.
type Moments interface {
	// NextMoment returns the present, to the microsecond, or a little more.
	NextMoment(ctx context.Context) (time.Time, error)
}

// Service stands behind the gate: what has an effect is called inside guard.Do with the
// effect Outside. It is safe for concurrent use. Errors are those of package salt, and
// SaltUnavailable where Salt is not configured.
type Service struct {
	clients Clients
	moments Moments
}

// NewService returns a service that uses clients, and names jobs by moments.
func NewService(clients Clients, moments Moments) *Service { return &Service{clients, moments} }

// Run sends a job to its minions. The job's id is chosen here, and is in the intent.
func (s *Service) Run(ctx context.Context, j salt.Job) (salt.Started, error) {
	if err := j.Check(); err != nil {
		return salt.Started{}, err
	}
	c, err := s.clients.Client(ctx)
	if err != nil {
		return salt.Started{}, err
	}
	now, err := s.moments.NextMoment(ctx)
	if err != nil {
		return salt.Started{}, err
	}
	j.JID = salt.NewJID(now)
	o := guard.OutcomeOf(ctx)
	started, err := c.Run(ctx, j, func(ctx context.Context) error {
		o.SaltJID = j.JID
		return guard.Intend(ctx)
	})
	switch f := fault.From(err); {
	case f == nil:
	case f.OutcomeUnknown:
		unknown := *f
		unknown.Message = fmt.Sprintf("%s; it is not known whether the job %s runs, the log will say", f.Message, j.JID)
		return started, &unknown
	default:
		o.SaltJID = "" // there is no such job
	}
	return started, err
}

// AcceptKey accepts the key of the minion id, whatever its status.
func (s *Service) AcceptKey(ctx context.Context, id string) error {
	return s.changeKey(ctx, id, (*salt.Client).AcceptKey)
}

// RejectKey rejects the key of the minion id, whatever its status.
func (s *Service) RejectKey(ctx context.Context, id string) error {
	return s.changeKey(ctx, id, (*salt.Client).RejectKey)
}

// DeleteKey deletes every key of the minion id.
func (s *Service) DeleteKey(ctx context.Context, id string) error {
	return s.changeKey(ctx, id, (*salt.Client).DeleteKey)
}

func (s *Service) changeKey(ctx context.Context, id string, change func(*salt.Client, context.Context, string, salt.Begin) error) error {
	if err := salt.CheckKeyID(id); err != nil {
		return err
	}
	c, err := s.clients.Client(ctx)
	if err != nil {
		return err
	}
	return change(c, ctx, id, guard.Intend)
}

// KillJob kills the processes of a job on its minions.
func (s *Service) KillJob(ctx context.Context, jid string) error {
	if err := salt.CheckJID(jid); err != nil {
		return err
	}
	guard.OutcomeOf(ctx).SaltJID = jid
	c, err := s.clients.Client(ctx)
	if err != nil {
		return err
	}
	return c.KillJob(ctx, jid, guard.Intend)
}

// Keys returns the keys of all minions.
func (s *Service) Keys(ctx context.Context) ([]salt.Key, error) {
	c, err := s.clients.Client(ctx)
	if err != nil {
		return nil, err
	}
	return c.Keys(ctx)
}

// Job returns a job with what its minions have answered so far.
func (s *Service) Job(ctx context.Context, jid string) (salt.JobDetail, error) {
	if err := salt.CheckJID(jid); err != nil {
		return salt.JobDetail{}, err
	}
	guard.OutcomeOf(ctx).SaltJID = jid
	c, err := s.clients.Client(ctx)
	if err != nil {
		return salt.JobDetail{}, err
	}
	return c.Job(ctx, jid)
}

// MaxJobs bounds Jobs.
const MaxJobs = 500

// Jobs returns the jobs that the master remembers, newest first, limit at most: 1 to
// MaxJobs.
func (s *Service) Jobs(ctx context.Context, limit int) ([]salt.JobSummary, error) {
	if limit < 1 || limit > MaxJobs {
		return nil, fault.Input("limit", fmt.Sprintf("should be from 1 to %d", MaxJobs))
	}
	c, err := s.clients.Client(ctx)
	if err != nil {
		return nil, err
	}
	return c.Jobs(ctx, limit)
}
