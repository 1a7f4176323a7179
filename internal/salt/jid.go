package salt

import (
	"regexp"
	"strings"
	"sync"
	"time"

	"halite/internal/fault"
)

var (
	ownJID = regexp.MustCompile(`^\d{20}$`)
	anyJID = regexp.MustCompile(`^\d{20}(_\d+)?$`) // with unique_jid the master's process id follows
)

// jids makes job ids, no two of them the same.
type jids struct {
	mu   sync.Mutex
	last time.Time
}

var ownJIDs jids

// NewJID returns the id of a job that begins at t: 20 digits, t in UTC to the microsecond.
// In one process no two calls return the same; one that would is moved on by a microsecond.
func NewJID(t time.Time) string { return ownJIDs.next(t) }

func (j *jids) next(t time.Time) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	t = t.UTC().Truncate(time.Microsecond)
	if !t.After(j.last) {
		t = j.last.Add(time.Microsecond)
	}
	j.last = t
	return strings.Replace(t.Format("20060102150405.000000"), ".", "", 1)
}

// CheckJID returns a BAD_USER_INPUT unless jid can be the id of a job.
func CheckJID(jid string) error {
	if !anyJID.MatchString(jid) {
		return fault.Input("jid", "must be the 20 digits of a job id")
	}
	return nil
}
