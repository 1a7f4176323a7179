package pgembed

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLogFileIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "server.log")
	line := append(bytes.Repeat([]byte("x"), 1<<10-1), '\n')
	for range 2 { // reopened, it goes on where it was
		l := openLog(path)
		for range 3 * logFileSize / 2 / len(line) {
			if n, err := l.Write(line); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
		}
		l.Close()
	}
	var total int64
	for _, name := range []string{path, path + ".1"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > logFileSize || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %d bytes, mode %v", name, info.Size(), info.Mode())
		}
		total += info.Size()
	}
	if total <= logFileSize {
		t.Errorf("%d bytes kept, want more than %d", total, logFileSize)
	}
}

func TestLogFileTail(t *testing.T) {
	t.Parallel()
	l := openLog(filepath.Join(t.TempDir(), "no such folder", "server.log"))
	defer l.Close()
	_, _ = l.Write(bytes.Repeat([]byte("early\n"), tailSize))
	_, _ = l.Write([]byte("FATAL:  the last word\n"))
	if tail := l.Tail(); len(tail) > tailSize || !strings.HasSuffix(tail, "FATAL:  the last word") {
		t.Errorf("tail of %d bytes ends in %q", len(tail), tail[max(0, len(tail)-40):])
	}
}
