package db

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	headRest     = 25 * time.Millisecond  // between two looks, however much is written
	headCheck    = 5 * time.Second        // how long it is believed that nothing was notified
	headInterval = 250 * time.Millisecond // between two looks without notifications
	headPatience = 2 * time.Second        // how long it is done without them after a failure
	headTimeout  = 5 * time.Second        // of a look
)

// ErrHeadStopped is what Wait returns after Stop.
var ErrHeadStopped = errors.New("the head of the log is not watched any more")

// Head knows how far the log reaches: the id of the last entry that is committed, whoever
// wrote it. It never goes back. What this server writes it is told after the commit. Of
// others it knows from the table; their notifications only tell when to look, so that one
// too many or too few does no harm. Where none can be had, which is through a pooler and
// after a failure, it looks at an interval.
//
// It is safe for concurrent use, and costs one goroutine and one connection, however many
// use it.
type Head struct {
	db    *DB
	check time.Duration // headCheck
	stop  func()
	done  chan struct{}

	mu     sync.Mutex
	last   int64
	grown  chan struct{} // closed when last grows
	wakeup func()        // ends a wait for notifications; nil: there is none
}

// WatchHead watches the head of the log until Stop. A DB is watched once at a time.
func (d *DB) WatchHead() *Head { return d.watchHead(headCheck) }

func (d *DB) watchHead(check time.Duration) *Head {
	ctx, cancel := context.WithCancel(context.Background())
	h := &Head{db: d, check: check, stop: cancel, done: make(chan struct{}), grown: make(chan struct{})}
	d.news.head.Store(h)
	go func() {
		defer close(h.done)
		h.run(ctx)
	}()
	return h
}

// Stop ends the watch, and Wait for all who do. It returns when the goroutine and the
// connection have ended.
func (h *Head) Stop() {
	h.db.news.head.CompareAndSwap(h, nil)
	h.stop()
	<-h.done
}

// Last is the last id as far as it is known; 0 before the first look.
func (h *Head) Last() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// Wait returns the last id once it is greater than id.
func (h *Head) Wait(ctx context.Context, id int64) (int64, error) {
	for {
		h.mu.Lock()
		last, grown := h.last, h.grown
		h.mu.Unlock()
		if last > id {
			return last, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return last, ctx.Err()
		case <-h.done:
			return last, ErrHeadStopped
		}
	}
}

// wrote is told of an entry that this server committed.
func (h *Head) wrote(id int64) {
	h.advance(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wakeup != nil {
		h.wakeup()
	}
}

func (h *Head) advance(last int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if last > h.last {
		h.last = last
		close(h.grown)
		h.grown = make(chan struct{})
	}
}

// run listens for as long as that goes well, and polls in between.
func (h *Head) run(ctx context.Context) {
	for ctx.Err() == nil {
		if !h.db.listens {
			h.poll(ctx)
			continue
		}
		if err := h.follow(ctx); ctx.Err() == nil {
			h.db.logger.Warn("not notified of new entries; looking for them at an interval", "error", err)
			limited, cancel := context.WithTimeout(ctx, headPatience)
			h.poll(limited)
			cancel()
		}
	}
}

// poll looks at an interval until ctx ends.
func (h *Head) poll(ctx context.Context) {
	for failed := false; ; {
		err := h.look(ctx, h.db.pool)
		if err != nil && !failed && ctx.Err() == nil {
			h.db.logger.Warn("the head of the log cannot be read", "error", err)
		}
		failed = err != nil
		if !rest(ctx, headInterval) {
			return
		}
	}
}

// follow looks when it is notified, until that fails.
func (h *Head) follow(ctx context.Context) error {
	l, err := h.db.listen(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	for {
		l.notified = false // what is notified from here on may be missing in what is read
		if err := h.look(ctx, l.conn); err != nil {
			return err
		}
		if err := h.await(ctx, l); err != nil {
			return err
		}
		if !rest(ctx, headRest) {
			return ctx.Err()
		}
	}
}

// await returns when there is a reason to look.
func (h *Head) await(ctx context.Context, l *listener) error {
	ctx, cancel := context.WithTimeout(ctx, h.check)
	defer cancel()
	h.mu.Lock()
	h.wakeup = cancel
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.wakeup = nil
	}()
	if h.db.news.written.Load() { // before wakeup was there
		return nil
	}
	return l.await(ctx)
}

// look reads the head, and announces what was written here since the last look.
func (h *Head) look(ctx context.Context, conn interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
},
) error {
	ctx, cancel := context.WithTimeout(ctx, headTimeout)
	defer cancel()
	last, err := h.db.news.read(ctx, conn)
	if err == nil {
		h.advance(last)
	}
	return err
}
