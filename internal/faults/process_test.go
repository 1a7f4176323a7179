package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"halite/internal/audit"
	"halite/internal/pgembed"
	"halite/internal/pgtest"
)

const password = "a-password-for-the-test"

// process is the real program on a database of its own.
type process struct {
	cmd    *exec.Cmd
	base   string // http://host:port
	cookie string
	ended  chan struct{}
}

// build returns the path of the program.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "halite")
	if out, err := exec.Command("go", "build", "-o", program, "halite").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

// serve starts the program and signs in. where are the variables that say which
// database it uses.
func serve(t *testing.T, program string, where ...string) *process {
	t.Helper()
	cmd := exec.Command(program, "serve")
	cmd.Env = append(os.Environ(), "LISTEN_PORT=0", "LISTEN_HOST=127.0.0.1",
		"BOOTSTRAP_ADMIN_PASSWORD="+password, "REFUSALS_PER_MINUTE=1000000", "DATABASE_URL=", "COOKIE_SECRET=")
	cmd.Env = append(cmd.Env, where...)
	out, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	base := make(chan string, 1)
	go func() {
		defer close(p.ended)
		address := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if a := address.FindString(lines.Text()); a != "" && len(base) == 0 {
				base <- a
			}
			t.Log(lines.Text())
		}
	}()
	go func() {
		_ = cmd.Wait()
		w.Close()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails if it has ended
		<-p.ended
	})
	p.base = receive(t, base, "the program's address")
	body := fmt.Sprintf(`{"username":"admin","password":%q}`, password)
	resp, err := http.Post(p.base+"/api/auth/login", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || len(resp.Cookies()) != 1 {
		t.Fatalf("sign-in: %s", resp.Status)
	}
	p.cookie = resp.Cookies()[0].String()
	return p
}

// errNoAnswer is what becomes of a request that was not answered: anything.
var errNoAnswer = fmt.Errorf("%w: no answer", audit.ErrOutcomeUnknown)

// ask asks for the log, signed in or not: both leave a row, of which the answer tells.
func (p *process) ask(client *http.Client, signedIn bool, name string) (audit.Entry, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.base+"/api/audit?limit=1", nil)
	if err != nil {
		return audit.Entry{}, err
	}
	req.Header.Set("X-Request-Id", name)
	want := http.StatusUnauthorized
	if signedIn {
		req.Header.Set("Cookie", p.cookie)
		want = http.StatusOK
	}
	resp, err := client.Do(req)
	if err != nil {
		return audit.Entry{}, errNoAnswer
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return audit.Entry{}, errNoAnswer
	}
	if resp.StatusCode == http.StatusServiceUnavailable {
		return audit.Entry{}, errors.New("503")
	}
	id, err := strconv.ParseInt(resp.Header.Get("X-Audit-Id"), 10, 64)
	if resp.StatusCode != want || err != nil {
		return audit.Entry{}, fmt.Errorf("%s with the row %q", resp.Status, resp.Header.Get("X-Audit-Id"))
	}
	return audit.Entry{ID: id}, nil
}

// TestKillServer kills the program, and ends it in order, under load. What it
// answered is in the log, and it starts again on what it left behind.
func TestKillServer(t *testing.T) {
	t.Parallel()
	program := build(t)
	dir, err := os.MkdirTemp("/tmp", "halite-faults-") // a short path, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // the server may run as another user
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	all := newTold()
	for run, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGTERM} {
		p := serve(t, program, "HALITE_DATA_DIR="+data)
		client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
		l := startLoad(t, 12, func(caller int, name string) (audit.Entry, error) {
			return p.ask(client, caller%2 == 0, fmt.Sprintf("run%d.%s", run, name))
		})
		l.await(t, 15)
		if err := p.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		receive(t, p.ended, "the end of the program")
		if code := p.cmd.ProcessState.ExitCode(); signal == syscall.SIGTERM && code != 0 {
			t.Errorf("told to end, the program exited with %d", code)
		}
		l.stop(t)
		client.CloseIdleConnections()
		all.add(fmt.Sprintf("run%d.", run), l.told)
	}
	s, err := pgembed.Start(t.Context(), pgembed.Config{Dir: data, Logger: pgtest.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	all.check(t, s.URL(), "request_id")
}

// add takes in what was told elsewhere.
func (l *told) add(prefix string, from *told) {
	from.mu.Lock()
	defer from.mu.Unlock()
	for name, id := range from.answered {
		l.answered[prefix+name] = id
	}
	for name, err := range from.refused {
		l.refused[prefix+name] = err
	}
	for name := range from.unknown {
		l.unknown[prefix+name] = true
	}
}
