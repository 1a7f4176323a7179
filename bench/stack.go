package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"halite/internal/pgembed"
)

// stack is a database with a log in it, and what stands on it.
type stack struct {
	plan

	dir       string
	temporary bool
	pg        *pgembed.Server
	postgres  int               // pid
	programs  map[string]string // pgbench and psql, where they lie
	load      float64           // of the machine before anything was started
	planning  string            // what the planner is told on connections that serve, as options of one

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
