package pgembed

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// What containers take away from root.
const (
	capSetuid    uintptr = 7
	capSysPtrace uintptr = 19
)

func init() {
	// Gives up capabilities for good and goes on as the helper named.
	helpers["drop"] = func() {
		const prCapbsetDrop = 24
		runtime.LockOSThread()
		for capability := range strings.FieldsSeq(os.Getenv("HALITE_PGEMBED_DROP")) {
			n, err := strconv.ParseUint(capability, 10, 64)
			if err != nil {
				panic(err)
			}
			if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prCapbsetDrop, uintptr(n), 0); errno != 0 {
				fmt.Println("error other prctl", errno)
				return
			}
		}
		os.Setenv(helperVariable, os.Getenv("HALITE_PGEMBED_THEN"))
		fmt.Println("error other exec", syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
	}
	// Serves with a /dev/shm of its own, of the size that containers have.
	helpers["small-shm"] = func() {
		err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
		if err == nil {
			err = syscall.Mount("shm", "/dev/shm", "tmpfs", 0, "size=64m,mode=1777")
		}
		if err != nil {
			fmt.Println("error other", err)
			return
		}
		serveHelper()
	}
}

// withoutCapabilities has a helper of root's run without them.
func withoutCapabilities(t *testing.T, cmd *exec.Cmd, capabilities ...uintptr) *exec.Cmd {
	t.Helper()
	if len(capabilities) == 0 {
		return cmd
	}
	for i, variable := range cmd.Env {
		if helper, ok := strings.CutPrefix(variable, helperVariable+"="); ok {
			cmd.Env[i] = helperVariable + "=drop"
			cmd.Env = append(cmd.Env, "HALITE_PGEMBED_THEN="+helper)
		}
	}
	cmd.Env = append(cmd.Env, "HALITE_PGEMBED_DROP="+strings.Trim(fmt.Sprint(capabilities), "[]"))
	return cmd
}

// TestRootWithoutSetuid: root that may not become anybody else is told so.
func TestRootWithoutSetuid(t *testing.T) {
	t.Parallel()
	needRoot(t)
	p := launch(t, withoutCapabilities(t, helperCommand(t, "serve", newDir(t)), capSetuid))
	if !strings.HasPrefix(p.firstLine, "error unsupported") || !strings.Contains(p.firstLine, "DATABASE_URL") {
		t.Error(p.firstLine)
	}
}

// TestSmallSharedMemory: parallel queries run beside a small /dev/shm too.
func TestSmallSharedMemory(t *testing.T) {
	t.Parallel()
	needRoot(t)
	cmd := helperCommand(t, "small-shm", newDir(t))
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS
	p := launch(t, cmd)
	if p.url == "" {
		if strings.Contains(p.firstLine, "not permitted") {
			t.Skip("no right to mount here:", p.firstLine)
		}
		t.Fatal(p.firstLine)
	}
	if got := ask(t, p.url, "SHOW dynamic_shared_memory_type"); got != "mmap" {
		t.Errorf("dynamic_shared_memory_type is %q", got)
	}
	do(t, p.url, "CREATE TABLE many AS SELECT generate_series(1, 10000) AS n")
	conn := connect(t, p.url)
	for _, setting := range []string{"debug_parallel_query", "force_parallel_mode", "parallel_setup_cost"} {
		value := map[string]string{"parallel_setup_cost": "0"}[setting]
		if value == "" {
			value = "on" // one of the two names exists, by version
		}
		_, _ = conn.Exec(t.Context(), "SET "+setting+" = "+value)
	}
	var sum int
	if err := conn.QueryRow(t.Context(), "SELECT sum(n) FROM many").Scan(&sum); err != nil || sum != 50005000 {
		t.Errorf("a parallel query: %d, %v", sum, err)
	}
	p.in.Close()
	if line := p.line(); line != "stopped <nil>" {
		t.Error(line)
	}
}

func waitid(kind, pid int, info *[128]byte, options int) error {
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, uintptr(kind), uintptr(pid), uintptr(unsafe.Pointer(info)), uintptr(options), 0, 0)
		if errno == 0 {
			return nil
		}
		if errno != syscall.EINTR {
			return errno
		}
	}
}
