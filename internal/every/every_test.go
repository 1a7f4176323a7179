package every_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"halite/internal/every"
)

func TestTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Atomic: nothing orders what the test read before what a later call writes.
		var calls, under atomic.Int32
		task := every.Start(time.Second, func(ctx context.Context) {
			if under.Add(1) != 1 {
				t.Error("called while a call was under way")
			}
			if calls.Add(1) == 3 { // longer than the interval, until it is told to end
				<-ctx.Done()
			}
			under.Add(-1)
		})
		time.Sleep(2500 * time.Millisecond) // of the bubble's own clock
		synctest.Wait()
		if n := calls.Load(); n != 2 {
			t.Errorf("%d calls in 2.5 s", n)
		}
		time.Sleep(10 * time.Second)
		task.Stop()
		if n, u := calls.Load(), under.Load(); n != 3 || u != 0 {
			t.Errorf("%d calls, %d under way after Stop", n, u)
		}
		time.Sleep(10 * time.Second)
		task.Stop()
		if n := calls.Load(); n != 3 {
			t.Errorf("%d calls after Stop", n)
		}
	})
}
