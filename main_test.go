package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"halite/internal/httpapi/apitest"
	"halite/internal/pgtest"
)

// programVariable makes the test binary the program itself, so that tests can start
// it as a process of its own and send it signals.
const programVariable = "HALITE_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(programVariable) != "" {
		main()
		return
	}
	pgtest.Main(m, false)
}

// testSecret is a COOKIE_SECRET, testKey a CHECKPOINT_KEY; adminPassword is BOOTSTRAP_ADMIN_PASSWORD.
const (
	testSecret    = "0123456789abcdef0123456789abcdef"
	adminPassword = "changeme-please"
	testKey       = "PRIVATE+KEY+example.org/log+4e933303+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// program is a command that runs the program. Its environment is args beside what
// the process needs of its own.
func program(ctx context.Context, env []string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Env = append([]string{programVariable + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LISTEN_PORT=0"}, env...)
	return c
}

// instance is the program, serving as a process of its own on a database that others
// may share. Of its Server only the requests work.
type instance struct {
	*apitest.Server
	out *output

	process *os.Process
	ended   chan struct{}
	exit    error // once ended is closed
}

// start starts an instance, and stops it at the end of the test at the latest. It
// makes the user admin with adminPassword where there is no user yet.
func start(t *testing.T, database string, env ...string) *instance {
	t.Helper()
	c := program(context.Background(), append([]string{
		"DATABASE_URL=" + database, "COOKIE_SECRET=" + testSecret, "BOOTSTRAP_ADMIN_PASSWORD=" + adminPassword,
		"REFUSALS_PER_MINUTE=100000", "CHECKPOINT_KEY=" + testKey,
	}, env...))
	i := &instance{out: newOutput(), ended: make(chan struct{})}
	c.Stdout, c.Stderr = i.out, i.out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	i.process = c.Process
	go func() { i.exit = c.Wait(); close(i.ended) }()
	t.Cleanup(func() { i.stop(t) })
	i.Server = &apitest.Server{URL: i.out.address(t, i.ended), DBURL: database}
	return i
}

// stop lets the instance shut down, which must end well. One that has ended stays so.
func (i *instance) stop(t *testing.T) {
	t.Helper()
	select {
	case <-i.ended:
		return
	default:
	}
	if err := i.process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if <-i.ended; i.exit != nil {
		t.Errorf("%v:\n%s", i.exit, i.out)
	}
}

// kill ends the instance as a crash does.
func (i *instance) kill(t *testing.T) {
	t.Helper()
	if err := i.process.Kill(); err != nil {
		t.Error(err)
	}
	<-i.ended
}

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

// receive waits for a signal.
func receive[T any](t *testing.T, what string, signal <-chan T) T {
	t.Helper()
	select {
	case v := <-signal:
		return v
	case <-time.After(patience):
		t.Fatalf("not within %v: %s", patience, what)
		panic("unreachable")
	}
}

// eventually waits until done, for what happens in the background of a process, which
// tells nobody.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// output collects what a program says; it may be read meanwhile.
type output struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	said chan struct{} // told of every write
}

func newOutput() *output { return &output{said: make(chan struct{}, 1)} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.said <- struct{}{}:
	default:
	}
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

var restLine = regexp.MustCompile(`REST +(http://\S+)/api/audit`)

// address waits until the program has said where it is. ended tells that it has
// ended instead.
func (o *output) address(t *testing.T, ended <-chan struct{}) string {
	t.Helper()
	for {
		if m := restLine.FindStringSubmatch(o.String()); m != nil {
			return m[1]
		}
		select {
		case <-o.said:
		case <-ended:
			t.Fatalf("it ended before it served:\n%s", o)
		}
	}
}

// runHere runs the program in this process, to its end.
func runHere(t *testing.T, stdin string, args ...string) (code int, out, err string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, streams{in: strings.NewReader(stdin), out: &o, err: &e})
	return code, o.String(), e.String()
}

// serveHere serves in this process until stop is called, which returns the exit
// status. It is called at the end of the test at the latest.
func serveHere(t *testing.T, args ...string) (url string, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, ended := newOutput(), make(chan struct{})
	code := 0
	go func() {
		defer close(ended)
		code = run(ctx, append([]string{"--listen-port=0"}, args...), streams{in: strings.NewReader(""), out: out, err: out})
	}()
	stop = func() int {
		cancel()
		<-ended
		return code
	}
	t.Cleanup(func() { stop() })
	return out.address(t, ended), stop
}

// signIn returns the Cookie header of a new session.
func signIn(t *testing.T, url, name, password string) string {
	t.Helper()
	res, err := http.Post(url+"/api/auth/login", "application/json", strings.NewReader(`{"username":"`+name+`","password":"`+password+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("sign-in of %s: %d %s", name, res.StatusCode, b)
	}
	cookie, _, _ := strings.Cut(res.Header.Get("Set-Cookie"), ";")
	return cookie
}

// get asks for a path with a cookie.
func get(ctx context.Context, url, cookie string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Cookie", cookie)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return res, string(b), err
}
