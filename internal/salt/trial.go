package salt

import (
	"context"
	"encoding/json"

	"halite/internal/fault"
)

// TestResult is what came of a test of the settings.
type TestResult struct {
	OK          bool   // the login was granted
	Detail      string // for people
	MinionCount *int   // of the minions that are present; nil: could not be asked
}

// Test logs in anew and counts the minions that are present.
func (c *Client) Test(ctx context.Context) TestResult {
	if _, err := c.loggedIn(ctx); err != nil {
		return TestResult{Detail: "auth failed: " + fault.From(err).Message}
	}
	present, err := runner[[]json.RawMessage](ctx, c, lowstate{"fun": "manage.present"})
	if err != nil {
		return TestResult{OK: true, Detail: "logged in (manage.present failed: " + fault.From(err).Message + ")"}
	}
	return TestResult{OK: true, Detail: "logged in", MinionCount: new(len(present))}
}
