// Command cmd serves a fake Salt master, for trying halite without one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"halite/internal/salt/saltfake"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8000", "address to listen on; a loopback address unless -anywhere")
	anywhere := flag.Bool("anywhere", false, "let -listen be reachable from elsewhere")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, *listen, *anywhere); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends, and says on w where and for whom.
func run(ctx context.Context, w io.Writer, listen string, anywhere bool) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	if a := l.Addr().(*net.TCPAddr); !a.IP.IsLoopback() && !anywhere {
		return errors.Join(fmt.Errorf("%s is no loopback address, and the password is known to all: -anywhere if it must be", listen), l.Close())
	}
	s := &http.Server{Handler: seeded(), ReadHeaderTimeout: 5 * time.Second}
	if _, err := fmt.Fprintf(w, "A fake Salt master at http://%s\n\n  user %s, password %s, eauth file\n\nCtrl-C stops it.\n",
		l.Addr(), saltfake.Admin, saltfake.AdminPassword); err != nil {
		return errors.Join(err, l.Close())
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	// A job under way, such as a long test.sleep, is not waited for.
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := s.Shutdown(stopping); err != nil {
		return s.Close()
	}
	return nil
}

// seeded returns a master with some minions, and keys in every bucket.
func seeded() *saltfake.Master {
	m := saltfake.New()
	m.SetRefusalDelay(time.Second)
	for id, role := range map[string]string{"web1": "web", "web2": "web", "db1": "db"} {
		m.AddMinion(id, map[string]any{"id": id, "role": role, "os": "Debian", "os_family": "Debian", "kernel": "Linux"})
	}
	m.AddKeys(saltfake.Pending, "web3", "cache1", "build1")
	m.AddKeys(saltfake.Rejected, "old1")
	m.AddKeys(saltfake.Denied, "web1")
	return m
}
