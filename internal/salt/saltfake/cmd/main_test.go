package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"halite/internal/salt"
	"halite/internal/salt/saltfake"
)

func TestRun(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, w, "127.0.0.1:0", false) }()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(line)
	c := salt.New(salt.Settings{URL: url, Username: saltfake.Admin, Password: saltfake.AdminPassword, EAuth: "file", Verify: true}, slog.New(slog.DiscardHandler))
	defer c.Close()
	if got := c.Test(t.Context()); got.MinionCount == nil || *got.MinionCount != 3 {
		t.Errorf("%+v", got)
	}
	keys, err := c.Keys(t.Context())
	if err != nil || len(keys) != 8 {
		t.Errorf("%v, %v", keys, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	if err := run(t.Context(), io.Discard, "0.0.0.0:0", false); err == nil || !strings.Contains(err.Error(), "no loopback address") {
		t.Error(err)
	}
}
