// Package tree looks after the Merkle tree over the log: it seals what was appended, signs
// checkpoints, and checks that what is sealed is still there as it was.
//
// All of it follows the log; nothing is done where entries are written. Of several servers
// on a database one does it, whichever holds the lease.
package tree

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"halite/internal/guard"
	"halite/internal/merkle"
)

const (
	sealInterval = 200 * time.Millisecond // how often the log is looked at for what is not sealed
	signInterval = time.Second            // checkpoints and checks are at least so far apart
	patience     = 2 * time.Second        // how long a failure is left alone
	leaseTTL     = 6 * time.Second        // how long after a server's end another takes over
	stepTimeout  = 30 * time.Second       // what takes longer is given up
	stopTimeout  = 15 * time.Second       // for sealing and signing what is there at the end
	thinInterval = time.Hour

	sealBatch = 32 << 10 // entries that are sealed at once
)

// Gate leaves the rows of what is found. *guard.Guard is one.
type Gate interface {
	Do(ctx context.Context, a guard.Action, next func(context.Context) error) error
}

// Config is what a Keeper needs.
type Config struct {
	Store  Store
	Gate   Gate
	Logger *slog.Logger
	// Keys sign, all of them; the first one names the log. None: nothing is signed.
	Keys []*merkle.Key
	// Accepted are keys beside those whose signature on the latest checkpoint counts.
	Accepted []note.Verifier
	// Retained is the last id that retention has dropped, with all before it; nil: nothing
	// ever was. Rows up to it may be missing, their hashes may not.
	Retained func(context.Context) (through int64, err error)
}

// Keeper looks after the tree. Start begins, Stop ends it.
type Keeper struct {
	Config
	lease    Lease
	leased   time.Time // until when the lease need not be asked for
	edge     *merkle.Edge
	lastAt   time.Time // of the last entry in edge
	checked  time.Time
	thinned  time.Time
	seen     merkle.Tree // as it was when it was checked last
	noted    merkle.Tree // of the latest checkpoint then
	walk     int64       // the next tile to be checked of those before it
	unsealed *Mismatch   // why sealing does not go on

	stop func()
	done chan struct{}

	mu      sync.Mutex
	failure string     // what went wrong last; empty: nothing
	found   []Mismatch // at the last check, in the places that were looked at
	foreign bool       // the latest checkpoint was signed by a key that is not known
	holds   time.Time  // until when no other server takes the lease; zero: it is not held
	walked  int64      // the first of the entries that the walk has come to
}

// New returns a keeper.
func New(cfg Config) *Keeper {
	if cfg.Retained == nil {
		cfg.Retained = func(context.Context) (int64, error) { return 0, nil }
	}
	for _, k := range cfg.Keys {
		cfg.Accepted = append(cfg.Accepted, k.Verifier())
	}
	return &Keeper{Config: cfg, lease: cfg.Store.TreeLease(leaseTTL), walk: -1, thinned: time.Now()}
}

// Start checks the newest entries and begins to work. What it finds does not keep a
// server from starting: it is in the log of the server, in Status, and has its row.
func (k *Keeper) Start(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	if err := k.check(limited); err != nil {
		k.failed("the log was not checked at the start", err)
	}
	ctx, k.stop = context.WithCancel(context.WithoutCancel(ctx))
	k.done = make(chan struct{})
	go k.run(ctx)
}

// Stop seals what is there, signs it and returns. Nothing may be appended any more. It
// may be called more than once.
func (k *Keeper) Stop() {
	if k.stop != nil {
		k.stop()
		<-k.done
	}
}

func (k *Keeper) run(ctx context.Context) {
	defer close(k.done)
	for pause := time.Duration(0); rest(ctx, pause); {
		pause = k.step(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := k.finish(ctx); err != nil {
		k.Logger.Error("the last entries are not sealed and signed yet; the next server does it", "error", err)
	}
	k.mu.Lock()
	k.holds = time.Time{}
	k.mu.Unlock()
	if err := k.lease.Release(ctx); err != nil {
		k.Logger.Debug("lease not released", "error", err)
	}
}

// step does what is to be done if the lease can be had, and says how long to wait before
// the next. While there is much to seal it rests as long as it works, so that at most half
// of a processor is busy with it.
func (k *Keeper) step(ctx context.Context) (pause time.Duration) {
	limited, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	start := time.Now()
	more, err := k.work(limited)
	switch {
	case ctx.Err() != nil: // told to stop
		return 0
	case err != nil:
		k.edge = nil
		k.failed("the tree of the log does not grow or is not checked", err)
		return patience
	case more:
		return time.Since(start)
	}
	return sealInterval
}

// work seals a batch, and once a second checks and signs. more says that there is more to
// be sealed at once.
func (k *Keeper) work(ctx context.Context) (more bool, err error) {
	lastID, size, err := k.Store.Ends(ctx)
	if err != nil {
		return false, err
	}
	due := time.Since(k.checked) >= signInterval
	if lastID <= size && !due {
		return false, nil
	}
	if held, err := k.hold(ctx); err != nil || !held {
		return false, err
	}
	var sealing error // checked all the same: that tells why
	if lastID > size {
		if more, sealing = k.seal(ctx, lastID); sealing != nil {
			k.edge = nil
		}
	}
	if due {
		if err := k.check(ctx); err != nil {
			return false, errors.Join(sealing, err)
		}
		if err := k.sign(ctx); err != nil {
			return false, errors.Join(sealing, err)
		}
		if time.Since(k.thinned) > thinInterval {
			k.thinned = time.Now()
			if err := k.Store.ThinCheckpoints(ctx); err != nil {
				return false, err
			}
		}
	}
	if sealing == nil {
		k.succeeded()
	}
	return more, sealing
}

// finish seals all that is there, and signs it.
func (k *Keeper) finish(ctx context.Context) error {
	for {
		lastID, size, err := k.Store.Ends(ctx)
		if err != nil {
			return err
		}
		if held, err := k.hold(ctx); err != nil || !held { // who holds it does it
			return err
		}
		if lastID <= size {
			break
		}
		if more, err := k.seal(ctx, lastID); err != nil {
			return err
		} else if !more && k.unsealed != nil {
			break
		}
	}
	if err := k.check(ctx); err != nil {
		return err
	}
	return k.sign(ctx)
}

// hold takes the lease, unless it was taken just now.
func (k *Keeper) hold(ctx context.Context) (bool, error) {
	now := time.Now()
	if now.Before(k.leased) {
		return true, nil
	}
	held, err := k.lease.Take(ctx)
	if err != nil {
		return held, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !held { // who holds it checks: what was found here before is not for this server to know any more
		k.holds, k.found = time.Time{}, nil
		return false, nil
	}
	k.leased, k.holds = now.Add(leaseTTL/2), now.Add(leaseTTL)
	return true, nil
}

func (k *Keeper) failed(what string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failure != err.Error() { // once, not each time
		k.Logger.Error("the tree of the log is not looked after", "what", what, "error", err)
	}
	k.failure = err.Error()
}

func (k *Keeper) succeeded() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failure = ""
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

// errGap ends reading rows where they are not the next ones.
var errGap = errors.New("a row is not there")
