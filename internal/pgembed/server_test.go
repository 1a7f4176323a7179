package pgembed

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// TestServer checks one server as its owner finds it, over a stop and a start.
func TestServer(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	// A configuration file cannot take away what a row's durability rests on.
	s := start(t, dir)
	stop(t, s)
	writeFile(t, filepath.Join(dir, "postgres/data/postgresql.auto.conf"),
		"fsync = off\nfull_page_writes = off\nsynchronous_commit = off\nlisten_addresses = '*'\ntimezone = 'Asia/Tokyo'\n", 0o600)
	s = start(t, dir)
	do(t, s.URL(), "CREATE TABLE kept AS SELECT 'a row' AS text")

	got := map[string]string{}
	for name, query := range map[string]string{
		"user":                "SELECT session_user::text || ' ' || current_database()",
		"is superuser":        "SELECT rolsuper::text FROM pg_roles WHERE rolname = session_user",
		"may make roles":      "SELECT rolcreaterole::text FROM pg_roles WHERE rolname = session_user",
		"database's owner":    "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database()",
		"bootstrap superuser": "SELECT rolname::text FROM pg_roles WHERE oid = 10",
		"locale":              "SELECT datcollate || ' ' || datctype || ' ' || pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()",
		"upper":               "SELECT upper('äöü')",
		"timezone":            "SHOW timezone",
		"log_timezone":        "SHOW log_timezone",
		"data_checksums":      "SHOW data_checksums",
		"fsync":               "SHOW fsync",
		"full_page_writes":    "SHOW full_page_writes",
		"synchronous_commit":  "SHOW synchronous_commit",
		"max_connections":     "SHOW max_connections",
		"listen_addresses":    "SHOW listen_addresses",
	} {
		got[name] = ask(t, s.URL(), query)
	}
	ctype := "C.UTF-8"
	if runtime.GOOS == "darwin" {
		ctype = "en_US.UTF-8"
	}
	want := map[string]string{
		"user":                "halite halite",
		"is superuser":        "false",
		"may make roles":      "true",
		"database's owner":    "halite",
		"bootstrap superuser": "postgres",
		"locale":              "C " + ctype + " UTF8",
		"upper":               "ÄÖÜ",
		"timezone":            "GMT",
		"log_timezone":        "GMT",
		"data_checksums":      "on",
		"fsync":               "on",
		"full_page_writes":    "on",
		"synchronous_commit":  "on",
		"max_connections":     "100",
		"listen_addresses":    "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("server (-want +got):\n%s", diff)
	}

	// Nobody else gets to the socket or the data, and no host to the server.
	for _, folder := range []string{"data", "run"} {
		info, err := os.Stat(filepath.Join(dir, "postgres", folder))
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode %v, error %v, want 0700", folder, info.Mode(), err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "postgres/run", socketName))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("socket: mode %v, error %v, want 0700", info.Mode(), err)
	}
	rules := ask(t, asSuperuser(s.URL()), "SELECT string_agg(DISTINCT type || ' ' || auth_method, ', ' ORDER BY type || ' ' || auth_method) FROM pg_hba_file_rules")
	if rules != "host reject, local trust" {
		t.Errorf("rules of access are %q", rules)
	}

	// A process group of its own: an interrupt from the terminal is not its.
	if group, err := syscall.Getpgid(s.process.Pid); err != nil || group != s.process.Pid {
		t.Errorf("process group %d of pid %d, error %v", group, s.process.Pid, err)
	}

	stop(t, s)
	stop(t, s)
	<-s.Done()
	if err := s.Err(); err != nil {
		t.Errorf("after Stop, Err is %v", err)
	}
	if exists(filepath.Join(dir, "postgres/data/postmaster.pid")) {
		t.Error("postmaster.pid is still there after Stop")
	}
	s = start(t, dir)
	if got := ask(t, s.URL(), "SELECT text FROM kept"); got != "a row" {
		t.Errorf("the table holds %q after a restart", got)
	}
	log, err := os.ReadFile(filepath.Join(dir, "postgres/server.log"))
	if err != nil || !strings.Contains(string(log), "database system is ready") {
		t.Errorf("server.log: error %v, text %q", err, log)
	}
}

