package pgembed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// A cluster is one server's folder: where its parts lie and who it runs as.
type cluster struct {
	root  string // <Dir>/postgres, absolute and free of symbolic links
	data  string
	fresh string // data while initdb works on it
	tag   string // in the command line of each of the server's processes
	who   account
	log   *slog.Logger
}

// openCluster makes the folders that are missing and returns the cluster. It
// makes no data and takes no lock.
func openCluster(cfg Config) (*cluster, error) {
	if cfg.Dir == "" || strings.ContainsAny(cfg.Dir, "\n\r\x00") {
		return nil, fmt.Errorf("%w: %q is no folder name", ErrFolder, cfg.Dir)
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if err := makeParents(dir); err != nil {
		return nil, explain(err, "")
	}
	c, err := locate(dir)
	if err != nil {
		return nil, err
	}
	c.log = cfg.Logger
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if err := makeParents(c.root); err != nil {
		return nil, explain(err, "")
	}
	c.who, err = accountFor(c.data)
	return c, err
}

// locate names the parts of the cluster of an existing dir.
func locate(dir string) (*cluster, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	dir, err = filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "postgres")
	sum := sha256.Sum256([]byte(root))
	return &cluster{
		root:  root,
		data:  filepath.Join(root, "data"),
		fresh: filepath.Join(root, "data.new"),
		tag:   "halite-" + hex.EncodeToString(sum[:6]),
	}, nil
}

// major returns the major version that the data were made by, 0 if there are
// no data yet. A data folder that holds something else is an error.
func (c *cluster) major() (int, error) {
	text, err := os.ReadFile(filepath.Join(c.data, "PG_VERSION"))
	if err == nil {
		return parseMajor(string(text))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	entries, err := os.ReadDir(c.data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	if len(entries) > 0 {
		return 0, fmt.Errorf("%w: %s holds files but no PG_VERSION, so it is no cluster; move it away or restore it", ErrFolder, c.data)
	}
	return 0, nil
}

// DefaultDir returns the data folder of an installation that named none:
// /var/lib/halite for root, whose home no other account can enter, else the
// user's folder for application data. It need not exist.
func DefaultDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/halite", nil
	}
	if xdg := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(xdg) {
		return filepath.Join(xdg, "halite"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no data folder: %w", err)
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "halite"), nil
	}
	return filepath.Join(home, ".local", "share", "halite"), nil
}

// makeParents is MkdirAll. What root makes stays passable for the account that
// the server drops to, whatever the umask; what others make is theirs alone.
func makeParents(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if parent := filepath.Dir(path); parent != path {
		if err := makeParents(parent); err != nil {
			return err
		}
	}
	mode := fs.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o755
	}
	if err := os.Mkdir(path, mode); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return os.Chmod(path, mode)
}
