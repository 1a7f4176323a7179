package pgembed

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// The owner of the database, which URL names: it may make roles, so that the
// server can have one of fewer rights, but is no superuser.
const bootstrapSQL = `CREATE ROLE halite LOGIN CREATEROLE
CREATE DATABASE halite OWNER halite
`

// initialise makes the cluster: all of it in data.new, synced to the disk, and
// then moved to its place in one step. A run that is cut short leaves no data,
// only a data.new, which the next one removes. The caller holds the lock.
func (c *cluster) initialise(ctx context.Context, bin binaries) (err error) {
	if err := os.RemoveAll(c.fresh); err != nil {
		return fmt.Errorf("remove the unfinished cluster: %w", err)
	}
	if err := c.who.makeFolder(c.fresh); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(c.fresh) // a full disk gets its space back; else the next run removes it
		}
	}()
	ctype := "C.UTF-8"
	if runtime.GOOS == "darwin" {
		ctype = "en_US.UTF-8" // C.UTF-8 came late to macOS
	}
	initdb := filepath.Join(bin.dir, "initdb")
	if _, err := c.who.run(ctx, c.fresh, "", initdb, "-D", c.fresh, "-U", "postgres",
		"--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--locale=C", "--lc-ctype="+ctype,
		"--data-checksums", "--no-instructions", "--no-sync"); err != nil {
		return fmt.Errorf("make the cluster: %w", err)
	}
	args := append([]string{"--single", "-D", c.fresh, "-F", "-c", "exit_on_error=on"}, c.settings()...)
	if _, err := c.who.run(ctx, c.fresh, bootstrapSQL, filepath.Join(bin.dir, "postgres"), append(args, "postgres")...); err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	// Everything so far went unsynced, for speed. Here it becomes durable: rows
	// that are written later must not stand on files that a power cut can take.
	if _, err := c.who.run(ctx, c.fresh, "", initdb, "--sync-only", "-D", c.fresh); err != nil {
		return fmt.Errorf("sync the cluster: %w", err)
	}
	if err := os.Remove(c.data); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("remove the empty data folder: %w", err)
	}
	if err := os.Rename(c.fresh, c.data); err != nil {
		return err
	}
	return syncFolder(c.root)
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
