package pgembed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// OldestMajor is the oldest major version of PostgreSQL that is used.
const OldestMajor = 14

// binaries is a folder with the programs of one PostgreSQL server.
type binaries struct {
	dir   string
	major int
}

var versionPattern = regexp.MustCompile(`^(?:postgres \([^)]*\) )?(\d+)`)

// findBinaries returns the programs to use: those of major `want`, or if that is
// 0 the newest. HALITE_PG_BIN, if set, is the only folder that is looked at.
func (a account) findBinaries(ctx context.Context, want int) (binaries, error) {
	var found []binaries
	var refused []error
	for _, dir := range candidates(ctx, a) {
		b, err := a.probe(ctx, dir)
		switch {
		case ctx.Err() != nil:
			return binaries{}, ctx.Err()
		case errors.Is(err, ErrUnsupported):
			return binaries{}, err
		case err != nil:
			refused = append(refused, err)
		case want != 0 && b.major == want:
			return b, nil
		case want == 0 && b.major < OldestMajor:
			refused = append(refused, fmt.Errorf("%s: version %d is too old", dir, b.major))
		default:
			found = append(found, b)
		}
	}
	if want != 0 && len(found) > 0 {
		return binaries{}, fmt.Errorf("%w: they were made by PostgreSQL %d, found is only %s; install the programs of version %d and point HALITE_PG_BIN to them, or move the data with its pg_dump; they are never upgraded by themselves",
			ErrVersion, want, listMajors(found), want)
	}
	if len(found) == 0 {
		return binaries{}, join(fmt.Errorf("%w: version %d or newer is needed; get it with `%s`, %s",
			ErrNoBinaries, max(want, OldestMajor), installCommand(), elsewhere), errorText(refused))
	}
	return slices.MaxFunc(found, func(x, y binaries) int { return x.major - y.major }), nil
}

// probe asks the programs in dir for their version, as the account that is to
// run them, so that a folder it cannot enter is none.
func (a account) probe(ctx context.Context, dir string) (binaries, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, err
	}
	text, err := a.run(ctx, "/", "", filepath.Join(dir, "postgres"), "--version")
	if err != nil {
		return binaries{}, fmt.Errorf("%s: %w", dir, err)
	}
	major, err := parseMajor(text)
	return binaries{dir: dir, major: major}, err
}

// candidates lists the folders in which server programs may lie, each once, by
// its real path.
func candidates(ctx context.Context, who account) []string {
	if dir := os.Getenv("HALITE_PG_BIN"); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil
		}
		return []string{abs}
	}
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, realDir(path))
	}
	if path, err := exec.LookPath("pg_config"); err == nil {
		if text, err := who.run(ctx, "/", "", path, "--bindir"); err == nil {
			dirs = append(dirs, strings.TrimSpace(text))
		}
	}
	patterns := []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/usr/local/opt/postgresql*/bin",
		"/opt/homebrew/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	}
	if cache, err := os.UserCacheDir(); err == nil {
		patterns = append(patterns, filepath.Join(cache, "halite/postgresql/usr/lib/postgresql/*/bin"))
	}
	for _, pattern := range patterns {
		matches, _ := filepath.Glob(pattern)
		dirs = append(dirs, matches...)
	}
	var real []string
	for _, dir := range dirs {
		if dir, err := filepath.EvalSymlinks(dir); err == nil && filepath.IsAbs(dir) && !slices.Contains(real, dir) {
			real = append(real, dir)
		}
	}
	return real
}

// realDir is the folder of the file that path leads to, if initdb lies there
// too, else the folder of path itself.
func realDir(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		if _, err := os.Stat(filepath.Join(filepath.Dir(real), "initdb")); err == nil {
			return filepath.Dir(real)
		}
	}
	return filepath.Dir(path)
}

// parseMajor reads the major version out of PG_VERSION or `postgres --version`.
func parseMajor(text string) (int, error) {
	match := versionPattern.FindStringSubmatch(text)
	if match == nil {
		return 0, fmt.Errorf("%q is no version of PostgreSQL", strings.TrimSpace(text))
	}
	return strconv.Atoi(match[1])
}

// installCommand is the one command that brings the programs to this machine.
func installCommand() string {
	if runtime.GOOS == "darwin" {
		return "brew install postgresql@17"
	}
	for _, manager := range []struct{ program, command string }{
		{"apt-get", "apt-get install --no-install-recommends postgresql"},
		{"dnf", "dnf install postgresql-server"},
		{"yum", "yum install postgresql-server"},
		{"zypper", "zypper install postgresql-server"},
		{"apk", "apk add postgresql"},
		{"pacman", "pacman -S postgresql"},
		{"pkg", "pkg install postgresql17-server"},
	} {
		if _, err := exec.LookPath(manager.program); err != nil {
			continue
		}
		if os.Geteuid() != 0 {
			return "sudo " + manager.command
		}
		return manager.command
	}
	return "the package manager of this system"
}

func listMajors(found []binaries) string {
	var majors []string
	for _, b := range found {
		majors = append(majors, strconv.Itoa(b.major))
	}
	return strings.Join(majors, ", ")
}

func errorText(errs []error) string {
	if err := errors.Join(errs...); err != nil {
		return err.Error()
	}
	return ""
}
