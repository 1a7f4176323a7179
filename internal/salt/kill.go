package salt

import (
	"context"
	"encoding/json"
	"strings"

	"halite/internal/fault"
)

// KillJob kills the processes of the job jid on its minions, with signal 9. It is NOT_FOUND
// if the master does not remember the job, BAD_USER_INPUT if jid cannot be a job id, and
// CONFLICT if no minion was running it. It is done when one minion at least says so. A job
// that was killed never returns.
func (c *Client) KillJob(ctx context.Context, jid string, begin Begin) error {
	job, err := c.Job(ctx, jid)
	if err != nil {
		return err
	}
	notRunning := fault.New(fault.Conflict, "no minion was running the job")
	if len(job.Minions) == 0 {
		return notRunning
	}
	// The function is the minions': the master has none of this name.
	raw, err := c.effect(ctx, lowstate{
		"client": "local", "tgt": job.Minions, "tgt_type": "list", "fun": "saltutil.kill_job", "arg": []string{jid},
	}, callTimeout, begin)
	if err != nil {
		return err
	}
	var minions map[string]json.RawMessage // a text; false of one that did not answer
	if err := json.Unmarshal(raw, &minions); err != nil || minions == nil {
		return c.misunderstood("no result of saltutil.kill_job")
	}
	silent := false
	for _, raw := range minions {
		said := told[string](raw)
		if said != nil && strings.HasPrefix(*said, "Signal ") {
			return nil
		}
		silent = silent || said == nil
	}
	if silent {
		return &fault.Error{Code: fault.SaltError, Message: "salt-api: saltutil.kill_job: not every minion answered, and none was running the job", OutcomeUnknown: true}
	}
	return notRunning
}
