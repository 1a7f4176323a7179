package pgembed

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestDiskFull fills a small file system, while the cluster is made and later.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := newDir(t)
	mount(t, dir, "size=10m")
	_, err := Start(t.Context(), Config{Dir: dir})
	wantError(t, err, ErrDiskFull, "No space left on device")
	if exists(filepath.Join(dir, "postgres/data")) || exists(filepath.Join(dir, "postgres/data.new")) {
		t.Error("the unfinished cluster was not removed")
	}

	remount(t, dir, "size=200m")
	s := start(t, dir)
	do(t, s.URL(), "CREATE TABLE kept AS SELECT 'kept' AS text")
	stop(t, s)
	fill := filepath.Join(dir, "fill")
	writeAll(t, fill)
	_, err = Start(t.Context(), Config{Dir: dir})
	wantError(t, err, ErrDiskFull)
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	s = start(t, dir)
	if got := ask(t, s.URL(), "SELECT text FROM kept"); got != "kept" {
		t.Errorf("the table holds %q", got)
	}
}

// writeAll writes a file until the disk is full.
func writeAll(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// mount puts a file system of its own size over dir, for the test.
func mount(t *testing.T, dir, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options+",mode=0755"); err != nil {
		if os.IsPermission(err) {
			t.Skip("no right to mount here; TestDiskFullMessage stands in:", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
}

func remount(t *testing.T, dir, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, options); err != nil {
		t.Fatal(err)
	}
}
