package pgembed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// pollInterval is how often the files and processes of a server are looked at
// while waiting for it.
const pollInterval = 10 * time.Millisecond

// stopPatience is how long a fast shutdown may take before an immediate one.
// Tests shorten it.
var stopPatience = 20 * time.Second

// Config says where the server lives.
type Config struct {
	Dir    string       // the data folder; made if it is missing. The server lives in Dir/postgres
	Logger *slog.Logger // nil logs nothing. What the server itself says goes to Dir/postgres/server.log
}

// A Server is a running PostgreSQL. Its methods are safe for concurrent use.
type Server struct {
	url      string
	log      *slog.Logger
	process  *os.Process
	output   *logFile
	stopOnce sync.Once
	stopping chan struct{} // closed by Stop
	done     chan struct{}
	err      error // set before done is closed
}

// Start runs the server of the folder, making its cluster first if there is
// none, and returns when it accepts connections, which after a crash may take
// as long as its recovery. A process that a killed parent left is ended first.
// The context bounds Start only; the server runs until Stop.
//
// The error wraps ErrLocked, ErrNoBinaries, ErrVersion, ErrFolder, ErrDiskFull
// or ErrUnsupported where one of them is the cause; then nothing runs.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	c, err := openCluster(cfg)
	if err != nil {
		return nil, err
	}
	lock, err := takeLock(filepath.Join(c.root, "lock"))
	if err != nil {
		return nil, err
	}
	s, err := c.start(ctx, lock)
	if err != nil {
		releaseLock(lock)
		return nil, err
	}
	return s, nil
}

// URL is how clients on this machine reach the database `halite` as its owner,
// the role `halite`.
func (s *Server) URL() string { return s.url }

// Done is closed when the server has exited, expected or not.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err returns nil while the server runs and after Stop, else why it exited.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Stop ends the server and returns when it has exited: connections are closed
// and their transactions rolled back, what was committed is checkpointed. A
// server that takes longer than 20 seconds is told to exit at once and will
// recover at the next start. Further calls wait for the same end. It returns
// what Err returns.
func (s *Server) Stop() error {
	s.stopOnce.Do(func() {
		close(s.stopping)
		_ = s.process.Signal(syscall.SIGINT) // fails only if it has exited
	})
	patience := time.NewTimer(stopPatience)
	defer patience.Stop()
	select {
	case <-s.done:
	case <-patience.C:
		s.log.Warn("PostgreSQL does not stop, telling it to exit at once", "pid", s.process.Pid)
		_ = s.process.Signal(syscall.SIGQUIT)
		<-s.done
	}
	return s.err
}

// start brings the cluster up. It takes over the lock if it succeeds.
func (c *cluster) start(ctx context.Context, lock *os.File) (*Server, error) {
	run, err := c.socketFolder()
	if err != nil {
		return nil, err
	}
	if err := c.clearRemains(ctx, run); err != nil {
		return nil, err
	}
	major, err := c.major()
	if err != nil {
		return nil, err
	}
	bin, err := c.who.findBinaries(ctx, major)
	if err != nil {
		return nil, err
	}
	if major == 0 {
		began := time.Now()
		if err := c.initialise(ctx, bin); err != nil {
			return nil, err
		}
		c.log.Info("made a new database", "folder", c.root, "major", bin.major, "took", time.Since(began))
	}
	s, err := c.spawn(bin, run, lock)
	if err != nil {
		return nil, err
	}
	if err := s.awaitReady(ctx, c.data); err != nil {
		return nil, err
	}
	c.log.Info("PostgreSQL is ready", "pid", s.process.Pid, "folder", c.root, "programs", bin.dir)
	return s, nil
}

// spawn starts the postmaster. The lock is released when it has exited.
func (c *cluster) spawn(bin binaries, run string, lock *os.File) (*Server, error) {
	s := &Server{
		url:      urlOf(run),
		log:      c.log,
		output:   openLog(filepath.Join(c.root, "server.log")),
		stopping: make(chan struct{}),
		done:     make(chan struct{}),
	}
	args := append([]string{"-D", c.data, "-k", run, "-p", port}, c.settings()...)
	cmd := c.who.command(context.Background(), c.data, filepath.Join(bin.dir, "postgres"), args...)
	cmd.Stdout, cmd.Stderr = s.output, s.output
	// Backends that outlive a killed postmaster hold the pipe open.
	cmd.WaitDelay = time.Second
	dieWithParent(cmd.SysProcAttr, syscall.SIGINT)
	started := make(chan error)
	go func() {
		// The signal on the parent's death follows the thread that forked, so
		// this goroutine keeps it until the child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			s.output.Close()
			started <- explainSpawn(err, c.who, c.data)
			return
		}
		s.process = cmd.Process
		started <- nil
		s.wait(cmd)
		_ = os.Remove(run) // one in the temporary folder must not remain; fails if it is not empty
		releaseLock(lock)
		close(s.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return s, nil
}

// wait sees the postmaster to its end and sets err.
func (s *Server) wait(cmd *exec.Cmd) {
	err := cmd.Wait()
	select {
	case <-s.stopping:
	default:
		if err == nil || errors.Is(err, exec.ErrWaitDelay) {
			err = errors.New(cmd.ProcessState.String())
		}
		s.err = explain(fmt.Errorf("PostgreSQL exited by itself: %w", err), s.output.Tail())
	}
	s.output.Close()
}

// awaitReady returns nil when the server accepts connections. Otherwise it has
// exited.
func (s *Server) awaitReady(ctx context.Context, data string) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		file, err := readPidFile(data)
		if err == nil && file.ready && file.pid == s.process.Pid {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.done:
			return fmt.Errorf("start: %w", s.err)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), s.Stop())
		}
	}
}
