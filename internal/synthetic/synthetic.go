// Package synthetic makes up entries of an audit log, for measurements: some two
// hundred users and forty actions, both by Zipf's law, about eight in a hundred denied,
// some of them of nobody. The package is pure: the same seed makes the same entries.
package synthetic

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/google/uuid"

	"halite/internal/audit"
)

// Mark begins the RequestID of every entry of this package, and of no other: the ids
// that requests are given are UUIDs, and a client's own may not hold a blank.
const Mark = "made up "

// How entries are spread.
const (
	Users       = 200
	nobody      = 0.03 // share of entries without a user; nearly all of them are denials
	denied      = 0.05 // share of denials among a user's entries
	userSkew    = 1.2  // exponents of Zipf's law
	actionSkew  = 1.1
	zipfOffset  = 2
	idNamespace = "halite synthetic user"
)

// Source makes entries. It is for one goroutine.
type Source struct {
	rnd     *rand.Rand
	users   *rand.Zipf
	actions *rand.Zipf
}

// New returns a Source. The same seed makes the same entries.
func New(seed uint64) *Source {
	rnd := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // made-up rows are to be the same for a seed
	return &Source{
		rnd:     rnd,
		users:   rand.NewZipf(rnd, userSkew, zipfOffset, Users-1),
		actions: rand.NewZipf(rnd, actionSkew, zipfOffset, uint64(len(actions)-1)),
	}
}

// Between returns a number from 0 up to 1, for the caller to place the entry in time.
func (s *Source) Between() float64 { return s.rnd.Float64() }

// Next makes an entry: all of it but ID and At.
func (s *Source) Next() audit.Entry {
	a := actions[s.actions.Uint64()]
	e := audit.Entry{
		Action: a.name, Verb: a.verb, Decision: audit.Allow, ResultCode: 200, DurationMS: int(s.rnd.ExpFloat64() * 12),
		RequestID: Mark + s.hex(16), UserAgent: agents[s.rnd.IntN(len(agents))],
	}
	target := fmt.Sprintf("web-%02d", s.rnd.IntN(60))
	e.Resource = a.noun + ":" + target
	s.who(&e)
	s.outcome(&e)
	switch {
	case a.job:
		e.Args = fmt.Appendf(nil, `{"fun": "%s", "tgt": "%s*", "arg": ["--batch", %d], "tgt_type": "glob"}`, a.fun(), target, 1+s.rnd.IntN(20))
		if e.Decision == audit.Allow {
			e.SaltJID = fmt.Sprintf("2026%016d", s.rnd.Int64N(1e16))
		}
	case s.rnd.IntN(3) > 0:
		e.Args = fmt.Appendf(nil, `{"limit": %d, "offset": %d}`, 10*(1+s.rnd.IntN(50)), 50*s.rnd.IntN(100))
	}
	return e
}

// who gives e a user, or none.
func (s *Source) who(e *audit.Entry) {
	if s.rnd.Float64() < nobody {
		e.SourceIP = fmt.Sprintf("198.51.100.%d", s.rnd.IntN(256))
		return
	}
	n := int(s.users.Uint64())
	e.UserID = uuid.NullUUID{UUID: UserID(n), Valid: true}
	e.Username = fmt.Sprintf("%s.%s", first[n%len(first)], last[n/len(first)%len(last)])
	e.SourceIP = fmt.Sprintf("10.%d.%d.%d", n%7, n, s.rnd.IntN(256))
}

// outcome decides e and says how it ended.
func (s *Source) outcome(e *audit.Entry) {
	switch p := s.rnd.Float64(); {
	case !e.UserID.Valid && p < 0.98:
		e.Decision, e.ResultCode, e.Reason = audit.Deny, 401, "not authenticated"
	case e.UserID.Valid && p < denied:
		e.Decision, e.ResultCode, e.Reason = audit.Deny, 403, "no permission matches "+e.Verb+" on "+e.Resource
	case p > 0.99:
		e.ResultCode, e.Reason = 502, "allowed by role operator: "+e.Verb+" *"
	default:
		e.Reason = "allowed by role operator: " + e.Verb + " *"
	}
}

func (s *Source) hex(n int) string {
	b := make([]byte, 0, n)
	for len(b) < n/2 {
		b = binary.LittleEndian.AppendUint64(b, s.rnd.Uint64())
	}
	return fmt.Sprintf("%x", b[:n/2])
}

// UserID is the id of the n-th user, 0 being the busiest.
func UserID(n int) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s %d", idNamespace, n))
}

// Action is the n-th action, 0 being the most frequent; n is below Actions.
func Action(n int) string { return actions[n].name }

// Actions is how many actions there are.
func Actions() int { return len(actions) }

type action struct {
	name, noun, verb string
	job              bool
}

func (a action) fun() string { return strings.TrimPrefix(a.name, "job.") }

var actions = makeActions()

// makeActions names the actions, the most frequent first.
func makeActions() []action {
	var out []action
	for word := range strings.FieldsSeq(`job.test.ping minion.list audit.list job.state.apply auth.login job.list minion.get key.list
		job.cmd.run job.grains.items event.list job.pkg.upgrade schedule.list auth.logout job.service.restart beacon.list job.get
		user.list role.list audit.get settings.get job.pillar.items job.state.highstate key.accept job.file.copy job.disk.usage
		settings.update key.reject minion.delete user.update auth.change_password user.create job.kill key.delete role.update
		job.network.ping user.delete role.create schedule.update role.delete`) {
		noun, what, _ := strings.Cut(word, ".")
		a := action{name: word, noun: noun, verb: "edit", job: noun == "job" && strings.Contains(what, ".")}
		switch {
		case a.job:
			a.noun, a.verb = "minion", "run"
		case what == "list" || what == "get":
			a.verb = "view"
		}
		out = append(out, a)
	}
	return out
}

var (
	first  = strings.Fields("alice bruno carla dmitri eva farid greta hiro ines jonas katja luis maria nils olga paul qiang rosa sven tara")
	last   = strings.Fields("adler brandt costa dietz engel fuchs gruber haas ivanov jung")
	agents = []string{
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Gecko/20100101",
		"curl/8.9.1", "python-requests/2.32", "halite-cli/1.4",
	}
)
