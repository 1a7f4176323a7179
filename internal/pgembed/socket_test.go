package pgembed

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLongPath: where the socket's path would be too long, or would read as two
// to a client, the socket moves to the temporary folder.
func TestLongPath(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]string{
		"long":  strings.Repeat("long/", 25) + "end",
		"comma": "one,two",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(newDir(t), folder)
			s := start(t, dir)
			u, err := url.Parse(s.URL())
			if err != nil {
				t.Fatal(err)
			}
			run := u.Query().Get("host")
			if !strings.HasPrefix(run, os.TempDir()) || len(filepath.Join(run, socketName)) > maxSocketPath {
				t.Errorf("the socket lies in %s", run)
			}
			if info, err := os.Lstat(run); err != nil || info.Mode() != os.ModeDir|0o700 {
				t.Errorf("%s has mode %v, %v", run, info.Mode(), err)
			}
			if got := ask(t, s.URL(), "SELECT 'here'"); got != "here" {
				t.Error(got)
			}
			if attached, err := Attach(t.Context(), dir); err != nil || attached != s.URL() {
				t.Errorf("Attach: %q, %v, want %q", attached, err, s.URL())
			}
			stop(t, s)
			if exists(run) {
				t.Errorf("%s is still there", run)
			}
		})
	}
}

// TestSquattedSocketFolder: whatever another user may have put in the place of
// the socket's folder is refused and named.
func TestSquattedSocketFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(newDir(t), strings.Repeat("long/", 25))
	s := start(t, dir)
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	run := u.Query().Get("host")
	stop(t, s)
	elsewhere := newDir(t)
	if err := os.Chmod(elsewhere, 0o700); err != nil {
		t.Fatal(err)
	}
	traps := map[string]func() error{
		"open to others":  func() error { return os.Mkdir(run, 0o755) },
		"a symbolic link": func() error { return os.Symlink(elsewhere, run) },
		"a file":          func() error { return os.WriteFile(run, nil, 0o700) },
		"somebody else's": func() error {
			if err := os.Mkdir(run, 0o700); err != nil || os.Geteuid() != 0 {
				return os.Chmod(run, 0o750) // cannot be arranged: another trap
			}
			return os.Chown(run, 54321, 54321)
		},
	}
	for name, set := range traps {
		if err := set(); err != nil {
			t.Fatal(name, err)
		}
		_, err := Start(t.Context(), Config{Dir: dir})
		wantError(t, err, ErrFolder, run)
		if err := os.Remove(run); err != nil {
			t.Fatal(name, err)
		}
	}
	// A folder that a killed parent left is taken again.
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	stop(t, start(t, dir))
}

func TestURLOf(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(urlOf("/a b/ü&c=d?#%"))
	if err != nil {
		t.Fatal(err)
	}
	if got := u.Query().Get("host"); got != "/a b/ü&c=d?#%" {
		t.Errorf("host is %q", got)
	}
	if u.User.String() != "halite" || u.Path != "/halite" || u.Host != "" {
		t.Errorf("URL is %s", u)
	}
}
