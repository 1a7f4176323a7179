// Package apitest is test-only: the whole server over a fresh database, behind a real
// HTTP listener, with users of every kind.
package apitest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/note"

	"halite/db"
	"halite/graph"
	"halite/internal/audit"
	"halite/internal/auth"
	"halite/internal/cursor"
	"halite/internal/directory"
	"halite/internal/dispatch"
	"halite/internal/guard"
	"halite/internal/httpapi"
	"halite/internal/live"
	"halite/internal/merkle"
	"halite/internal/pgtest"
	"halite/internal/policy"
	"halite/internal/proof"
	"halite/internal/retention"
	"halite/internal/seal"
	"halite/internal/settings"
	"halite/internal/tree"
	"halite/web"
)

// Password is that of every user of a Server.
const Password = "correct horse"

// The head of every request that Do sends, as it is in the rows.
const (
	RequestID = "test-request"
	UserAgent = "apitest/1"
	Address   = "127.0.0.1"
)

// Options are what tests vary.
type Options struct {
	DBURL          string        // a database; empty = a fresh one
	Beat           time.Duration // how long a stream can be silent; 0 = 15 seconds
	Patience       time.Duration // how long the client of a stream may take; 0 = 20 seconds
	ReadTimeout    time.Duration // of a request; 0 = none
	Recheck        time.Duration // how often a stream looks at its caller again; 0 = 10 seconds
	SilentReads    bool          // AUDIT_AUDIT_READS=false
	Refusals       int           // 0 = many
	SecureCookie   bool
	PrivateTree    bool          // PUBLIC_TREE=false
	TTL            time.Duration // 0 = 8 hours
	AllowedOrigins []string
	TrustedProxies []netip.Prefix
	Recorder       func(guard.Recorder) guard.Recorder // what stands before the recorder
	Changer        func(guard.Changer) guard.Changer
	Reader         func(audit.Reader) audit.Reader
	Tree           func(proof.Source) proof.Source
	GraphQL        func(*guard.Guard) http.Handler // another schema
}

// Server is a running server.
type Server struct {
	URL   string
	DBURL string
	DB    *db.DB
	Guard *guard.Guard
	Auth  *auth.Service
	// GraphQL is not what is served with Options.GraphQL.
	GraphQL *graph.Handler
	// What follows is not behind the gate here.
	Directory *directory.Service
	Settings  *settings.Service
	Dispatch  *dispatch.Service

	stop   func()
	secret []byte
	ids    map[string]uuid.UUID
	key    *merkle.Key
}

// Origin names the log, and the key that signs it.
const Origin = "example.org/log"

// Start runs a server until the end of the test. Its users are admin, operator,
// viewer (with the role of that name), gone (an inactive admin) and new (an admin who
// must change the password).
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	if o.DBURL == "" {
		o.DBURL = pgtest.URL(tb)
	}
	s := &Server{DBURL: o.DBURL, secret: []byte(strings.Repeat("s", 32)), ids: map[string]uuid.UUID{}}
	s.DB = pgtest.OpenURL(tb, s.DBURL)
	head := s.DB.WatchHead()
	tb.Cleanup(head.Stop)
	recorder := audit.NewRecorder(s.DB, audit.DefaultQueue, pgtest.Quiet)
	tb.Cleanup(recorder.Stop)
	sealer, err := seal.New("settings/salt/password", s.secret)
	if err != nil {
		tb.Fatal(err)
	}
	s.Settings = settings.NewService(s.DB, sealer, pgtest.Quiet)
	tb.Cleanup(s.Settings.Close)
	s.Dispatch = dispatch.NewService(s.Settings, s.DB)
	cfg := guard.Config{
		Recorder: recorder, Changer: s.DB, Intents: s.DB, Settler: s.Dispatch.Settle, Logger: pgtest.Quiet,
		AuditReads: !o.SilentReads, Refusals: o.Refusals, Recheck: o.Recheck,
	}
	if cfg.Refusals == 0 {
		cfg.Refusals = 1_000_000
	}
	if o.Recorder != nil {
		cfg.Recorder = o.Recorder(recorder)
	}
	if o.Changer != nil {
		cfg.Changer = o.Changer(s.DB)
	}
	s.Guard = guard.New(cfg)
	tb.Cleanup(s.Guard.Stop)
	if o.TTL == 0 {
		o.TTL = 8 * time.Hour
	}
	cookies := auth.Cookies{Name: "halite_session", Secure: o.SecureCookie, TTL: o.TTL, Secret: s.secret}
	hasher, err := auth.NewHasher()
	if err != nil {
		tb.Fatal(err)
	}
	s.Auth = auth.NewService(s.DB, s.Guard, hasher, cookies, pgtest.Quiet)
	s.Directory = directory.NewService(s.DB, hasher)
	tb.Cleanup(s.Auth.Stop)
	s.addUsers(tb)
	var reader audit.Reader = s.DB
	if o.Reader != nil {
		reader = o.Reader(reader)
	}
	var hashes proof.Source = s.DB
	if o.Tree != nil {
		hashes = o.Tree(hashes)
	}
	feed := live.New(live.Config{Log: reader, Head: head, Beat: o.Beat, Patience: o.Patience})
	cursors, err := cursor.New("audit/cursor", s.secret)
	if err != nil {
		tb.Fatal(err)
	}
	gql, err := graph.NewHandler(&graph.Resolver{
		Log: reader, Live: feed, Intents: s.DB, Guard: s.Guard, Auth: s.Auth, Directory: s.Directory, Settings: s.Settings, Dispatch: s.Dispatch,
		Cursors: cursors, Retention: retention.New(retention.Config{Store: s.DB, Disk: retention.UnknownDisk, Logger: pgtest.Quiet}), Proofs: hashes,
	}, pgtest.Quiet)
	if err != nil {
		tb.Fatal(err)
	}
	s.GraphQL = gql
	var served http.Handler = gql
	if o.GraphQL != nil {
		served = o.GraphQL(s.Guard)
	}
	h, err := httpapi.New(httpapi.Config{
		Log: reader, Tree: hashes, Live: feed, PublicTree: !o.PrivateTree, Guard: s.Guard, Auth: s.Auth, GraphQL: served, Pages: web.Handler(), Logger: pgtest.Quiet,
		Health:         func(context.Context) []httpapi.Check { return []httpapi.Check{{Name: "db", Result: "ok"}} },
		TrustedProxies: o.TrustedProxies, AllowedOrigins: o.AllowedOrigins,
	})
	if err != nil {
		tb.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ReadTimeout = o.ReadTimeout
	srv.Start()
	s.stop = sync.OnceFunc(func() {
		s.Guard.EndStreams()
		gql.Stop()
		srv.Close()
	})
	tb.Cleanup(s.stop)
	s.URL = srv.URL
	return s
}

