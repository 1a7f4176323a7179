package pgembed

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestAttachWaits: a server that is starting is waited for, not reported as none.
func TestAttachWaits(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	data, run := filepath.Join(dir, "postgres/data"), filepath.Join(dir, "run")
	for _, folder := range []string{data, run} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("unix", filepath.Join(run, socketName))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	file := "1\n" + data + "\n1\n5432\n" + run + "\n\n 0 0\n"
	writeFile(t, filepath.Join(data, "postmaster.pid"), file+"starting\n", 0o600)

	type result struct {
		url string
		err error
	}
	results := make(chan result)
	attach := func(ctx context.Context) {
		url, err := Attach(ctx, dir)
		results <- result{url, err}
	}
	look := func() { // Attach has read the file and looks whether anybody is there
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	go attach(ctx)
	look()
	look()
	cancel()
	if got := <-results; !errors.Is(got.err, context.Canceled) {
		t.Errorf("while it starts: %+v", got)
	}

	go attach(t.Context())
	look()
	// Renamed into place: a half-written file must not be read here.
	writeFile(t, filepath.Join(data, "new"), file+"ready   \n", 0o600)
	if err := os.Rename(filepath.Join(data, "new"), filepath.Join(data, "postmaster.pid")); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	if got := <-results; got.err != nil || got.url != urlOf(run) {
		t.Errorf("when it is ready: %+v", got)
	}
}

func TestReadPidFile(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for text, want := range map[string]pidFile{
		"":                       {},
		"12":                     {pid: 12},
		"12\n/data\n100\n5432\n": {pid: 12},
		"12\n/data\n100\n5432\n/run\n\n  1 2\nstarting\n": {pid: 12, socketDir: "/run"},
		"12\n/data\n100\n5432\n/run\n\n  1 2\nready   \n": {pid: 12, socketDir: "/run", ready: true},
		"-7\n/data\n100\n": {pid: -7},
	} {
		writeFile(t, filepath.Join(data, "postmaster.pid"), text, 0o600)
		if got, err := readPidFile(data); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
	writeFile(t, filepath.Join(data, "postmaster.pid"), "nonsense\n", 0o600)
	if got, err := readPidFile(data); err == nil {
		t.Errorf("nonsense is read as %+v", got)
	}
}
