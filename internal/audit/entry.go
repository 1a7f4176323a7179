// Package audit is the domain of the log: what an entry is, how its values are
// made storable and free of secrets, how entries are filtered and paged, and the
// recorder that makes them durable in groups.
//
// The package imports nothing else of this module. Storage is behind the small
// interfaces declared here and implemented by package db.
package audit

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Decision is what the policy said about an action. How the action ended is the
// entry's ResultCode: an allowed action that failed later is still an allow.
type Decision string

// The two decisions.
const (
	Allow Decision = "allow"
	Deny  Decision = "deny"
)

// Entry is one row of the audit log. ID and At are assigned by the sequencer when
// the entry is written; whatever a caller puts there is ignored.
type Entry struct {
	ID         int64           // contiguous from 1
	At         time.Time       // UTC, microseconds; never decreases as ID grows
	UserID     uuid.NullUUID   // who asked; not valid = nobody was signed in
	Action     string          // dot-separated, 128 characters at most
	Resource   string          // namespace:name, 255 characters at most
	Args       json.RawMessage // redacted arguments, a JSON object; nil = none
	SaltJID    string          // job id at Salt; empty = none
	Decision   Decision        // what the policy said
	ResultCode int             // how it ended, as an HTTP status
	DurationMS int             // milliseconds between the question and the outcome
	Username   string          // the name at the time; survives the user's deletion
	Verb       string          // what was checked
	Reason     string          // which role and pair allowed it, or why nothing did
	RequestID  string          // the X-Request-Id of the request that asked
	SourceIP   string          // the client's address
	UserAgent  string          // the client's User-Agent
}
