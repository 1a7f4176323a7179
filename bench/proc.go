package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program that was started here.
type process struct {
	cmd    *exec.Cmd
	output *tail
	done   chan struct{}
	cancel context.CancelFunc
}

// spawn starts a program, with variables besides those of this process. It ends with ctx.
func spawn(ctx context.Context, env []string, dir, program string, args ...string) (*process, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	p := &process{cmd: cmd, output: &tail{}, done: make(chan struct{}), cancel: cancel}
	cmd.Stdout, cmd.Stderr = p.output, p.output
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	go func() { _ = cmd.Wait(); close(p.done) }()
	return p, nil
}

// stop ends the process and waits for it.
func (p *process) stop() {
	if p != nil {
		p.cancel()
		<-p.done
	}
}

// await asks until there is an answer with 200.
func (p *process) await(ctx context.Context, ask func(context.Context) (*http.Request, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		req, err := ask(ctx)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended: %s", p.cmd.Path, p.output)
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %s", p.cmd.Path, p.output)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// tail keeps the end of what a program says.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buf.Len() > 64<<10 {
		t.buf.Reset()
	}
	return t.buf.Write(b)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(t.buf.String())
}

// freePort is a port of this machine that nobody listens on.
func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("no port of TCP's")
	}
	return addr.Port, l.Close()
}

// stat is a line of /proc.
type stat struct {
	parent int
	cpu    time.Duration // with that of its children that have ended
}

// processes reads what runs on this machine.
func processes() map[int]stat {
	out := map[int]stat{}
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		if pid, s, ok := parseStat(string(text)); ok {
			out[pid] = s
		}
	}
	return out
}

// parseStat reads /proc/<pid>/stat. The name may hold anything, blanks and brackets too.
func parseStat(text string) (pid int, s stat, ok bool) {
	head, _, found := strings.Cut(text, " ")
	end := strings.LastIndexByte(text, ')')
	if !found || end < 0 {
		return 0, s, false
	}
	f := strings.Fields(text[end+1:])
	if len(f) < 15 {
		return 0, s, false
	}
	const ticks = 100 // a second, on every Linux
	var sum int
	for _, v := range f[11:15] { // utime, stime, cutime, cstime
		n, err := strconv.Atoi(v)
		if err != nil {
			return 0, s, false
		}
		sum += n
	}
	pid, err := strconv.Atoi(head)
	parent, err2 := strconv.Atoi(f[1])
	return pid, stat{parent: parent, cpu: time.Duration(sum) * time.Second / ticks}, errors.Join(err, err2) == nil
}

// tree is the pids of a process and all below it.
func tree(all map[int]stat, root int) (pids []int) {
	pids = []int{root}
	for i := 0; i < len(pids); i++ {
		for pid, s := range all {
			if s.parent == pids[i] {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// cpuOf is the time that a process and all below it have computed.
func cpuOf(all map[int]stat, root int) (sum time.Duration) {
	for _, pid := range tree(all, root) {
		sum += all[pid].cpu
	}
	return sum
}

// peakMemory is the most memory, in bytes, that a process and all below it had at a time
// each; 0 where it is not known.
func peakMemory(root int) (sum int64) {
	for _, pid := range tree(processes(), root) {
		text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
				kb, _ := strconv.ParseInt(f[1], 10, 64)
				sum += kb << 10
			}
		}
	}
	return sum
}

// ownCPU is the time that this process has computed.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
