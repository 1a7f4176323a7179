package main

import (
	"context"
	"slices"
	"strings"
	"sync"

	"halite/internal/salt/saltfake"
)

// silence is a master that does not say what it does.
type silence struct {
	held  chan struct{} // an answer is held, until the client has gone
	mu    sync.Mutex
	reads bool // what only reads is held, too
}

func newSilence(w *world, all []late) *silence {
	s := &silence{held: make(chan struct{}, len(all))}
	hold := func(ctx context.Context) *saltfake.Response {
		<-ctx.Done()
		return saltfake.Cut
	}
	hook := func(after bool) saltfake.Hook {
		return func(ctx context.Context, r saltfake.Request) *saltfake.Response {
			for _, l := range all {
				if r.Fun() != l.fun || l.happens != after || !strings.Contains(string(r.Body), w.named(l.mark)) {
					continue
				}
				if !l.hangs {
					return saltfake.Unexpected
				}
				s.held <- struct{}{}
				return hold(ctx)
			}
			if !after && s.holds(r) {
				return hold(ctx)
			}
			return nil
		}
	}
	w.OnRequest(hook(false))
	w.OnAnswer(hook(true))
	return s
}

func (s *silence) holdReads() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads = true
}

func (s *silence) holds(r saltfake.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	reads := []string{"key.list_all", "jobs.list_job", "jobs.list_jobs", "manage.present"}
	return s.reads && (slices.Contains(reads, r.Fun()) || r.Path == "/login" && strings.Contains(string(r.Body), `"hang"`))
}
