// Package every calls functions at an interval, each owned by somebody who stops it.
package every

import (
	"context"
	"sync"
	"time"
)

// Task is a function that is called at an interval until Stop.
type Task struct {
	stop func()
	done chan struct{}
}

// Start calls fn each interval, never twice at once: what takes longer than the interval
// delays the next call. The context that fn gets ends when Stop is called.
func Start(interval time.Duration, fn func(context.Context)) *Task {
	ctx, cancel := context.WithCancel(context.Background())
	t := &Task{stop: sync.OnceFunc(cancel), done: make(chan struct{})}
	go func() {
		defer close(t.done)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if ctx.Err() == nil {
					fn(ctx)
				}
			}
		}
	}()
	return t
}

// Stop returns when a call under way has ended; there are none afterwards. It may be
// called more than once.
func (t *Task) Stop() {
	t.stop()
	<-t.done
}