// Sign seals and signs all rows that there are. It returns what the signature is checked
// with, the same at each call.
func (s *Server) Sign(tb testing.TB) note.Verifier {
	tb.Helper()
	if s.key == nil {
		secret, err := merkle.GenerateKey(rand.Reader, Origin)
		if err != nil {
			tb.Fatal(err)
		}
		if s.key, err = merkle.ParseKey(secret); err != nil {
			tb.Fatal(err)
		}
	}
	k := tree.New(tree.Config{Store: s.DB, Gate: s.Guard, Logger: pgtest.Quiet, Keys: []*merkle.Key{s.key}})
	k.Start(tb.Context())
	k.Stop()
	return s.key.Verifier()
}

var passwordHash = sync.OnceValues(func() (string, error) {
	return argon2id.CreateHash(Password, &argon2id.Params{Memory: 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
})

func (s *Server) addUsers(tb testing.TB) {
	tb.Helper()
	if err := s.DB.SeedRoles(tb.Context(), policy.BuiltinRoles()); err != nil {
		tb.Fatal(err)
	}
	for _, u := range []struct {
		name, role string
		gone, must bool
	}{
		{name: "admin", role: "admin"},
		{name: "operator", role: "operator"},
		{name: "viewer", role: "viewer"},
		{name: "gone", role: "admin", gone: true},
		{name: "new", role: "admin", must: true},
	} {
		s.add(tb, directory.User{Username: u.name, Active: !u.gone, MustChangePassword: u.must}, u.role)
	}
}

// AddUser makes one more user, with a role.
func (s *Server) AddUser(tb testing.TB, name, role string) {
	tb.Helper()
	s.add(tb, directory.User{Username: name, Active: true}, role)
}

func (s *Server) add(tb testing.TB, u directory.User, role string) {
	tb.Helper()
	hash, err := passwordHash()
	if err != nil {
		tb.Fatal(err)
	}
	u.ID, u.DisplayName, u.Roles = uuid.New(), strings.ToUpper(u.Username), pgtest.Roles(tb, s.DB, role)
	s.ids[u.Username] = u.ID
	if err := s.DB.CreateUser(tb.Context(), u, hash); err != nil {
		tb.Fatal(err)
	}
}

// Stop ends the server as a shutdown does. The database stays open.
func (s *Server) Stop() { s.stop() }

// ID is a user's id as it is in rows; nobody's is not valid.
func (s *Server) ID(user string) uuid.NullUUID {
	id, ok := s.ids[user]
	return uuid.NullUUID{UUID: id, Valid: ok}
}

// Cookie returns the Cookie header of a new session of user's; it leaves no row. The
// user "" has none.
func (s *Server) Cookie(tb testing.TB, user string) string {
	tb.Helper()
	if user == "" {
		return ""
	}
	return s.cookie(tb, user, time.Hour)
}

// Ended returns the Cookie header of a session of user's that has expired.
func (s *Server) Ended(tb testing.TB, user string) string {
	tb.Helper()
	return s.cookie(tb, user, -time.Hour)
}

func (s *Server) cookie(tb testing.TB, user string, ttl time.Duration) string {
	tb.Helper()
	raw := make([]byte, 48)
	rand.Read(raw)
	id := base64.RawURLEncoding.EncodeToString(raw)
	hash := sha256.Sum256([]byte(id))
	if err := s.DB.CreateSession(tb.Context(), auth.Session{IDHash: hash[:], UserID: s.ids[user]}, ttl); err != nil {
		tb.Fatal(err)
	}
	return "halite_session=" + Sign(s.secret, id)
}

// Sign is the value of the session cookie, as anybody who has the secret can make it.
func Sign(secret []byte, id string) string {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(id))
	return id + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Do sends a request; a body makes it JSON. The header is given as name, value, name,
// value. Redirects are not followed.
func (s *Server) Do(tb testing.TB, method, path, body string, header ...string) Answer {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	req.Header.Set("User-Agent", UserAgent)
	req.Header.Set("X-Request-Id", RequestID)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Del(header[i])
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return Answer{res.StatusCode, res.Header, string(b)}
}

// Result is an answer in GraphQL.
type Result struct {
	Answer
	Data   json.RawMessage
	Errors []Error
}

// Error is one of its errors.
type Error struct {
	Message    string
	Path       []any
	Extensions map[string]any
}

// Codes are the codes of the errors, in order.
func (r Result) Codes() []string {
	var out []string
	for _, e := range r.Errors {
		code, _ := e.Extensions["code"].(string)
		out = append(out, code)
	}
	return out
}

// Query asks GraphQL by POST.
func (s *Server) Query(tb testing.TB, cookie, query string, variables map[string]any) Result {
	tb.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		tb.Fatal(err)
	}
	return s.Post(tb, cookie, string(body))
}

// Post sends a body to GraphQL.
func (s *Server) Post(tb testing.TB, cookie, body string) Result {
	tb.Helper()
	r := Result{Answer: s.Do(tb, http.MethodPost, "/graphql", body, "Cookie", cookie)}
	if err := json.Unmarshal([]byte(r.Body), &r); err != nil {
		tb.Fatalf("status %d, %v: %s", r.Status, err, r.Body)
	}
	return r
}

// Rows returns the log, oldest first, without what no test can foretell: At and
// DurationMS are zero and Args is compact.
func (s *Server) Rows(tb testing.TB) []audit.Entry {
	tb.Helper()
	page, err := s.DB.List(tb.Context(), audit.Query{Limit: 100_000, Counted: true})
	if err != nil {
		tb.Fatal(err)
	}
	if page.Total != int64(len(page.Entries)) {
		tb.Fatalf("total %d, %d rows", page.Total, len(page.Entries))
	}
	slices.Reverse(page.Entries)
	for i := range page.Entries {
		e := &page.Entries[i]
		if e.At.IsZero() || e.DurationMS < 0 || e.ID != int64(i+1) {
			tb.Errorf("row %d: id %d, at %v, %d ms", i+1, e.ID, e.At, e.DurationMS)
		}
		e.At, e.DurationMS = time.Time{}, 0
		if e.Args != nil {
			e.Args = compact(tb, e.Args)
		}
	}
	return page.Entries
}

func compact(tb testing.TB, raw json.RawMessage) json.RawMessage {
	tb.Helper()
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		tb.Fatal(err)
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		tb.Fatal(err)
	}
	return json.RawMessage(strings.TrimSpace(b.String()))
}

// Row is a row as a request of Do's leaves it, but for what the test says.
func (s *Server) Row(user, action, verb, resource string, decision audit.Decision, code int, args, reason string) audit.Entry {
	e := audit.Entry{
		UserID: s.ID(user), Action: action, Verb: verb, Resource: resource, Decision: decision, ResultCode: code, Reason: reason,
		RequestID: RequestID, SourceIP: Address, UserAgent: UserAgent,
	}
	if e.UserID.Valid {
		e.Username = user
	}
	if args != "" {
		e.Args = json.RawMessage(args)
	}
	return e
}

// Diff compares rows.
func Diff(want, got []audit.Entry) string {
	text := cmp.Transformer("text", func(m json.RawMessage) string { return string(m) })
	return cmp.Diff(append([]audit.Entry{}, want...), append([]audit.Entry{}, got...), text)
}
