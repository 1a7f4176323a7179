package pgembed

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// command prepares a program that runs as the account, in folder, in a process
// group of its own (an interrupt from the terminal is the parent's to handle),
// with an environment that holds nothing of the user's locale or PG* settings.
func (a account) command(ctx context.Context, folder, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = folder
	cmd.Env = environment(filepath.Dir(program))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a.drop {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run runs a short-lived program to its end and returns what it wrote. It does
// not outlive this process where the system can see to that.
func (a account) run(ctx context.Context, folder, input, program string, args ...string) (string, error) {
	// The signal on the parent's death follows the thread that forked.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := a.command(ctx, folder, program, args...)
	dieWithParent(cmd.SysProcAttr, syscall.SIGKILL)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &out
	if err := cmd.Start(); err != nil {
		return "", explainSpawn(err, a, folder)
	}
	err := cmd.Wait()
	if ctx.Err() != nil {
		return out.String(), ctx.Err()
	}
	if err != nil {
		return out.String(), explain(fmt.Errorf("%s: %w", filepath.Base(program), err), out.String())
	}
	return out.String(), nil
}

// environment is that of every child. Packages unpacked below a folder instead
// of the root bring their libraries along.
func environment(bin string) []string {
	env := []string{
		"LC_ALL=C", "PATH=" + bin + ":/usr/local/bin:/usr/bin:/bin", "HOME=/",
		// glibc gives memory back to the system as soon as 128 kB are free at the heap's end, and has to take it again for the
		// next statement, which then may take five times as long: malloc(3).
		"MALLOC_TRIM_THRESHOLD_=4194304", "MALLOC_MMAP_THRESHOLD_=2097152",
	}
	libraries := os.Getenv("LD_LIBRARY_PATH")
	if base, _, ok := strings.Cut(bin, "/usr/lib/postgresql/"); ok && base != "" {
		unpacked, _ := filepath.Glob(base + "/usr/lib/*-linux-*")
		libraries = strings.Join(unpacked, ":")
	}
	if libraries != "" {
		env = append(env, "LD_LIBRARY_PATH="+libraries)
	}
	return env
}
