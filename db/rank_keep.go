package db

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

const (
	rankInterval = 250 * time.Millisecond // how often the log is looked at for full blocks
	rankPatience = 5 * time.Second        // how long a failure is left alone
	rankTTL      = 10 * time.Second       // how long after a server's end another takes over
	rankStep     = 30 * time.Second       // a batch that takes longer is given up
)

// KeepRank lets the rank index grow with the log until stop is called, which returns
// when work under way has ended. Of several servers on a database one does it, whichever
// holds the lease; when it ends, another takes over within seconds. While it catches up
// it rests as long as it works, so that at most half of a processor is busy with it.
func (d *DB) KeepRank() (stop func()) { return d.keepRank(newRankBuilder(d.pool, d.hot)) }

func (d *DB) keepRank(b *rankBuilder) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	l := rankLease(d.app)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pause := time.Duration(0); rest(ctx, pause); {
			pause = d.buildRank(ctx, l, b)
		}
		ctx, cancel := context.WithTimeout(context.Background(), rankPatience)
		defer cancel()
		if err := l.release(ctx); err != nil {
			d.logger.Debug("lease not released", "error", err)
		}
	}()
	return sync.OnceFunc(func() { cancel(); <-done })
}

// buildRank builds a batch if there is one and the lease can be had, and says how long to
// wait before the next.
func (d *DB) buildRank(ctx context.Context, l lease, b *rankBuilder) (pause time.Duration) {
	limited, cancel := context.WithTimeout(ctx, rankStep)
	defer cancel()
	start := time.Now()
	covered, err := b.stepLeased(limited, l)
	switch {
	case ctx.Err() != nil: // told to stop
		return 0
	case err != nil:
		d.logger.Error("the rank index does not grow; answers stay exact and become slow", "error", err)
		return rankPatience
	case covered == 0:
		return rankInterval
	}
	return time.Since(start)
}

// stepLeased is step, by the holder of the lease. The lease is asked for only when there
// is something to do.
func (b *rankBuilder) stepLeased(ctx context.Context, l lease) (covered int64, err error) {
	due, err := b.due(ctx)
	if err != nil || !due {
		return 0, err
	}
	if held, err := l.take(ctx); err != nil || !held {
		return 0, err
	}
	return b.step(ctx)
}

// due reports whether a block of the log is full that is not in the index.
func (b *rankBuilder) due(ctx context.Context) (bool, error) {
	end, first, last, err := b.look(ctx)
	if err != nil {
		return false, fmt.Errorf("look for full blocks: %w", err)
	}
	return last-max(end.id, first-1) >= b.block, nil
}

// RebuildRank empties the rank index and builds it anew, beside running servers or
// without: whoever reads meanwhile counts what is not there. progress is told after each
// batch how many entries are covered. It needs the owner.
func (d *DB) RebuildRank(ctx context.Context, progress func(covered int64)) error {
	return d.rebuildRank(ctx, newRankBuilder(d.opool, d.hot), progress)
}

func (d *DB) rebuildRank(ctx context.Context, b *rankBuilder, progress func(covered int64)) error {
	l := rankLease(d.owner)
	if err := l.seize(ctx); err != nil { // a server in the midst of a batch notices that it was overtaken
		return err
	}
	defer func() { _ = l.release(context.WithoutCancel(ctx)) }()
	if err := d.emptyRank(ctx); err != nil {
		return err
	}
	var sum int64
	for {
		covered, err := b.step(ctx)
		if err != nil {
			return err
		}
		if sum += covered; covered > 0 {
			progress(sum)
		} else if due, err := b.due(ctx); err != nil || !due {
			return err
		}
		if err := l.seize(ctx); err != nil {
			return err
		}
	}
}

// emptyRank takes a lock that waits for readers and is waited for by them, so it gives
// up soon and is tried again.
func (d *DB) emptyRank(ctx context.Context) error {
	for {
		err := d.owner.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			if _, err := tx.ExecContext(ctx, "SET LOCAL lock_timeout = '1s'"); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, "TRUNCATE audit_rank")
			return err
		})
		if sqlState(err) != lockNotAvailable {
			if err != nil {
				return fmt.Errorf("empty the rank index: %w", err)
			}
			return nil
		}
	}
}

const lockNotAvailable = "55P03"

// rankLease is the lease of whoever builds the index, not taken yet.
func rankLease(db *bun.DB) lease {
	return lease{db: db, task: "rank", holder: uuid.New(), ttl: rankTTL}
}

// rest waits, and reports whether ctx goes on.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
