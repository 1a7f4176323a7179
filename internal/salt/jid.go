package salt

import (
	"regexp"
	"strings"
	"time"

	"halite/internal/fault"
)

var (
	ownJID = regexp.MustCompile(`^\d{20}$`)
	anyJID = regexp.MustCompile(`^\d{20}(_\d+)?$`) // with unique_jid the master's process id follows
)

// NewJID returns the id of a job that begins at t: 20 digits, t in UTC to the microsecond.
// Whoever calls it sees to it that no two jobs of a master have the same.
func NewJID(t time.Time) string {
	return strings.Replace(t.UTC().Format("20060102150405.000000"), ".", "", 1)
}

// CheckJID returns a BAD_USER_INPUT unless jid can be the id of a job.
func CheckJID(jid string) error {
	if !anyJID.MatchString(jid) {
		return fault.Input("jid", "must be the 20 digits of a job id")
	}
	return nil
}
