package pgembed

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// What can stand in the way of a start. The errors that Start and Attach return
// wrap one of these where one applies, and say in full what to do.
var (
	// ErrLocked: another process runs the server of this folder.
	ErrLocked = errors.New("another process runs the database of this folder")

	// ErrNoBinaries: no PostgreSQL server of a supported version was found.
	ErrNoBinaries = errors.New("no PostgreSQL server programs found")

	// ErrVersion: the data were made by a major version that is not installed.
	ErrVersion = errors.New("the data belong to another major version of PostgreSQL")

	// ErrFolder: the account that the server runs as cannot use the data folder.
	ErrFolder = errors.New("the database server cannot use its folder")

	// ErrDiskFull: no space is left for the cluster.
	ErrDiskFull = errors.New("no space is left on the disk of the database")

	// ErrUnsupported: this process cannot run PostgreSQL at all.
	ErrUnsupported = errors.New("the embedded PostgreSQL cannot run here")

	// ErrNotRunning: no server of this folder is running.
	ErrNotRunning = errors.New("the database of this folder is not running")
)

const elsewhere = "or set DATABASE_URL to a PostgreSQL of your own"

// explain gives a failed system call or the output of a failed program the
// sentinel that fits, and otherwise returns err with that output.
func explain(err error, output string) error {
	output = strings.TrimSpace(output)
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT),
		strings.Contains(output, "No space left on device"), strings.Contains(output, "Disk quota exceeded"):
		return join(fmt.Errorf("%w: %w", ErrDiskFull, err), output)
	case strings.Contains(output, "could not look up effective user ID"):
		return join(fmt.Errorf("%w: the account it would run as has no line in the password file; add one, %s", ErrUnsupported, elsewhere), output)
	}
	return join(err, output)
}

// explainSpawn is explain for a child that could not even be started: not
// allowed to become the account, or not allowed into the folder.
func explainSpawn(err error, who account, folder string) error {
	switch {
	case who.drop && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL)):
		return fmt.Errorf("%w: root may not become uid %d here (CAP_SETUID, CAP_SETGID and CAP_CHOWN are needed); start halite as an ordinary user, %s: %w",
			ErrUnsupported, who.uid, elsewhere, err)
	case errors.Is(err, fs.ErrPermission):
		if blocked := who.blockedBy(folder); blocked != "" {
			return fmt.Errorf("%w: uid %d cannot enter %s, a parent of %s; allow it with `chmod o+x %s`, choose another folder, %s",
				ErrFolder, who.uid, blocked, folder, blocked, elsewhere)
		}
	}
	return explain(err, "")
}

func join(err error, output string) error {
	if output == "" {
		return err
	}
	return fmt.Errorf("%w\n%s", err, output)
}
