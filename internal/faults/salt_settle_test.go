package faults

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/pgtest"
	"halite/internal/salt"
	"halite/internal/salt/saltfake"
)

// TestDatabaseGone: the database goes away under a job. Its caller is told that the outcome
// is not known, unless nothing was sent, and the server settles what is open when the
// database is back.
func TestDatabaseGone(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		fault   func(w *world, p *proxy)
		ran     bool
		late    bool
		unknown bool
	}{
		{"when the intent has become durable", func(_ *world, p *proxy) { p.armFatal(intentAnswer) }, false, true, false},
		{"when the job has run", func(w *world, p *proxy) {
			w.OnAnswer(on("cmd.run", func(context.Context, saltfake.Request) *saltfake.Response { p.fall(); return nil }))
		}, true, true, true},
		{"before COMMIT", func(_ *world, p *proxy) { p.armFatal(beforeCommit) }, true, true, true},
		{"before the answer of COMMIT", func(_ *world, p *proxy) { p.armFatal(commitAnswer) }, true, false, true},
	}
	nodes, proxies := make([]*node, len(cases)), make([]*proxy, len(cases))
	for i := range cases {
		w := newWorld(t)
		proxies[i] = newProxy(t, w.url)
		nodes[i] = w.node(t, proxies[i].through(w.url))
		if r := nodes[i].run("before"); r.err != nil {
			t.Fatal(r.err)
		}
	}
	var wg sync.WaitGroup // each waits for seconds, without doing much
	for i, c := range cases {
		c.fault(nodes[i].world, proxies[i])
		wg.Go(func() {
			r := nodes[i].run("lost")
			if r.err == nil || r.err.Code != fault.AuditUnavailable || r.unknown != c.unknown || r.row != 0 {
				t.Errorf("%s: the caller was told %+v, of the row %d", c.name, r.err, r.row)
			}
		})
	}
	wg.Wait()
	for i, c := range cases {
		n := nodes[i]
		n.calm()
		if open := n.overdue(t); (open == 1) != c.late {
			t.Errorf("%s: %d intents are open", c.name, open)
		}
		proxies[i].up()
	}
	for i, c := range cases {
		n := nodes[i]
		n.settle(t)
		if c.late {
			n.wantRow(t, settledLate("lost", c.ran))
		} else {
			n.wantRow(t, inTime("lost", http.StatusAccepted))
		}
		n.check(t, 0)
	}
}

// TestSettleTogether: servers settle a heap of open intents at once while others of their
// callers open intents and close them.
func TestSettleTogether(t *testing.T) {
	t.Parallel()
	for _, servers := range []int{2, 4} {
		t.Run(fmt.Sprint(servers), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			const heap = 50
			// The master is asked for half of the jobs, and nobody waits for its answers.
			var turn atomic.Int32
			w.OnRequest(on("cmd.run", func(context.Context, saltfake.Request) *saltfake.Response {
				if turn.Add(1)%2 == 0 {
					return saltfake.Cut
				}
				return nil
			}))
			w.OnAnswer(on("cmd.run", answer(saltfake.Cut)))
			nodes := []*node{}
			for range servers {
				nodes = append(nodes, w.node(t, w.url))
			}
			var wg sync.WaitGroup
			for i, n := range nodes {
				wg.Go(func() {
					for k := i; k < heap; k += servers {
						n.run(fmt.Sprintf("left.%d", k))
					}
				})
			}
			wg.Wait()
			w.calm()
			if open := w.overdue(t); open != heap {
				t.Fatalf("%d intents are open", open)
			}
			quit := make(chan struct{})
			stop := sync.OnceFunc(func() { close(quit); wg.Wait() })
			defer stop()
			for i, n := range nodes {
				for c := range 2 {
					wg.Go(func() {
						for k := 0; ; k++ {
							select {
							case <-quit:
								return
							default:
							}
							if r := n.run(fmt.Sprintf("beside.%d.%d.%d", i, c, k)); r.err != nil {
								t.Error(r.err)
							}
						}
					})
				}
			}
			until(t, "the heap to be settled", func() bool { return w.due(t) == 0 })
			stop()
			if open := w.open(t); open != 0 {
				t.Errorf("%d intents are open", open)
			}
			for name, rows := range w.rows(t) {
				if late := name[0] == 'l'; len(rows) != 1 || (rows[0].Settled != "") != late {
					t.Errorf("rows of %s: %+v", name, rows)
				}
			}
			w.check(t, 0)
		})
	}
}

