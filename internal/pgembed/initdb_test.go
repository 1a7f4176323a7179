package pgembed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// slowBinaries makes a folder with the real server and an initdb that makes the
// cluster, tells through the returned pipe, and then never ends.
func slowBinaries(t *testing.T) (bin, pipe string) {
	t.Helper()
	who, err := accountFor("/no data")
	if err != nil {
		t.Fatal(err)
	}
	real, err := who.findBinaries(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	bin = newDir(t)
	pipe = filepath.Join(bin, "pipe")
	for _, name := range []string{pipe, pipe + ".never"} {
		if err := syscall.Mkfifo(name, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(bin, "initdb"), fmt.Sprintf("#!/bin/sh\n%s/initdb \"$@\" || exit\necho made >%s\nread never <%s.never\n", real.dir, pipe, pipe), 0o755)
	if err := os.Symlink(filepath.Join(real.dir, "postgres"), filepath.Join(bin, "postgres")); err != nil {
		t.Fatal(err)
	}
	return bin, pipe
}

// TestInterruptedInitdb: a parent killed while it makes the cluster leaves no
// data, and the next start makes them anew.
func TestInterruptedInitdb(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	bin, pipe := slowBinaries(t)
	cmd := helperCommand(t, "serve", dir, "HALITE_PG_BIN="+bin)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(pipe); err != nil || string(text) != "made\n" {
		t.Errorf("initdb tells %q, %v", text, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	root := filepath.Join(dir, "postgres")
	if exists(filepath.Join(root, "data")) || !exists(filepath.Join(root, "data.new/PG_VERSION")) {
		t.Fatal("the interrupted initdb left data, or no data.new")
	}
	writeFile(t, filepath.Join(root, "data.new/old"), "", 0o600)
	s := start(t, dir)
	if got := ask(t, s.URL(), "SELECT current_database()::text"); got != "halite" {
		t.Errorf("the database is %q", got)
	}
	if exists(filepath.Join(root, "data.new")) || exists(filepath.Join(root, "data/old")) {
		t.Error("something of the interrupted initdb is left")
	}
}

func TestCancelledInitdb(t *testing.T) {
	dir := newDir(t)
	bin, pipe := slowBinaries(t)
	t.Setenv("HALITE_PG_BIN", bin)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error)
	go func() {
		_, err := Start(ctx, Config{Dir: dir})
		failed <- err
	}()
	if _, err := os.ReadFile(pipe); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("Start: %v", err)
	}
	for _, name := range []string{"data", "data.new"} {
		if exists(filepath.Join(dir, "postgres", name)) {
			t.Errorf("%s is there", name)
		}
	}
}

// TestForeignFiles: a data folder that holds anything but a cluster is left alone.
func TestForeignFiles(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	data := filepath.Join(dir, "postgres/data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		who, err := unprivileged()
		if err != nil {
			t.Fatal(err)
		}
		if err := who.makeFolder(data); err != nil {
			t.Fatal(err)
		}
	}
	precious := filepath.Join(data, "precious")
	writeFile(t, precious, "", 0o600)
	_, err := Start(t.Context(), Config{Dir: dir})
	wantError(t, err, ErrFolder, data, "no PG_VERSION")
	if !exists(precious) {
		t.Fatal("the file is gone")
	}
	// Empty, it is as good as none.
	if err := os.Remove(precious); err != nil {
		t.Fatal(err)
	}
	start(t, dir)
}

// TestDiskFullMessage holds where no file system can be mounted too: it is the
// words of the programs that tell.
func TestDiskFullMessage(t *testing.T) {
	bin := newDir(t)
	fakeBinaries(t, bin, "99.0")
	writeFile(t, filepath.Join(bin, "initdb"), "#!/bin/sh\necho 'initdb: error: could not write file: No space left on device' >&2\nexit 1\n", 0o755)
	t.Setenv("HALITE_PG_BIN", bin)
	dir := newDir(t)
	_, err := Start(t.Context(), Config{Dir: dir})
	wantError(t, err, ErrDiskFull, "could not write file")
	if strings.Count(err.Error(), "could not write file") != 1 {
		t.Errorf("said more than once: %v", err)
	}
	if exists(filepath.Join(dir, "postgres/data.new")) {
		t.Error("data.new was not removed")
	}
}
