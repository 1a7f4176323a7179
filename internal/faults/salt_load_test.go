package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"halite/internal/salt/saltfake"
)

// TestLoadAtSalt: callers of two servers run commands while answers of Salt are lost and
// one of the servers is killed and started again. What is lost is drawn for each command
// by its number, so that a run can be had again.
func TestLoadAtSalt(t *testing.T) {
	t.Parallel()
	const commands, callers, seed = 240, 16, 20260102
	program := build(t)
	w := newWorld(t)
	var servers [2]atomic.Pointer[process]
	for i := range servers {
		servers[i].Store(w.serve(t, program, w.url))
	}
	unlucky := func(r saltfake.Request, from int) *saltfake.Response {
		if r.Fun() != "cmd.run" {
			return nil
		}
		_, n, _ := strings.Cut(fmt.Sprint(r.Chunk["arg"].([]any)[0]), "load.")
		number, err := strconv.ParseUint(n, 10, 64)
		if err != nil {
			panic(err)
		}
		switch rand.New(rand.NewPCG(seed, number)).IntN(16) {
		case from, from + 1:
			return saltfake.Cut
		case from + 2:
			return saltfake.Unexpected
		}
		return nil
	}
	w.OnRequest(func(_ context.Context, r saltfake.Request) *saltfake.Response { return unlucky(r, 0) })
	w.OnAnswer(func(_ context.Context, r saltfake.Request) *saltfake.Response { return unlucky(r, 3) })

	var next atomic.Int64
	var wg sync.WaitGroup
	third := make(chan struct{})
	for caller := range callers {
		wg.Go(func() {
			client := &http.Client{Timeout: patience}
			defer client.CloseIdleConnections()
			for {
				n := next.Add(1)
				if n > commands {
					return
				}
				if n == commands/3 {
					close(third)
				}
				servers[caller%2].Load().run(w, client, fmt.Sprintf("load.%d", n))
			}
		})
	}
	receive(t, third, "a third of the commands")
	victim := servers[0].Swap(servers[1].Load())
	if err := victim.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	receive(t, victim.ended, "the end of the program")
	servers[0].Store(w.serve(t, program, w.url))
	wg.Wait()
	w.calm()
	left := w.overdue(t)
	w.settle(t)
	w.check(t, 0)

	ran, told := 0, 0
	for name, r := range w.replies {
		ran += w.ran(name)
		if r.err == nil && r.jid != "" {
			told++
		}
	}
	t.Logf("%d commands: %d ran, %d callers were told so, %d intents were left open", commands, ran, told, left)
	if told < commands/2 || ran <= told || int64(commands-told) < left || left < commands/8 {
		t.Error("not what the faults were to make of it")
	}
}
