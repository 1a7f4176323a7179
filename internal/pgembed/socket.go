package pgembed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// The port only numbers the socket; nothing listens on TCP.
const (
	port       = "5432"
	socketName = ".s.PGSQL." + port
)

// socketFolder returns the folder for the socket, which exists, belongs to the
// account, and lets nobody else in. It is <Dir>/postgres/run, or one in the
// temporary folder if the path of a socket there would be longer than the
// system allows or would hold what clients take for a separator.
func (c *cluster) socketFolder() (string, error) {
	run := filepath.Join(c.root, "run")
	if usableSocketFolder(run) {
		return run, c.who.makeFolder(run)
	}
	sum := sha256.Sum256([]byte(c.root))
	name := "halite-" + hex.EncodeToString(sum[:8])
	for _, temp := range []string{os.TempDir(), "/tmp"} {
		run = filepath.Join(temp, name)
		if usableSocketFolder(run) {
			return run, c.claimFolder(run)
		}
	}
	return "", fmt.Errorf("%w: the path of its socket is longer than %d bytes, in %s as in the temporary folder; choose a folder with a shorter name, %s",
		ErrFolder, maxSocketPath, c.root, elsewhere)
}

// claimFolder makes path, where others may make folders too, or takes the one
// that is there if it can only be ours.
func (c *cluster) claimFolder(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return explain(err, "")
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	owner, err := ownerOf(path)
	if err != nil {
		return err
	}
	ours := owner.uid == c.who.uid || owner.uid == uint32(os.Geteuid())
	if !ours || !info.IsDir() || info.Mode().Perm() != 0o700 {
		return fmt.Errorf("%w: %s is not a folder that only uid %d can enter; it may be a trap, remove it", ErrFolder, path, c.who.uid)
	}
	return c.who.makeFolder(path)
}

func usableSocketFolder(path string) bool {
	return len(filepath.Join(path, socketName)) <= maxSocketPath && !strings.Contains(path, ",")
}

// urlOf is how a client on this machine reaches the server whose socket lies in
// the folder, as the owner of the database. It says what a PG* variable of the
// client's environment would else supply; PGOPTIONS could weaken durability.
func urlOf(folder string) string {
	u := url.URL{Scheme: "postgres", User: url.User("halite"), Path: "/halite"}
	u.RawQuery = url.Values{"host": {folder}, "port": {port}, "sslmode": {"disable"}, "options": {""}}.Encode()
	return u.String()
}
