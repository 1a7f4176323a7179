package pgembed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"time"
)

// Attach returns the URL of the server that another process runs in dir, as
// Server.URL does there. It waits while that server starts, and returns
// ErrNotRunning if there is none. It changes nothing on disk.
func Attach(ctx context.Context, dir string) (string, error) {
	c, err := locate(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: there is no %s", ErrNotRunning, dir)
	}
	if err != nil {
		return "", err
	}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		file, err := readPidFile(c.data)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("%w: %s", ErrNotRunning, c.root)
		case errors.Is(err, fs.ErrPermission):
			return "", fmt.Errorf("%w: only the account that runs the server, and root, can attach to it: %w", ErrFolder, err)
		case err != nil:
			return "", err
		case file.ready || file.socketDir != "":
			// A server that was killed leaves its file, but nobody answers.
			var dialer net.Dialer
			conn, err := dialer.DialContext(ctx, "unix", filepath.Join(file.socketDir, socketName))
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
			if err != nil {
				return "", fmt.Errorf("%w: %w", ErrNotRunning, err)
			}
			conn.Close()
		}
		if file.ready {
			return urlOf(file.socketDir), nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}
