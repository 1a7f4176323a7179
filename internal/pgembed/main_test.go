package pgembed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// The test binary, run again with this variable, is a helper process of its
// name: a parent that can be killed, or be somebody else.
const helperVariable = "HALITE_PGEMBED_HELPER"

var helpers = map[string]func(){"serve": serveHelper, "default-dir": defaultDirHelper}

func TestMain(m *testing.M) {
	if helper := helpers[os.Getenv(helperVariable)]; helper != nil {
		helper()
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if executable.path != "" {
			os.RemoveAll(filepath.Dir(executable.path))
		}
		os.Exit(code)
	}))
}

// serveHelper runs the server of its folder until its input ends.
func serveHelper() {
	if patience, err := time.ParseDuration(os.Getenv("HALITE_PGEMBED_PATIENCE")); err == nil {
		stopPatience = patience
	}
	s, err := Start(context.Background(), Config{Dir: os.Getenv("HALITE_PGEMBED_DIR")})
	if err != nil {
		fmt.Println("error", kindOf(err), strconv.Quote(err.Error()))
		return
	}
	fmt.Println("ready", s.process.Pid, s.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	fmt.Println("stopped", s.Stop())
}

func defaultDirHelper() {
	fmt.Println(DefaultDir())
}

func kindOf(err error) string {
	for name, kind := range map[string]error{
		"locked": ErrLocked, "binaries": ErrNoBinaries, "version": ErrVersion,
		"folder": ErrFolder, "full": ErrDiskFull, "unsupported": ErrUnsupported,
	} {
		if errors.Is(err, kind) {
			return name
		}
	}
	return "other"
}

var executable struct {
	sync.Once
	path string
	err  error
}

// helperCommand prepares a helper process. Its program is a copy that every
// account can run.
func helperCommand(t *testing.T, helper, dir string, env ...string) *exec.Cmd {
	t.Helper()
	executable.Do(func() {
		folder, err := os.MkdirTemp("/tmp", "pgembed-helper-")
		if err == nil {
			err = os.Chmod(folder, 0o755)
		}
		var program []byte
		if err == nil {
			program, err = os.ReadFile(os.Args[0])
		}
		executable.path = filepath.Join(folder, "helper")
		if err == nil {
			syscall.ForkLock.RLock() // as in writeFile
			err = os.WriteFile(executable.path, program, 0o755)
			syscall.ForkLock.RUnlock()
		}
		executable.err = err
	})
	if executable.err != nil {
		t.Fatal(executable.err)
	}
	cmd := exec.Command(executable.path)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), helperVariable+"="+helper, "HALITE_PGEMBED_DIR="+dir)
	cmd.Env = append(cmd.Env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	return cmd
}

// A parent is a running serve helper.
type parent struct {
	cmd        *exec.Cmd
	in         io.Closer
	out        *bufio.Scanner
	postmaster int
	url        string
	firstLine  string
}

// launch starts a serve helper and reads the first line of it: "ready .." or
// "error <kind> <text>".
func launch(t *testing.T, cmd *exec.Cmd) *parent {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	p := &parent{cmd: cmd, in: in, out: bufio.NewScanner(out)}
	p.firstLine = p.line()
	if fields := strings.Fields(p.firstLine); len(fields) == 3 && fields[0] == "ready" {
		p.postmaster, _ = strconv.Atoi(fields[1])
		p.url = fields[2]
	}
	return p
}

func (p *parent) line() string {
	p.out.Scan()
	return p.out.Text()
}

// kill ends the parent without a chance to do anything, and reaps it.
func (p *parent) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait()
}

// newDir returns a data folder whose parents every account can enter. Short,
// because the socket's path is.
func newDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pgembed-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// start runs the server of dir; it is stopped with the test at the latest.
func start(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Start(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
}

// connect opens one connection, closed with the test.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// ask returns the one text that a query yields.
func ask(t *testing.T, url, query string) string {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(context.Background())
	var text string
	if err := conn.QueryRow(t.Context(), query).Scan(&text); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return text
}

// do runs a statement.
func do(t *testing.T, url, statement string) {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// asSuperuser turns a server's URL into that of the bootstrap superuser.
func asSuperuser(url string) string {
	return strings.Replace(strings.Replace(url, "halite@", "postgres@", 1), "/halite?", "/postgres?", 1)
}

// needRoot skips what only root can arrange.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can arrange this")
	}
}

// wantError fails unless err is of the kind and says each of the texts.
func wantError(t *testing.T, err, kind error, texts ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error is %v, want %q", err, kind)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error does not say %q: %v", text, err)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// writeFile writes a file that may be run at once: no child that is just being
// forked holds it open for writing.
func writeFile(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
