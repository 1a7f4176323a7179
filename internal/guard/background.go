package guard

import (
	"sync"
	"time"
)

// background calls a function at an interval until it is stopped.
type background struct {
	once   sync.Once
	quit   chan struct{}
	done   chan struct{}
	cancel func() // ends a tick under way; nil = it is waited for
}

// startBackground calls tick at the interval, and last when it is stopped.
func startBackground(interval time.Duration, tick, last func()) *background {
	b := &background{quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(b.done)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				tick()
			case <-b.quit:
				last()
				return
			}
		}
	}()
	return b
}

// stop returns when last has returned. It may be called more than once.
func (b *background) stop() {
	b.once.Do(func() {
		close(b.quit)
		if b.cancel != nil {
			b.cancel()
		}
	})
	<-b.done
}
