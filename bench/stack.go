package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"halite/internal/pgembed"
)

// The servers, as they are called in what is printed.
const (
	haliteGraphQL = "halite"
	haliteREST    = "halite REST"
	haliteOn      = "halite, reads recorded"
	postGraphile  = "PostGraphile"
	mercurius     = "Mercurius"
	pgBench       = "pgbench"
)

// poolSize is how many connections a peer may have: as many as halite has for requests.
const poolSize = 24

const password = "measured-here" // of a database that is made up

// server is one that answers requests.
type server struct {
	*process
	addr  string
	admin string // cookie of somebody who may read the log; empty: nobody has to sign in
	other string // cookie of somebody who may not
}

// stack is a database with a log in it, and what stands on it.
type stack struct {
	plan

	dir       string
	temporary bool
	pg        *pgembed.Server
	postgres  int               // pid
	programs  map[string]string // pgbench and psql, where they lie
	load      float64           // of the machine before anything was started

	off, on *server // halite that does not record reads of the log, and one that does
	peers   map[string]*server
}

// startStack starts PostgreSQL and fills the log if it is new.
func startStack(ctx context.Context, p plan) (_ *stack, err error) {
	s := &stack{plan: p, dir: p.data, peers: map[string]*server{}, programs: map[string]string{}, load: loadNow()}
	for _, path := range []*string{&s.binary, &s.plan.peers, &s.dir} {
		if *path != "" {
			if *path, err = filepath.Abs(*path); err != nil {
				return nil, err
			}
		}
	}
	if s.dir == "" {
		s.temporary = true
		if s.dir, err = os.MkdirTemp("", "halite-bench-"); err != nil {
			return nil, err
		}
		if err = os.Chmod(s.dir, 0o755); err != nil { //nolint:gosec // PostgreSQL may run as somebody else, and has a folder of its own in it
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	_, missing := os.Stat(filepath.Join(s.dir, "postgres/data"))
	_ = os.Remove(filepath.Join(s.dir, "postgres/server.log")) // it would be cut where it is read
	if s.pg, err = pgembed.Start(ctx, pgembed.Config{Dir: s.dir}); err != nil {
		return nil, err
	}
	pid, err := os.ReadFile(filepath.Join(s.dir, "postgres/data/postmaster.pid"))
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(string(pid), "\n")
	if s.postgres, err = strconv.Atoi(first); err != nil {
		return nil, err
	}
	for _, name := range []string{"pgbench", "psql"} {
		if s.programs[name], err = s.program(ctx, name); err != nil {
			return nil, err
		}
	}
	if missing != nil {
		if err = s.fill(ctx); err != nil {
			return nil, err
		}
	}
	return s, s.serve(ctx)
}

// program finds one of PostgreSQL's own, beside the server that runs if it is there.
func (s *stack) program(ctx context.Context, name string) (string, error) {
	if exe, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(s.postgres), "exe")); err == nil {
		if path := filepath.Join(filepath.Dir(exe), name); exec.CommandContext(ctx, path, "--version").Run() == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is needed: it comes with the package postgresql or postgresql-contrib: %w", name, err)
	}
	return path, nil
}

func (s *stack) fill(ctx context.Context) error {
	say("making up %d rows", s.rows)
	return errors.Join(
		s.halite(ctx, "", "generate", "--rows", strconv.FormatInt(s.rows, 10), "--seed", strconv.FormatUint(s.seed, 10), "--months", strconv.Itoa(s.months)),
		s.halite(ctx, "", "rank", "rebuild"),
	)
}