// TestForeignEnvironment: nothing of the user's environment reaches the server,
// be it the locale, PG* variables or secrets, and nothing leads the URL astray.
func TestForeignEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"LANG": "xx_YY.UTF-8", "LC_ALL": "xx_YY.UTF-8", "LC_CTYPE": "xx_YY",
		"PGDATA": "/nowhere", "PGPORT": "1", "PGHOST": "/nowhere", "PGUSER": "nobody", "PGDATABASE": "nothing",
		"PGOPTIONS": "-c synchronous_commit=off", "PGSSLMODE": "verify-full", "TZ": "Nowhere/Land", "COOKIE_SECRET": "topsecret",
	} {
		t.Setenv(name, value)
	}
	s := start(t, newDir(t))
	if got := ask(t, s.URL(), "SHOW lc_messages"); got != "C" {
		t.Errorf("lc_messages is %q", got)
	}
	if got := ask(t, s.URL(), "SHOW synchronous_commit"); got != "on" {
		t.Errorf("synchronous_commit is %q", got)
	}
	do(t, asSuperuser(s.URL()), "CREATE TABLE env (line text); COPY env FROM PROGRAM 'env'")
	env := ask(t, asSuperuser(s.URL()), "SELECT ' ' || string_agg(line, ' ') || ' ' FROM env")
	if strings.Contains(env, "xx_YY") || strings.Contains(env, "topsecret") || !strings.Contains(env, " HOME=/ ") {
		t.Errorf("the server's environment is %s", env)
	}
}

func TestLockedAndAttach(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	if _, err := Attach(t.Context(), dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Attach without data: %v", err)
	}
	if _, err := Attach(t.Context(), filepath.Join(dir, "missing")); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Attach without a folder: %v", err)
	}
	s := start(t, dir)
	_, err := Start(t.Context(), Config{Dir: dir})
	wantError(t, err, ErrLocked, "pid "+strconv.Itoa(os.Getpid()))
	url, err := Attach(t.Context(), dir)
	if err != nil || url != s.URL() {
		t.Errorf("Attach: %q, %v, want %q", url, err, s.URL())
	}
	if got := ask(t, url, "SELECT 'here'"); got != "here" {
		t.Errorf("the attached server answers %q", got)
	}
	stop(t, s)
	if _, err := Attach(t.Context(), dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Attach after Stop: %v", err)
	}
}

// TestPostmasterKilled: the end of the server by somebody else's hand is told,
// and what was committed is there after the next start.
func TestPostmasterKilled(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s := start(t, dir)
	do(t, s.URL(), "CREATE TABLE kept AS SELECT 'committed' AS text")
	open := connect(t, s.URL()) // a backend that outlives the postmaster
	if err := s.Err(); err != nil {
		t.Errorf("while it runs, Err is %v", err)
	}
	if err := s.process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Err is %v", err)
	}
	if err := s.Stop(); err == nil {
		t.Error("Stop says nothing of the unexpected end")
	}
	if _, err := Attach(t.Context(), dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Attach to what is left: %v", err)
	}
	s = start(t, dir)
	if got := ask(t, s.URL(), "SELECT text FROM kept"); got != "committed" {
		t.Errorf("the table holds %q", got)
	}
	if err := open.Ping(t.Context()); err == nil {
		t.Error("a backend of the killed server still answers")
	}
}

// TestStartCancelled leaves nothing running and nothing locked.
func TestStartCancelled(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Config{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("Start: %v", err)
	}
	stop(t, start(t, dir))
}

// TestStartCancelledInRecovery: the server that is not ready yet is stopped.
func TestStartCancelledInRecovery(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	stop(t, start(t, dir))
	c, err := openCluster(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	lock, err := takeLock(filepath.Join(c.root, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	run, err := c.socketFolder()
	if err != nil {
		t.Fatal(err)
	}
	bin, err := c.who.findBinaries(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.spawn(bin, run, lock)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// Another folder's file never gets ready, as one in recovery is not yet.
	if err := s.awaitReady(ctx, t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("awaitReady: %v", err)
	}
	<-s.Done()
	stop(t, start(t, dir))
}

// TestBrokenConfiguration: a server that cannot start says why.
func TestBrokenConfiguration(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	stop(t, start(t, dir))
	writeFile(t, filepath.Join(dir, "postgres/data/postgresql.auto.conf"), "no_such_setting = on\n", 0o600)
	_, err := Start(t.Context(), Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("Start: %v", err)
	}
	if _, err := pgx.Connect(t.Context(), urlOf(filepath.Join(dir, "postgres/run"))); err == nil {
		t.Error("something answers")
	}
}
