package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"halite/db"
)

// greeting is what the server says on the terminal when it starts: where things are
// and how to sign in.
type greeting struct {
	common *common
	where  place
	out    io.Writer

	metrics   net.Addr // where they are served; nil: nowhere
	verifiers []string // what checkpoints are checked with

	signIn string // how to sign in, on a first start
}

// tell passes the first password on: on a terminal it is shown once, else it is put
// into a private file in the data folder.
func (g *greeting) tell(password string) error {
	name := g.common.BootstrapAdminUsername
	switch file, isFile := g.out.(*os.File); {
	case isFile && term.IsTerminal(int(file.Fd())):
		// At once: what comes between this and the rest of the greeting may fail.
		g.signIn = fmt.Sprintf("Sign in as %s with the password shown above.", name)
		_, err := fmt.Fprintf(g.out, "\n  The first user is %s, with the password %s\n  It is shown this once, and must be changed at the first sign-in.\n\n", name, password)
		return err
	case g.where.dataDir == "":
		return errors.New("there is no terminal to show the first password on: set BOOTSTRAP_ADMIN_PASSWORD")
	default:
		path := filepath.Join(g.where.dataDir, "admin_password")
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := writePrivate(path, password+"\n"); err != nil {
			return err
		}
		g.signIn = fmt.Sprintf("Sign in as %s; the first password is in %s\n  It must be changed at the first sign-in; remove the file then.", name, path)
	}
	return nil
}

func (g *greeting) print(addr net.Addr, health db.Health) error {
	base := baseURL(addr)
	if g.signIn == "" {
		g.signIn = "Sign in as before. A forgotten password: halite user passwd NAME"
		if g.common.BootstrapAdminPassword != "" {
			g.signIn = fmt.Sprintf("The first start made the user %s with BOOTSTRAP_ADMIN_PASSWORD as it was then.", g.common.BootstrapAdminUsername)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "halite %s\n\n  Log        %s/audit\n  Admin      %s/admin\n  GraphiQL   %s/graphiql\n  GraphQL    %s/graphql\n  REST       %s/api/audit\n", version(), base, base, base, base, base)
	if g.metrics != nil {
		fmt.Fprintf(&b, "  Metrics    %s/metrics\n", baseURL(g.metrics))
	}
	b.WriteByte('\n')
	fmt.Fprintf(&b, "  %s\n", g.signIn)
	if g.where.dataDir != "" {
		fmt.Fprintf(&b, "  The log is kept in %s\n", g.where.dataDir)
	}
	for _, v := range g.verifiers {
		fmt.Fprintf(&b, "  Checkpoints are checked with %s\n", v)
	}
	if len(g.verifiers) == 0 {
		b.WriteString("  Note: nothing is signed, CHECKPOINT_KEY is not set (see halite checkpoint key --help)\n")
	}
	for _, note := range []string{health.AppendOnly, health.Durable} {
		if note != "ok" {
			fmt.Fprintf(&b, "  Note: %s (see /readyz)\n", note)
		}
	}
	b.WriteString("  Ctrl-C stops the server.\n")
	_, err := fmt.Fprintln(g.out, b.String())
	return err
}

// baseURL is how what listens on addr is reached from here.
func baseURL(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", tcp.Port)
	}
	return "http://" + addr.String()
}
