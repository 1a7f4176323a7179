package pgtest

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// Bouncer is a real PgBouncer in transaction mode in front of the server: a child process
// that ends with the test.
type Bouncer struct {
	dir     string
	program string
	account *syscall.SysProcAttr
	cmd     *exec.Cmd
	ended   chan error
}

// NewBouncer starts a PgBouncer with that many connections to the server for each login and
// database. lines are added to the settings of the database, such as connect_query. Without
// the program the test fails: scripts/get-pgbouncer.sh gets it.
func NewBouncer(tb testing.TB, pool int, lines ...string) *Bouncer {
	tb.Helper()
	program, err := findBouncer()
	if err != nil {
		tb.Fatal(err)
	}
	backend, err := url.Parse(server.URL())
	if err != nil {
		tb.Fatal(err)
	}
	socket := backend.Query().Get("host")
	// Beside the server's folder: the path of a socket must not be long.
	dir, err := os.MkdirTemp("", "halite-pgb-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	b := &Bouncer{dir: dir, program: program}
	if b.account, err = ownerOf(socket); err != nil {
		tb.Fatal(err)
	}
	port := backend.Query().Get("port")
	if port == "" {
		port = "5432"
	}
	ini := fmt.Sprintf(`[databases]
* = host=%s port=%s %s
[pgbouncer]
unix_socket_dir = %s
listen_port = 6432
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = %d
max_client_conn = 500
server_check_delay = 0
server_login_retry = 1
`, socket, port, strings.Join(lines, " "), dir, filepath.Join(dir, "users"), pool)
	for name, text := range map[string]string{"pgbouncer.ini": ini, "users": "\"halite\" \"\"\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	if c := b.account.Credential; c != nil {
		for _, name := range []string{"", "pgbouncer.ini", "users"} {
			if err := os.Chown(filepath.Join(dir, name), int(c.Uid), int(c.Gid)); err != nil {
				tb.Fatal(err)
			}
		}
	}
	b.Start(tb)
	tb.Cleanup(b.Kill)
	return b
}

// URL leads to a database through the pooler, as a login that Login has made known, or
// "halite".
func (b *Bouncer) URL(tb testing.TB, dbURL, as string) string {
	tb.Helper()
	u, err := url.Parse(dbURL)
	if err != nil {
		tb.Fatal(err)
	}
	return (&url.URL{
		Scheme: "postgres", User: url.User(as), Path: u.Path,
		RawQuery: url.Values{"host": {b.dir}, "port": {"6432"}, "sslmode": {"disable"}}.Encode(),
	}).String()
}

// Login makes a login at the server, with settings as ALTER ROLE takes them, and lets the
// pooler know of it. It is called before the pooler is used by others.
func (b *Bouncer) Login(tb testing.TB, dbURL string, settings ...string) (name string) {
	tb.Helper()
	u, err := url.Parse(dbURL)
	if err != nil {
		tb.Fatal(err)
	}
	name = "app_" + strings.TrimPrefix(u.Path, "/")
	admin(tb, fmt.Sprintf("CREATE ROLE %s LOGIN", name))
	tb.Cleanup(func() { _ = execute("DROP ROLE IF EXISTS " + name) }) // what a kept database still needs, stays
	for _, s := range settings {
		admin(tb, fmt.Sprintf("ALTER ROLE %s SET %s", name, s))
	}
	users := fmt.Sprintf("\"halite\" \"\"\n\"%s\" \"\"\n", name)
	if err := os.WriteFile(filepath.Join(b.dir, "users"), []byte(users), 0o600); err != nil {
		tb.Fatal(err)
	}
	b.Kill()
	b.Start(tb)
	return name
}

// Start starts the pooler anew after Kill or Stop. It returns when clients can connect.
func (b *Bouncer) Start(tb testing.TB) {
	tb.Helper()
	b.cmd = exec.Command(b.program, filepath.Join(b.dir, "pgbouncer.ini"))
	b.cmd.Dir, b.cmd.SysProcAttr = b.dir, b.account
	said, err := b.cmd.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	up, ended, started := make(chan struct{}), make(chan error, 1), make(chan error)
	b.ended = ended
	var out strings.Builder
	go func() {
		// The signal on the parent's death follows the thread that forked.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := b.cmd.Start(); err != nil {
			started <- err
			return
		}
		close(started)
		lines, is := bufio.NewScanner(said), false
		for lines.Scan() {
			if !is {
				out.WriteString(lines.Text() + "\n")
			}
			if !is && strings.Contains(lines.Text(), "process up") {
				is = true
				close(up)
			}
		}
		ended <- b.cmd.Wait()
	}()
	if err := <-started; err != nil {
		tb.Fatal(err)
	}
	select {
	case <-up:
	case err := <-ended:
		ended <- err
		tb.Fatalf("pgbouncer ended: %v\n%s", err, out.String())
	}
}

// Kill ends the pooler at once, with all that goes through it.
func (b *Bouncer) Kill() { b.end(syscall.SIGKILL) }

// Stop ends the pooler when the transactions under way have ended.
func (b *Bouncer) Stop() { b.end(syscall.SIGINT) }

func (b *Bouncer) end(sig syscall.Signal) {
	_ = b.cmd.Process.Signal(sig)
	err := <-b.ended
	b.ended <- err
}

// findBouncer looks where packages put the program, and where scripts/get-pgbouncer.sh does.
func findBouncer() (string, error) {
	if path, err := exec.LookPath("pgbouncer"); err == nil {
		return path, nil
	}
	places := []string{"/usr/sbin/pgbouncer", "/usr/local/sbin/pgbouncer", "/opt/homebrew/bin/pgbouncer"}
	if cache, err := os.UserCacheDir(); err == nil {
		places = append(places, filepath.Join(cache, "halite", "pgbouncer", "run"))
	}
	for _, p := range places {
		if info, err := os.Stat(p); err == nil && info.Mode()&0o111 != 0 {
			return p, nil
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return "", err
		}
	}
	return "", errors.New("pgbouncer is needed for this test: sh scripts/get-pgbouncer.sh gets it, and make test does so by itself")
}

// ownerOf says how to start a program as the owner of a folder.
func ownerOf(folder string) (*syscall.SysProcAttr, error) {
	info, err := os.Stat(folder)
	if err != nil {
		return nil, err
	}
	attr := &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(attr)
	if sys, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		attr.Credential = &syscall.Credential{Uid: sys.Uid, Gid: sys.Gid}
	}
	return attr, nil
}
