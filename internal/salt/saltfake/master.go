// Package saltfake is a Salt master behind salt-api (rest_cherrypy) as far as it can be
// seen over HTTP: for tests, and for trying halite without a master. It answers as real
// masters of the versions 3006 and 3007 were recorded to answer; the recordings are in
// testdata and its test plays them all.
//
// Nothing is run. Minions answer test.ping, test.version, test.sleep, grains.items, cmd.run
// of echo and exit, and the functions of saltutil that look for jobs and kill them.
package saltfake

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The accounts of a new Master, all of the backend "file".
const (
	Admin, AdminPassword     = "peeradmin", "admin-pw" // may do all
	Limited, LimitedPassword = "limited", "limited-pw" // may test.ping on web*
	NoPerm, NoPermPassword   = "noperm", "noperm-pw"   // may log in
)

// Bucket is one of the master's lists of keys.
type Bucket string

// The buckets of keys, in the order in which Salt names them.
const (
	Accepted Bucket = "minions"
	Pending  Bucket = "minions_pre"
	Rejected Bucket = "minions_rejected"
	Denied   Bucket = "minions_denied"
)

var allBuckets = []Bucket{Accepted, Pending, Rejected, Denied}

// Request is a request that came.
type Request struct {
	Method, Path string
	Header       http.Header
	Body         []byte
	Chunk        map[string]any // the first call of its lowstate; nil: it has none
}

// Fun is the function that r asks for, or "".
func (r Request) Fun() string {
	fun, _ := r.Chunk["fun"].(string)
	return fun
}

// Hook may look at a request, hold it up (ctx ends when the client has gone), and give an
// answer of its own; nil lets things take their course.
type Hook func(ctx context.Context, r Request) *Response

// Master is a Salt master and its salt-api, an [http.Handler]. It is safe for concurrent use.
type Master struct {
	mu       sync.Mutex
	accounts map[string]account
	sessions map[string]*session
	keys     map[Bucket][]string // each sorted
	minions  map[string]*minion
	jobs     map[string]*job
	lastJID  time.Time
	lastPID  int
	requests []Request
	before   Hook
	after    Hook
	lifetime time.Duration
	slowness time.Duration
}

// New returns a master without keys, minions and jobs. Tokens last 12 hours.
func New() *Master {
	return &Master{
		accounts: map[string]account{
			Admin:    {password: AdminPassword, perms: `[".*", "@jobs", "@runner", "@wheel"]`, all: true},
			Limited:  {password: LimitedPassword, perms: `[{"web*": ["test.ping"]}]`, minions: "web*", funs: []string{"test.ping"}},
			NoPerm:   {password: NoPermPassword, perms: `{}`},
			"shorty": {password: "short-pw", perms: `[".*", "@jobs", "@runner", "@wheel"]`, all: true},
		},
		sessions: map[string]*session{},
		keys:     map[Bucket][]string{},
		minions:  map[string]*minion{},
		jobs:     map[string]*job{},
		lastPID:  1000,
		lifetime: 12 * time.Hour,
	}
}

// AddKeys puts keys into a bucket.
func (m *Master) AddKeys(b Bucket, ids ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		m.put(b, id)
	}
}

// KeysIn returns the ids of a bucket, sorted.
func (m *Master) KeysIn(b Bucket) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.keys[b])
}

// AddMinion starts a minion, with its key accepted.
func (m *Master) AddMinion(id string, grains map[string]any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(Accepted, id)
	m.minions[id] = &minion{id: id, grains: maps.Clone(grains)}
}

// StopMinion takes a minion off the network. What is sent to it is lost.
func (m *Master) StopMinion(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.minions[id].stopped = true
}

// Runs says how often minions have run the job jid, all together.
func (m *Master) Runs(jid string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if j := m.jobs[jid]; j != nil {
		return len(j.runs)
	}
	return 0
}

// ForgetSessions does what a restart of salt-api does: every token it has given is unknown.
func (m *Master) ForgetSessions() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.sessions)
}

// ExpireTokens ends the tokens of the master behind the sessions of salt-api.
func (m *Master) ExpireTokens() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sessions {
		s.expire = time.Now()
	}
}

// SetPassword gives an account another password.
func (m *Master) SetPassword(user, password string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.accounts[user]
	a.password = password
	m.accounts[user] = a
}

// SetTokenLifetime sets how long the tokens of later logins last.
func (m *Master) SetTokenLifetime(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lifetime = d
}

// SetRefusalDelay sets how long a wrong password holds the answer up; a second on a real
// master, nothing on a new one.
func (m *Master) SetRefusalDelay(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slowness = d
}

// OnRequest sets the hook that is called before a request has any effect; nil for none.
func (m *Master) OnRequest(h Hook) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before = h
}

// OnAnswer sets the hook that is called when a request has had its effect and before it is
// answered; nil for none.
func (m *Master) OnAnswer(h Hook) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.after = h
}

// Requests returns what came so far, oldest first.
func (m *Master) Requests() []Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.requests)
}

// Count says how many requests came for a path of salt-api or for a function of Salt.
func (m *Master) Count(what string) int {
	n := 0
	for _, r := range m.Requests() {
		if r.Path == what || r.Fun() == what {
			n++
		}
	}
	return n
}

// put adds an id to a bucket. m.mu is held.
func (m *Master) put(b Bucket, id string) {
	if i, found := slices.BinarySearch(m.keys[b], id); !found {
		m.keys[b] = slices.Insert(m.keys[b], i, id)
	}
}

// take removes an id from a bucket, and says whether it was there. m.mu is held.
func (m *Master) take(b Bucket, id string) bool {
	i, found := slices.BinarySearch(m.keys[b], id)
	if found {
		m.keys[b] = slices.Delete(m.keys[b], i, i+1)
	}
	return found
}
