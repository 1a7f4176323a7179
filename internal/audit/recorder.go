package audit

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"
)

// How an entry can fail to be recorded.
var (
	// ErrQueueFull: too many entries wait already. Nothing was written.
	ErrQueueFull = errors.New("audit recorder: queue full")
	// ErrStopped: the recorder takes nothing any more. Nothing was written.
	ErrStopped = errors.New("audit recorder: stopped")
	// ErrUnavailable: the database cannot be written to. Nothing was written.
	ErrUnavailable = errors.New("audit log unavailable")
	// ErrRejected: the database refused the values. Nothing was written.
	ErrRejected = errors.New("audit entry rejected")
	// ErrOutcomeUnknown: the answer of a COMMIT was lost and could not be asked for
	// in time. The entry may or may not be in the log.
	ErrOutcomeUnknown = errors.New("audit entry: outcome of the commit unknown")
)

// Appender writes entries to the log.
type Appender interface {
	// Append writes the batch in one transaction and fills ID and At of each entry,
	// in order. When it returns nil the entries are durable. Its errors are, or wrap,
	// ErrUnavailable, ErrRejected or ErrOutcomeUnknown; after the first two nothing
	// was written. It is called by one goroutine at a time.
	Append(ctx context.Context, batch []*Entry) error
}

// Bounds of the recorder.
const (
	DefaultQueue = 8192             // entries that may wait
	maxBatch     = 1024             // entries in one transaction
	writeTimeout = 15 * time.Second // for one batch, asking for a lost commit included
)

// Recorder makes entries durable in groups: callers queue, one writer takes what is
// queued, writes it in one transaction, and wakes all. It writes at once when idle;
// there is no timer to wait for. It is safe for concurrent use.
type Recorder struct {
	store  Appender
	logger *slog.Logger
	limit  int

	mu      sync.Mutex
	queue   []*waiter
	stopped bool
	wake    chan struct{} // holds a token while the queue may have something
	done    chan struct{} // closed when the writer has ended
}

type waiter struct {
	entry Entry
	err   error
	ready chan struct{} // one send per use: waiters are pooled
}

var waiters = sync.Pool{New: func() any { return &waiter{ready: make(chan struct{}, 1)} }}

// NewRecorder starts a recorder that writes to store. queue is how many entries may
// wait; beyond it Record refuses. Stop ends it.
func NewRecorder(store Appender, queue int, logger *slog.Logger) *Recorder {
	r := &Recorder{
		store:  store,
		logger: logger,
		limit:  queue,
		wake:   make(chan struct{}, 1),
		done:   make(chan struct{}),
	}
	go r.run()
	return r
}

// Record makes e storable, writes it and returns it as written, when it is durable.
// It takes no context: who goes away still gets his row. It always returns, after
// some minutes at worst (a full queue before a database that hangs), with one of the errors above if the entry is not
// known to be in the log.
func (r *Recorder) Record(e Entry) (Entry, error) {
	w := waiters.Get().(*waiter)
	w.entry, w.err = Storable(e), nil
	if err := r.enqueue(w); err != nil {
		waiters.Put(w)
		return Entry{}, err
	}
	<-w.ready
	e, err := w.entry, w.err
	w.entry = Entry{}
	waiters.Put(w)
	return e, err
}

// Waiting says how many entries wait in line, those that are being written not among
// them, and how many may.
func (r *Recorder) Waiting() (n, limit int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue), r.limit
}

// Stop refuses new entries, writes what is queued and returns when the writer has
// ended. It may be called more than once.
func (r *Recorder) Stop() {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	r.signal()
	<-r.done
}

func (r *Recorder) enqueue(w *waiter) error {
	r.mu.Lock()
	switch {
	case r.stopped:
		r.mu.Unlock()
		return ErrStopped
	case len(r.queue) >= r.limit:
		r.mu.Unlock()
		return ErrQueueFull
	}
	r.queue = append(r.queue, w)
	r.mu.Unlock()
	r.signal()
	return nil
}

func (r *Recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Recorder) run() {
	defer close(r.done)
	var batch []*waiter
	var entries []*Entry
	for {
		var stopped bool
		batch, stopped = r.take(batch[:0])
		if len(batch) == 0 {
			if stopped {
				return
			}
			<-r.wake
			r.gather()
			continue
		}
		entries = entries[:0]
		for _, w := range batch {
			entries = append(entries, &w.entry)
		}
		r.write(batch, entries)
		clear(batch)
		clear(entries)
		r.gather()
	}
}

// gather yields for as long as the queue grows: the callers woken by the last batch
// come back together, and whoever is ready to queue should not miss this one. It waits
// for nobody.
func (r *Recorder) gather() {
	for n := -1; ; {
		r.mu.Lock()
		now := len(r.queue)
		r.mu.Unlock()
		if now <= n || now >= maxBatch {
			return
		}
		n = now
		runtime.Gosched()
	}
}

// take moves at most maxBatch waiters from the queue to batch.
func (r *Recorder) take(batch []*waiter) (_ []*waiter, stopped bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(r.queue), maxBatch)
	batch = append(batch, r.queue[:n]...)
	rest := copy(r.queue, r.queue[n:])
	clear(r.queue[rest:])
	r.queue = r.queue[:rest]
	return batch, r.stopped
}

// write appends the batch and releases its waiters on every path. A batch whose
// values the database refuses is halved until the one at fault stands alone, so that
// no request can fail another's row.
func (r *Recorder) write(batch []*waiter, entries []*Entry) {
	err := r.append(entries)
	if errors.Is(err, ErrRejected) && len(batch) > 1 {
		half := len(batch) / 2
		r.write(batch[:half], entries[:half])
		r.write(batch[half:], entries[half:])
		return
	}
	if err != nil {
		r.logger.Error("audit entries not recorded", "entries", len(batch), "error", err)
	}
	for _, w := range batch {
		w.err = err
		w.ready <- struct{}{}
	}
}

// append calls the store, bounded in time. A panic there must not strand the waiters.
func (r *Recorder) append(entries []*Entry) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			r.logger.Error("panic while recording", "panic", p)
			err = ErrOutcomeUnknown
		}
	}()
	return r.store.Append(ctx, entries)
}
