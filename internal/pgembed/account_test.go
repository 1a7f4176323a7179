package pgembed

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// asAccount has a helper run as the uid with nothing of root's.
func asAccount(who account) *syscall.Credential {
	return &syscall.Credential{Uid: who.uid, Gid: who.gid}
}

func nobody(t *testing.T) account {
	t.Helper()
	info, err := lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// TestOrdinaryUser: everything as somebody who is not root; the next start, by
// root, keeps the account that owns the data.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	needRoot(t)
	who := nobody(t)
	dir := newDir(t)
	if err := os.Chown(dir, int(who.uid), int(who.gid)); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(dir, "deep/er")
	cmd := helperCommand(t, "serve", home)
	cmd.SysProcAttr.Credential = asAccount(who)
	p := launch(t, cmd)
	if p.url == "" {
		t.Fatal(p.firstLine)
	}
	do(t, p.url, "CREATE TABLE kept AS SELECT 'by nobody' AS text")
	p.in.Close()
	if line := p.line(); line != "stopped <nil>" {
		t.Fatal(line)
	}
	for _, name := range []string{"deep", "deep/er", "deep/er/postgres", "deep/er/postgres/data"} {
		owner, err := ownerOf(filepath.Join(dir, name))
		if err != nil || owner.uid != who.uid {
			t.Errorf("%s belongs to %d, %v", name, owner.uid, err)
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v, %v", name, info.Mode(), err)
		}
	}
	s := start(t, home)
	if got := ask(t, s.URL(), "SELECT text FROM kept"); got != "by nobody" {
		t.Errorf("the table holds %q", got)
	}
	stop(t, s)
}

// TestNotTheOwner: somebody else's data are refused in words.
func TestNotTheOwner(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := newDir(t)
	stop(t, start(t, dir))
	cmd := helperCommand(t, "serve", dir)
	cmd.SysProcAttr.Credential = asAccount(nobody(t))
	if line := launch(t, cmd).firstLine; !strings.HasPrefix(line, "error folder") || !strings.Contains(line, "belongs to uid") {
		t.Error(line)
	}
	if err := os.Chown(filepath.Join(dir, "postgres/data"), 0, 0); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{Dir: dir})
	wantError(t, err, ErrFolder, "belongs to root", "chown")
}

// TestPrivateParent: a parent that the server's account cannot enter, as root's
// home is, is named with what to do.
func TestPrivateParent(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := newDir(t)
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(home, "halite/data")
	_, err := Start(t.Context(), Config{Dir: data})
	wantError(t, err, ErrFolder, "cannot enter "+home+",", "chmod o+x "+home)
	if err := os.Chmod(home, 0o711); err != nil {
		t.Fatal(err)
	}
	start(t, data)
}

// TestUmask: a strict umask of root does not shut the server's account out.
func TestUmask(t *testing.T) {
	dir := newDir(t)
	defer syscall.Umask(syscall.Umask(0o077))
	start(t, filepath.Join(dir, "a/b"))
}

// TestUnknownUID: PostgreSQL needs a line in the password file.
func TestUnknownUID(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := newDir(t)
	stranger := account{uid: 54321, gid: 54321}
	if err := os.Chown(dir, int(stranger.uid), int(stranger.gid)); err != nil {
		t.Fatal(err)
	}
	cmd := helperCommand(t, "serve", dir)
	cmd.SysProcAttr.Credential = asAccount(stranger)
	if line := launch(t, cmd).firstLine; !strings.HasPrefix(line, "error unsupported") || !strings.Contains(line, "DATABASE_URL") {
		t.Error(line)
	}
}

func TestDefaultDir(t *testing.T) {
	t.Parallel()
	needRoot(t)
	if dir, err := DefaultDir(); dir != "/var/lib/halite" || err != nil {
		t.Errorf("root's is %q, %v", dir, err)
	}
	for _, test := range []struct {
		env  []string
		want string
	}{
		{[]string{"HOME=/home/me", "XDG_DATA_HOME="}, "/home/me/.local/share/halite <nil>"},
		{[]string{"HOME=/home/me", "XDG_DATA_HOME=/xdg"}, "/xdg/halite <nil>"},
		{[]string{"HOME=/home/me", "XDG_DATA_HOME=relative"}, "/home/me/.local/share/halite <nil>"},
		{[]string{"HOME=", "XDG_DATA_HOME="}, " no data folder: $HOME is not defined"},
	} {
		cmd := helperCommand(t, "default-dir", "", test.env...)
		cmd.SysProcAttr.Credential = asAccount(nobody(t))
		out, err := cmd.Output()
		if got := string(bytes.TrimRight(out, "\n")); err != nil || got != test.want {
			t.Errorf("%v: %q, %v, want %q", test.env, got, err, test.want)
		}
	}
}