// TestSaltAway: what Salt cannot be asked for is settled when it can, and holds up nothing
// else meanwhile.
func TestSaltAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(t, w.url)
	w.OnAnswer(on("cmd.run", answer(saltfake.Cut)))
	for _, name := range []string{"asked.0", "held.0", "asked.1", "held.1", "asked.2"} {
		n.run(name)
	}
	held := map[string]bool{}
	for name, d := range w.dispatched() {
		held[d.jid] = name[0] == 'h'
	}
	asked := make(chan string, 100)
	w.OnAnswer(nil)
	w.OnRequest(on("jobs.list_job", func(_ context.Context, r saltfake.Request) *saltfake.Response {
		if jid := fmt.Sprint(r.Chunk["jid"]); held[jid] {
			asked <- jid
			return saltfake.Unexpected
		}
		return nil
	}))
	w.overdue(t)
	until(t, "the others to be settled", func() bool { return w.open(t) == 2 })
	first, second := receive(t, asked, "the first to be asked for"), receive(t, asked, "the second to be asked for")
	if first == second {
		t.Error("one is asked for again before the other")
	}
	if late := w.rows(t); len(late["held.0"])+len(late["held.1"]) != 0 {
		t.Errorf("settled without an answer: %+v", late)
	}
	w.calm()
	w.settle(t)
	for _, name := range []string{"asked.0", "held.0", "asked.1", "held.1", "asked.2"} {
		w.wantRow(t, settledLate(name, true))
	}
	w.check(t, 0)
}

// TestKeysLeftOpen: a key is settled by where it is, a kill by nothing.
func TestKeysLeftOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.node(t, w.url)
	cut := func(fun string, afterwards func()) saltfake.Hook {
		return on(fun, func(context.Context, saltfake.Request) *saltfake.Response { afterwards(); return saltfake.Cut })
	}
	steps := []struct {
		verb, id string
		from     saltfake.Bucket
		done     bool
		settled  string
	}{
		{"accept", "new1", saltfake.Pending, true, itWasDone},
		{"accept", "new2", saltfake.Pending, false, itWasNotDone},
		{"reject", "new3", saltfake.Pending, true, itWasDone},
		{"reject", "new4", saltfake.Pending, false, itWasNotDone},
		{"delete", "old1", saltfake.Accepted, true, itWasDone},
		{"delete", "old2", saltfake.Accepted, false, itWasNotDone},
		{"delete", "back", saltfake.Accepted, true, neverKnown}, // its minion asks again
		{"delete", "new5", saltfake.Pending, false, neverKnown},
	}
	change := map[string]func(context.Context, string) error{
		"accept": n.dispatch.AcceptKey, "reject": n.dispatch.RejectKey, "delete": n.dispatch.DeleteKey,
	}
	unknown := func(name, action, verb, resource string, success int, effect func(context.Context) error) {
		r := n.do(name, guard.Action{Name: action, Verb: verb, Resource: resource, Success: success}, effect)
		if r.err == nil || r.err.Code != fault.SaltUnavailable || !r.unknown || r.row != 0 {
			t.Errorf("%s: the caller was told %+v, of the row %d", name, r.err, r.row)
		}
		w.calm()
	}
	for _, s := range steps {
		w.AddKeys(s.from, s.id)
		hook := w.OnRequest
		if s.done {
			hook = w.OnAnswer
		}
		hook(cut("key."+s.verb, func() {
			if s.id == "back" {
				w.AddKeys(saltfake.Pending, s.id)
			}
		}))
		unknown(s.id, "key."+s.verb, s.verb, "key:"+s.id, 204, func(ctx context.Context) error { return change[s.verb](ctx, s.id) })
	}
	c := salt.New(w.connection, pgtest.Quiet)
	t.Cleanup(c.Close)
	job, err := c.Run(t.Context(), salt.Job{
		Target: "web1", TargetType: "glob", Fun: "test.sleep", Args: []string{"600"}, JID: salt.NewJID(time.Now()),
	}, func(context.Context) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	w.OnAnswer(cut("saltutil.kill_job", func() {}))
	unknown("kill", "job.kill", "kill", "job:"+job.JID, 202, func(ctx context.Context) error { return n.dispatch.KillJob(ctx, job.JID) })

	w.settle(t)
	for _, s := range steps {
		code := http.StatusGatewayTimeout
		if s.settled == itWasDone {
			code = http.StatusNoContent
		}
		w.wantRow(t, effectRow{Name: s.id, Action: "key." + s.verb, Code: code, Settled: s.settled})
	}
	w.wantRow(t, effectRow{Name: "kill", Action: "job.kill", Code: http.StatusGatewayTimeout, Settled: neverKnown})
	w.check(t, 0)
}