// serve starts every server.
func (s *stack) serve(ctx context.Context) (err error) {
	if err := s.psql(ctx, "indexes.sql"); err != nil {
		return err
	}
	if s.off, err = s.startHalite(ctx, "AUDIT_AUDIT_READS=false"); err != nil {
		return err
	}
	if s.on, err = s.startHalite(ctx); err != nil {
		return err
	}
	_ = s.halite(ctx, password+"\n", "user", "add", "bench", "--role", "viewer", "--password-stdin") // who is there may stay: signing in tells
	for _, h := range []*server{s.off, s.on} {
		if h.admin, err = signIn(ctx, h.addr, "admin"); err != nil {
			return err
		}
		if h.other, err = signIn(ctx, h.addr, "bench"); err != nil {
			return err
		}
	}
	if s.plan.peers == "" {
		return nil
	}
	for _, name := range []string{postGraphile, mercurius} {
		if s.peers[name], err = s.startPeer(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (s *stack) stop() (err error) {
	s.stopPeers()
	s.on.end()
	s.off.end()
	if s.pg != nil {
		err = s.pg.Stop()
	}
	if s.temporary {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

func (s *stack) stopPeers() {
	for _, p := range s.peers {
		p.end()
	}
}

func (s *server) end() {
	if s != nil {
		s.stop()
	}
}

// environment is how halite is told where its database is.
func (s *stack) environment(dbURL string) []string {
	return []string{
		"DATABASE_URL=" + dbURL, "DATABASE_APP_URL=", "COOKIE_SECRET=of a database that is made up, to be measured",
		"BOOTSTRAP_ADMIN_USERNAME=admin", "BOOTSTRAP_ADMIN_PASSWORD=" + password, "LOG_LEVEL=error",
	}
}

// halite runs a command of halite's.
func (s *stack) halite(ctx context.Context, in string, args ...string) error {
	cmd := exec.CommandContext(ctx, s.binary, args...)
	cmd.Env = append(os.Environ(), s.environment(s.pg.URL())...)
	cmd.Stdin = strings.NewReader(in)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("halite %s: %w: %s", args[0], err, out)
	}
	return nil
}

func (s *stack) startHalite(ctx context.Context, env ...string) (*server, error) {
	return s.startHaliteOn(ctx, s.pg.URL(), env...)
}

func (s *stack) startHaliteOn(ctx context.Context, dbURL string, env ...string) (*server, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	env = append(append(s.environment(dbURL), "LISTEN_HOST=127.0.0.1", fmt.Sprintf("LISTEN_PORT=%d", port)), env...)
	p, err := spawn(ctx, env, "", s.binary, "serve")
	if err != nil {
		return nil, err
	}
	h := &server{process: p, addr: fmt.Sprintf("127.0.0.1:%d", port)}
	err = p.await(ctx, func(ctx context.Context) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.addr+"/readyz", nil)
	})
	if err != nil {
		p.stop()
		return nil, err
	}
	return h, nil
}

func (s *stack) startPeer(ctx context.Context, name string) (*server, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	node, err := s.node()
	if err != nil {
		return nil, err
	}
	p, err := spawn(ctx, []string{
		"NODE_ENV=production", "GRAPHILE_ENV=production", "DATABASE_URL=" + s.pg.URL(), fmt.Sprintf("POOL=%d", poolSize), fmt.Sprintf("PORT=%d", port), fmt.Sprintf("PROCESSES=%d", s.processes),
	}, s.plan.peers, node, strings.ToLower(name)+".js")
	if err != nil {
		return nil, err
	}
	h := &server{process: p, addr: fmt.Sprintf("127.0.0.1:%d", port)}
	first := pageCase{Limit: pageSize}
	err = p.await(ctx, func(ctx context.Context) (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+h.addr+"/graphql", strings.NewReader(first.body(name)))
		if err == nil {
			req.Header.Set("Content-Type", "application/json")
		}
		return req, err
	})
	if err != nil {
		p.stop()
		return nil, err
	}
	return h, nil
}

// node is the Node.js that came with the peers' packages, else the system's.
func (s *stack) node() (string, error) {
	own := filepath.Join(s.plan.peers, "node_modules/node/bin/node")
	if _, err := os.Stat(own); err == nil {
		return own, nil
	}
	return exec.LookPath("node")
}

// signIn returns the cookie of a user's new session.
func signIn(ctx context.Context, addr, user string) (string, error) {
	body := strings.NewReader(fmt.Sprintf(`{"username": %q, "password": %q}`, user, password))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/api/auth/login", body)
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if len(resp.Cookies()) == 0 {
		return "", fmt.Errorf("%s cannot sign in: %s", user, resp.Status)
	}
	c := resp.Cookies()[0]
	return c.Name + "=" + c.Value, nil
}

// superuser is how PostgreSQL is reached as the one who may do everything, with settings
// of his connections.
func (s *stack) superuser(options string) (string, error) {
	u, err := url.Parse(s.pg.URL())
	if err != nil {
		return "", err
	}
	u.User = url.User("postgres")
	q := u.Query()
	q.Set("options", options)
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // which libpq takes literally
	return u.String(), nil
}
