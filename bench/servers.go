package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
