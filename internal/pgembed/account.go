package pgembed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// An account is who the server runs as. PostgreSQL refuses to run as root, so
// root drops to somebody else; everybody else stays who they are.
type account struct {
	uid, gid uint32
	drop     bool
}

// accountFor returns the account for the cluster in data. The owner of existing
// data decides, so that a user `postgres` that appears later changes nothing.
func accountFor(data string) (account, error) {
	me := account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	owner, err := ownerOf(data)
	switch {
	case errors.Is(err, fs.ErrNotExist) && me.uid != 0:
		return me, nil
	case errors.Is(err, fs.ErrNotExist):
		return unprivileged()
	case err != nil:
		return account{}, fmt.Errorf("%w: %w", ErrFolder, err)
	case owner.uid == 0:
		return account{}, fmt.Errorf("%w: %s belongs to root, as which PostgreSQL does not run; give it away, for example with `chown -R postgres: %s`", ErrFolder, data, data)
	case me.uid == 0:
		owner.drop = true
		return owner, nil
	case me.uid != owner.uid:
		return account{}, fmt.Errorf("%w: %s belongs to uid %d and this process runs as uid %d; start it as that user", ErrFolder, data, owner.uid, me.uid)
	}
	return me, nil
}

// unprivileged finds the account that root drops to.
func unprivileged() (account, error) {
	for _, name := range []string{"postgres", "nobody"} {
		if who, err := lookup(name); err == nil {
			who.drop = true
			return who, nil
		}
	}
	return account{}, fmt.Errorf("%w: PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as; start halite as an ordinary user, %s", ErrUnsupported, elsewhere)
}

// makeFolder makes path if it is missing and gives it to the account, private.
func (a account) makeFolder(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return explain(err, "")
	}
	if !a.drop {
		return nil
	}
	if err := os.Lchown(path, int(a.uid), int(a.gid)); err != nil {
		return explainSpawn(err, a, path)
	}
	return nil
}

// blockedBy returns the topmost of path and its parents that the account cannot
// enter by its mode bits, or "".
func (a account) blockedBy(path string) string {
	if parent := filepath.Dir(path); parent != path {
		if blocked := a.blockedBy(parent); blocked != "" {
			return blocked
		}
	}
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return ""
	}
	bit := fs.FileMode(0o001)
	if owner, err := ownerOf(path); err == nil {
		switch {
		case owner.uid == a.uid:
			bit = 0o100
		case owner.gid == a.gid:
			bit = 0o010
		}
	}
	if info.Mode()&bit == 0 {
		return path
	}
	return ""
}

// ownerOf returns who owns path itself, a symbolic link not followed.
func ownerOf(path string) (account, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return account{}, err
	}
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return account{}, fmt.Errorf("%s: no owner known", path)
	}
	return account{uid: sys.Uid, gid: sys.Gid}, nil
}

// lookup finds a user of this machine by name.
func lookup(name string) (account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, err
	}
	uid, errUID := strconv.ParseInt(u.Uid, 10, 64)
	gid, errGID := strconv.ParseInt(u.Gid, 10, 64)
	return account{uid: uint32(uid), gid: uint32(gid)}, errors.Join(errUID, errGID)
}
