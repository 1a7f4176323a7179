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

var lastJID struct {
	sync.Mutex
	at time.Time
}

// NewJID returns the id of a job that begins at t: 20 digits, t in UTC to the microsecond.
// In one process no two calls return the same; one that would is moved on by a microsecond.
func NewJID(t time.Time) string {
	lastJID.Lock()
	defer lastJID.Unlock()
	t = t.UTC().Truncate(time.Microsecond)
	if !t.After(lastJID.at) {
		t = lastJID.at.Add(time.Microsecond)
	}
	lastJID.at = t
	return strings.Replace(t.Format("20060102150405.000000"), ".", "", 1)
}

func checkJID(jid string) error {
	if !anyJID.MatchString(jid) {
		return fault.Input("jid", "must be the 20 digits of a job id")
	}
	return nil
}
