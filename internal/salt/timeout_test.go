package salt_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"halite/internal/fault"
	"halite/internal/salt"
	"halite/internal/salt/saltfake"
)

func TestTimeouts(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		call    func(context.Context, *world) error
		after   time.Duration
		unknown bool
	}{
		"test.ping":      {func(ctx context.Context, w *world) error { _, err := w.Run(ctx, ping("*"), w.begin); return err }, 20 * time.Second, true},
		"key.accept":     {func(ctx context.Context, w *world) error { return w.AcceptKey(ctx, "new1", w.begin) }, 30 * time.Second, true},
		"key.list_all":   {func(ctx context.Context, w *world) error { _, err := w.Keys(ctx); return err }, 30 * time.Second, false},
		"jobs.list_jobs": {func(ctx context.Context, w *world) error { _, err := w.Jobs(ctx, 10); return err }, 30 * time.Second, false},
		"/login":         {func(ctx context.Context, w *world) error { return w.DeleteKey(ctx, "new1", w.begin) }, 30 * time.Second, false},
	} {
		inBubble(t, func(t *testing.T, w *world) {
			w.OnRequest(on(what, hang))
			begin := time.Now()
			err := c.call(t.Context(), w)
			wantFault(t, err, fault.SaltUnavailable, c.unknown, fmt.Sprintf("salt-api: no answer within %s", c.after))
			if d := time.Since(begin); d != c.after {
				t.Errorf("%s: after %s", what, d)
			}
		})
		// The context bounds it too.
		inBubble(t, func(t *testing.T, w *world) {
			w.OnRequest(on(what, hang))
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			message := "salt-api: given up before it answered"
			if what == "/login" {
				message = "salt-api: given up during the login"
			}
			wantFault(t, c.call(ctx, w), fault.SaltUnavailable, c.unknown, message)
		})
	}
}

// EffectTimeout holds when everything takes as long as it can: a 401, a login, the repeated
// call, and the look afterwards.
func TestEffectTimeout(t *testing.T) {
	t.Parallel()
	for _, slow := range []time.Duration{0, 4 * time.Second, 9 * time.Second, 14 * time.Second, 19 * time.Second, 29 * time.Second, time.Hour} {
		inBubble(t, func(t *testing.T, w *world) {
			var begun time.Time
			err := w.DeleteKey(t.Context(), "new1", func(context.Context) error {
				begun = time.Now()
				w.ForgetSessions()
				w.OnRequest(func(ctx context.Context, _ saltfake.Request) *saltfake.Response {
					select {
					case <-time.After(slow):
					case <-ctx.Done():
					}
					return nil
				})
				return nil
			})
			took := time.Since(begun)
			if took > salt.EffectTimeout || slow == 0 && took > 0 {
				t.Errorf("everything takes %s: %s", slow, took)
			}
			if sure := slow < 10*time.Second; sure != (err == nil) {
				t.Errorf("everything takes %s: %v", slow, err)
			}
		})
	}
}

// The look after a deletion may take 15 s of them.
func TestConfirmTimeout(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		var deleted time.Time
		w.OnAnswer(on("key.delete", func(context.Context, saltfake.Request) *saltfake.Response {
			deleted = time.Now()
			w.OnRequest(hang)
			return nil
		}))
		wantFault(t, w.DeleteKey(t.Context(), "new1", w.begin), fault.SaltUnavailable, true,
			"salt-api: no answer within 15s; whether the key was deleted could not be seen")
		if d := time.Since(deleted); d != 15*time.Second || salt.EffectTimeout != 45*time.Second {
			t.Errorf("after %s; %s in all", d, salt.EffectTimeout)
		}
	})
}

func TestInFlight(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		must[[]salt.Key](t)(w.Keys(t.Context()))
		var now, most atomic.Int32
		goOn := make(chan struct{})
		w.OnRequest(func(context.Context, saltfake.Request) *saltfake.Response {
			most.Store(max(most.Load(), now.Add(1)))
			<-goOn
			now.Add(-1)
			return nil
		})
		var all sync.WaitGroup
		for range 12 {
			all.Go(func() { must[[]salt.Key](t)(w.Keys(t.Context())) })
		}
		synctest.Wait()
		if n := now.Load(); n != 8 {
			t.Errorf("%d requests are in flight", n)
		}
		// One more waits as long as its context allows, and is not begun.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.Run(ctx, ping("*"), w.begin)
		wantFault(t, err, fault.SaltUnavailable, false, "salt-api: given up while too many requests were in flight")
		if w.begun.Load() != 0 {
			t.Error("begun before it was its turn")
		}
		close(goOn)
		all.Wait()
		if n := most.Load(); n != 8 {
			t.Errorf("%d requests were in flight", n)
		}
	})
}
