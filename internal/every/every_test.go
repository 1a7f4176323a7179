package every_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"halite/internal/every"
)

func TestTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, under := 0, 0
		task := every.Start(time.Second, func(ctx context.Context) {
			if under++; under != 1 {
				t.Error("called while a call was under way")
			}
			calls++
			if calls == 3 { // longer than the interval, until it is told to end
				<-ctx.Done()
			}
			under--
		})
		time.Sleep(2500 * time.Millisecond) // of the bubble's own clock
		synctest.Wait()
		if calls != 2 {
			t.Errorf("%d calls in 2.5 s", calls)
		}
		time.Sleep(10 * time.Second)
		task.Stop()
		if calls != 3 || under != 0 {
			t.Errorf("%d calls, %d under way after Stop", calls, under)
		}
		time.Sleep(10 * time.Second)
		task.Stop()
		if calls != 3 {
			t.Errorf("%d calls after Stop", calls)
		}
	})
}
