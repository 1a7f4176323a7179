package pgembed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// Processes that lose their parent become children of this one, which so can
// wait for them. It does not reap the others, as some first processes of
// containers do not.
func init() {
	const prSetChildSubreaper = 36
	helpers["orphan"] = func() {
		signalOnParentDeath = false
		serveHelper()
	}
	if os.Getenv(helperVariable) == "" {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
			panic(errno)
		}
	}
}

// TestParentKilled: a server does not outlive its parent, and ends in order.
func TestParentKilled(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	p := launch(t, helperCommand(t, "serve", dir))
	if p.url == "" {
		t.Fatal(p.firstLine)
	}
	do(t, p.url, "CREATE TABLE kept AS SELECT 'committed' AS text")
	p.kill(t)
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(p.postmaster, &status, 0, nil); err != nil || !status.Exited() || status.ExitStatus() != 0 {
		t.Fatalf("the server ended with %+v, %v", status, err)
	}
	if state := controlData(t, dir, "Database cluster state"); state != "shut down" {
		t.Errorf("the cluster is %q", state)
	}
	s := start(t, dir)
	if got := ask(t, s.URL(), "SELECT text FROM kept"); got != "committed" {
		t.Errorf("the table holds %q", got)
	}
}

// TestThreadOfCallerEnds: the kernel's signal follows the thread that forked,
// which must not be one that may end before the program does.
func TestThreadOfCallerEnds(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	type result struct {
		server *Server
		thread int
		err    error
	}
	results := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		s, err := Start(t.Context(), Config{Dir: dir})
		results <- result{s, syscall.Gettid(), err}
	}()
	r := <-results
	if r.err != nil {
		t.Fatal(r.err)
	}
	defer r.server.Stop()
	if r.thread != os.Getpid() { // the first thread never ends
		for exists(fmt.Sprintf("/proc/self/task/%d", r.thread)) {
			runtime.Gosched()
		}
	}
	for range 20 {
		if got := ask(t, r.server.URL(), "SELECT 'here'"); got != "here" {
			t.Fatal(got)
		}
	}
	stop(t, r.server)
}

// TestOrphan: where the kernel tells the server nothing of its parent's death,
// the next start ends it. Root without the right to see where another account's
// processes work, as in containers, finds it too.
func TestOrphan(t *testing.T) {
	t.Parallel()
	for name, without := range map[string][]uintptr{"": nil, "without CAP_SYS_PTRACE": {capSysPtrace}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if without != nil {
				needRoot(t)
			}
			dir := newDir(t)
			p := launch(t, helperCommand(t, "orphan", dir))
			if p.url == "" {
				t.Fatal(p.firstLine)
			}
			t.Cleanup(func() {
				if t.Failed() {
					_ = syscall.Kill(p.postmaster, syscall.SIGQUIT) // nobody else would end it
				}
			})
			do(t, p.url, "CREATE TABLE kept AS SELECT 'committed' AS text")
			open := connect(t, p.url)
			p.kill(t)
			if err := open.Ping(t.Context()); err != nil {
				t.Fatalf("the orphan is gone, nothing is tested: %v", err)
			}
			if url, err := Attach(t.Context(), dir); err != nil || url != p.url {
				t.Errorf("Attach to the orphan: %q, %v", url, err)
			}
			next := launch(t, withoutCapabilities(t, helperCommand(t, "serve", dir), without...))
			if next.url == "" {
				t.Fatal(next.firstLine)
			}
			var status syscall.WaitStatus
			if _, err := syscall.Wait4(p.postmaster, &status, syscall.WNOHANG, nil); err != nil || !status.Exited() || status.ExitStatus() != 0 {
				t.Errorf("the orphan ended with %+v, %v", status, err)
			}
			if got := ask(t, next.url, "SELECT text FROM kept"); got != "committed" {
				t.Errorf("the table holds %q", got)
			}
		})
	}
}

// TestTakenPid: PostgreSQL refuses to start when a pid in one of the lock files
// is taken. We know better: neither a zombie nor a stranger is its server.
func TestTakenPid(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	stop(t, start(t, dir))
	c, err := openCluster(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	// A stranger of the server's account, with the data folder to work in.
	stranger := c.who.command(t.Context(), c.data, "/bin/cat")
	in, err := stranger.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	zombie := c.who.command(t.Context(), c.data, "/bin/true")
	if err := zombie.Start(); err != nil {
		t.Fatal(err)
	}
	waitForZombie(t, zombie.Process.Pid)

	for name, pid := range map[string]int{"zombie": zombie.Process.Pid, "stranger": stranger.Process.Pid} {
		run := filepath.Join(dir, "postgres/run")
		if err := c.who.makeFolder(run); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(c.data, "postmaster.pid"), fmt.Sprintf("%d\n%s\n1700000000\n5432\n%s\n\n  123 456\nready   \n", pid, c.data, run), 0o600)
		writeFile(t, filepath.Join(run, socketName+".lock"), fmt.Sprintf("%d\n%s\n1700000000\n5432\n%s\n", pid, c.data, run), 0o600)
		for _, path := range []string{filepath.Join(c.data, "postmaster.pid"), filepath.Join(run, socketName+".lock")} {
			if err := os.Chown(path, int(c.who.uid), int(c.who.gid)); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Start(t.Context(), Config{Dir: dir})
		if err != nil {
			t.Fatalf("with the pid of a %s: %v", name, err)
		}
		stop(t, s)
	}
	in.Close() // unharmed, the stranger ends by itself
	if err := stranger.Wait(); err != nil {
		t.Errorf("the stranger: %v", err)
	}
	if err := zombie.Wait(); err != nil {
		t.Error(err)
	}
}

// TestStopWithoutPatience: a server that does not end in time is told to exit at
// once. Here it waits for a backend that is suspended.
func TestStopWithoutPatience(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	p := launch(t, helperCommand(t, "serve", dir, "HALITE_PGEMBED_PATIENCE=1ms"))
	if p.url == "" {
		t.Fatal(p.firstLine)
	}
	do(t, p.url, "CREATE TABLE kept AS SELECT 'committed' AS text")
	conn := connect(t, p.url)
	backend := int(conn.PgConn().PID())
	if err := syscall.Kill(backend, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p.in.Close()
	if line := p.line(); line != "stopped <nil>" {
		t.Fatal(line)
	}
	if exists(filepath.Join("/proc", fmt.Sprint(backend), "cwd", "PG_VERSION")) {
		t.Error("the backend is still there")
	}
	s := start(t, dir)
	if got := ask(t, s.URL(), "SELECT text FROM kept"); got != "committed" {
		t.Errorf("the table holds %q", got)
	}
}

// waitForZombie returns when the child has exited, without reaping it.
func waitForZombie(t *testing.T, pid int) {
	t.Helper()
	const pPid, wExited, wNoWait = 1, 4, 0x01000000
	var info [128]byte
	if err := waitid(pPid, pid, &info, wExited|wNoWait); err != nil {
		t.Fatal(err)
	}
}

// controlData returns what pg_controldata says of the cluster of a stopped server.
func controlData(t *testing.T, dir, field string) string {
	t.Helper()
	c, err := openCluster(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	bin, err := c.who.findBinaries(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(bin.dir, "pg_controldata"), c.data)
	cmd.Env = environment(bin.dir)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no %q in %s", field, out)
	return ""
}
