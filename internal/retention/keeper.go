package retention

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"halite/internal/every"
	"halite/internal/guard"
)

const (
	interval   = time.Hour        // how often the log is looked at for what is too old
	retryAfter = time.Minute      // a failure, twice as long each time, up to interval
	sealedIn   = time.Second      // the same where only the tree is behind, as in the first seconds after an import
	renewEvery = 15 * time.Second // the lease, while it is worked under it
	waitFor    = 30 * time.Second // for the moment of a drop
	watchEvery = time.Minute      // the disk
)

// Config is what a Keeper needs.
type Config struct {
	Store  Store
	Guard  *guard.Guard
	Days   int                                   // 0: all is kept
	Dir    string                                // for archives; empty: there are none
	Disk   Disk                                  // under the log
	As     func(context.Context) context.Context // adds the caller that the rows name
	Logger *slog.Logger
}

// Keeper drops what is older than the log is kept for, and watches the disk.
type Keeper struct {
	Config
	warned time.Time // watch's
	failed time.Duration

	stop context.CancelFunc
	done sync.WaitGroup
}

// New returns a keeper that does nothing yet but answer.
func New(cfg Config) *Keeper { return &Keeper{Config: cfg} }

// Start lets it work in the background until Stop. Of several servers on a database one
// drops at a time.
func (k *Keeper) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	k.stop = cancel
	k.done.Go(func() {
		for pause := time.Duration(0); rest(ctx, pause); pause = watchEvery {
			k.watch(ctx)
		}
	})
	if k.Days <= 0 {
		return
	}
	k.done.Go(func() {
		for pause := time.Duration(0); rest(ctx, pause); {
			pause = k.round(ctx)
		}
	})
}

// Stop returns when work under way has ended. What was begun with a drop is finished.
func (k *Keeper) Stop() {
	if k.stop != nil {
		k.stop()
		k.done.Wait()
	}
}

// round drops a partition if there is one, and says how long to wait before the next.
func (k *Keeper) round(ctx context.Context) (pause time.Duration) {
	dropped, err := k.DropOldest(ctx)
	switch {
	case ctx.Err() != nil: // told to stop
		return 0
	case errors.Is(err, ErrUnsealed):
		k.failed = min(max(2*k.failed, sealedIn), interval)
		k.Logger.Info("what is older than the log is kept for waits for the tree", "error", err, "retry_in", k.failed)
		return k.failed
	case err != nil:
		k.failed = min(max(2*k.failed, retryAfter), interval)
		k.Logger.Error("what is older than the log is kept for was not dropped", "error", err, "retry_in", k.failed)
		return k.failed
	}
	k.failed = 0
	if dropped {
		return 0
	}
	return interval
}

// DropOldest drops the oldest partition if all of it is too old and no other server is at
// it, and reports whether it is gone. It is archived and the archive verified first, if
// there is a folder for that: whatever ends it before the drop leaves the partition as it
// was, and the next call goes on from there.
func (k *Keeper) DropOldest(ctx context.Context) (dropped bool, err error) {
	held, err := k.Store.LeaseRetention(ctx)
	if err != nil || !held {
		return false, err
	}
	renew := every.Start(renewEvery, func(ctx context.Context) { _, _ = k.Store.LeaseRetention(ctx) })
	defer func() {
		renew.Stop()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewEvery)
		defer cancel()
		if err := k.Store.ReleaseRetention(ctx); err != nil {
			k.Logger.Debug("lease not released", "error", err)
		}
	}()
	p, ok, err := k.Store.OldestPartition(ctx, k.Days, time.Now())
	if err != nil || !ok {
		return false, err
	}
	args := map[string]any{"partition": p.Name, "first_id": p.FirstID, "last_id": p.LastID, "rows": p.Rows(), "retention_days": k.Days}
	archive, err := k.archive(ctx, p, args)
	if err != nil {
		return false, fmt.Errorf("archive %s: %w", p.Name, err)
	}
	switch err := k.drop(ctx, p, archive, args); {
	case errors.Is(err, ErrDropped):
	case err != nil:
		return false, fmt.Errorf("drop %s: %w", p.Name, err)
	default:
		k.Logger.Info("old entries were dropped", "partition", p.Name, "first_id", p.FirstID, "last_id", p.LastID, "archive", args["archive"])
	}
	return true, nil
}

// archive archives p if it is to be, and adds to args what the archive is.
func (k *Keeper) archive(ctx context.Context, p Partition, args map[string]any) (*Archived, error) {
	args["archive"], args["sha256"] = nil, nil
	if k.Dir == "" {
		return nil, nil
	}
	m, err := ensureArchive(ctx, k.Store, k.Dir, p)
	if err != nil {
		return nil, err
	}
	sum, err := hex.DecodeString(m.SHA256)
	if err != nil {
		return nil, err
	}
	args["archive"], args["sha256"] = m.File, m.SHA256
	return &Archived{File: m.File, SHA256: [32]byte(sum)}, nil
}

// drop drops p and records it. The decision is the operator's, who set the days.
func (k *Keeper) drop(ctx context.Context, p Partition, archive *Archived, args map[string]any) error {
	ctx, cancel := context.WithTimeout(k.As(ctx), waitFor)
	defer cancel()
	d, err := k.Store.BeginDrop(ctx, p, archive)
	if err != nil {
		return err
	}
	defer d.Close()
	return k.Guard.Do(ctx, guard.Action{
		Name: "audit.retention", Resource: "audit:*", Args: args, Effect: guard.Change, Changer: d, Anonymous: true,
		Judge: guard.Allowed(fmt.Sprintf("AUDIT_RETENTION_DAYS is %d", k.Days)),
	}, d.Run)
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
