package pgembed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// clearRemains ends what a killed parent left running and removes the lock
// files that it left behind. PostgreSQL by itself refuses to start when the pid
// in one of them is taken, be it by a zombie or by a stranger. We hold the lock
// of the folder, so it is enough to know that no process of the cluster lives;
// where that cannot be known the files stay and PostgreSQL decides.
func (c *cluster) clearRemains(ctx context.Context, run string) error {
	known, err := c.endOrphans(ctx)
	if err != nil || !known {
		return err
	}
	for _, path := range []string{
		filepath.Join(c.data, "postmaster.pid"),
		filepath.Join(run, socketName+".lock"),
		filepath.Join(run, socketName),
	} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what a killed server left: %w", err)
		}
	}
	return nil
}

// endOrphans stops the processes of the cluster and waits until none is left.
// It reports false if the processes of this machine cannot be listed.
func (c *cluster) endOrphans(ctx context.Context) (known bool, err error) {
	sig, patience := syscall.Signal(0), time.Now().Add(stopPatience)
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		pids, err := c.processes()
		if err != nil {
			c.log.Debug("cannot list processes", "error", err)
			return false, nil
		}
		if len(pids) == 0 {
			return true, nil
		}
		late := time.Now().After(patience)
		switch {
		case sig == 0:
			sig = c.tell(pids, syscall.SIGINT, syscall.SIGTERM)
		case late && sig != syscall.SIGQUIT:
			sig = c.tell(pids, syscall.SIGQUIT, syscall.SIGQUIT)
			patience = time.Now().Add(stopPatience)
		case late:
			return false, fmt.Errorf("processes %v of an earlier run still use %s and do not end", pids, c.root)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, fmt.Errorf("processes %v of an earlier run still use %s: %w", pids, c.root, ctx.Err())
		}
	}
}

// tell signals the postmaster among the processes, which ends the others in
// order, or if it is gone all of them. It returns the signal that was sent.
func (c *cluster) tell(pids []int, postmaster, others syscall.Signal) syscall.Signal {
	sig := others
	if file, err := readPidFile(c.data); err == nil && slices.Contains(pids, file.pid) {
		sig, pids = postmaster, []int{file.pid}
	}
	for _, pid := range pids {
		c.log.Warn("ending a database process that an earlier run left", "pid", pid, "signal", sig.String())
		_ = syscall.Kill(pid, sig) // fails only if it is gone meanwhile
	}
	return sig
}

// owns reports whether a process with this command line is of the cluster: the
// server's processes all carry its tag, initdb names its folder.
func (c *cluster) owns(line string) bool {
	return strings.Contains(line, c.tag) || strings.Contains(line, "-D "+c.data)
}
