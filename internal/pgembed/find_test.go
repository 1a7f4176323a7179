package pgembed

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseMajor(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"15\n":  15,
		"9.6\n": 9,
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n": 15,
		"postgres (PostgreSQL) 19beta1\n":                        19,
		"postgres (PostgreSQL) 20devel\n":                        20,
		"postgres (Homebrew) 17.2\n":                             17,
	} {
		if got, err := parseMajor(text); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "\n", "command not found 15", "postgres (PostgreSQL)"} {
		if got, err := parseMajor(text); err == nil {
			t.Errorf("%q: %d, want an error", text, got)
		}
	}
}

// fakeBinaries makes a folder with programs that only know their version.
func fakeBinaries(t *testing.T, folder, version string) string {
	t.Helper()
	if err := makeParents(folder); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, "initdb"), "#!/bin/sh\nexit 1\n", 0o755)
	writeFile(t, filepath.Join(folder, "postgres"), fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s'\n", version), 0o755)
	return folder
}

// TestFindBinaries: the newest is taken, but existing data decide.
func TestFindBinaries(t *testing.T) {
	cache := newDir(t)
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HALITE_PG_BIN", "")
	at := func(major string) string {
		return filepath.Join(cache, "halite/postgresql/usr/lib/postgresql", major, "bin")
	}
	fakeBinaries(t, at("13"), "13.9")
	fakeBinaries(t, at("98"), "98.1")
	fakeBinaries(t, at("101"), "101rc1")
	if err := os.MkdirAll(at("102"), 0o755); err != nil { // no programs in it
		t.Fatal(err)
	}
	who, err := accountFor(filepath.Join(cache, "no data"))
	if err != nil {
		t.Fatal(err)
	}
	for want, dir := range map[int]string{0: at("101"), 98: at("98"), 101: at("101")} {
		if got, err := who.findBinaries(t.Context(), want); err != nil || got.dir != dir {
			t.Errorf("wanted %d: %+v, %v, want %s", want, got, err, dir)
		}
	}
	_, err = who.findBinaries(t.Context(), 97)
	wantError(t, err, ErrVersion, "PostgreSQL 97", "101", "HALITE_PG_BIN")

	// On the PATH through a symbolic link, without the others of its folder.
	path := newDir(t)
	newest := fakeBinaries(t, filepath.Join(path, "real"), "103.0")
	if err := os.Symlink(filepath.Join(newest, "postgres"), filepath.Join(path, "postgres")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", path+":"+os.Getenv("PATH"))
	if got, err := who.findBinaries(t.Context(), 0); err != nil || got.dir != newest {
		t.Errorf("on the PATH: %+v, %v, want %s", got, err, newest)
	}
	// What pg_config names.
	named := fakeBinaries(t, filepath.Join(path, "named"), "104.0")
	writeFile(t, filepath.Join(path, "pg_config"), "#!/bin/sh\necho "+named+"\n", 0o755)
	if got, err := who.findBinaries(t.Context(), 0); err != nil || got.dir != named {
		t.Errorf("by pg_config: %+v, %v, want %s", got, err, named)
	}
}

func TestNoBinaries(t *testing.T) {
	dir, bin := newDir(t), newDir(t)
	t.Setenv("HALITE_PG_BIN", filepath.Join(bin, "missing"))
	_, err := Start(t.Context(), Config{Dir: dir})
	wantError(t, err, ErrNoBinaries, installCommand(), "DATABASE_URL", filepath.Join(bin, "missing"))

	t.Setenv("HALITE_PG_BIN", fakeBinaries(t, filepath.Join(bin, "old"), "13.22"))
	_, err = Start(t.Context(), Config{Dir: dir})
	wantError(t, err, ErrNoBinaries, "14 or newer", "version 13 is too old")

	// Where nothing is installed the message names the way of the system.
	t.Setenv("PATH", bin)
	writeFile(t, filepath.Join(bin, "apt-get"), "#!/bin/sh\n", 0o755)
	if command := installCommand(); !strings.Contains(command, "apt-get install") {
		t.Errorf("the command is %q", command)
	}
}

// TestOtherMajor: data of another major version are told about and not touched.
func TestOtherMajor(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	data := filepath.Join(dir, "postgres/data")
	stop(t, start(t, dir))
	version, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(data, "PG_VERSION"), "97\n", 0o600)
	_, err = Start(t.Context(), Config{Dir: dir})
	wantError(t, err, ErrVersion, "PostgreSQL 97", strings.TrimSpace(string(version)))
	if got, err := os.ReadFile(filepath.Join(data, "PG_VERSION")); err != nil || string(got) != "97\n" {
		t.Errorf("PG_VERSION is now %q, %v", got, err)
	}
	writeFile(t, filepath.Join(data, "PG_VERSION"), string(version), 0o600)
	start(t, dir)
}
