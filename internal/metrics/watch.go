package metrics

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"halite/internal/audit"
	"halite/internal/guard"
	"halite/internal/retention"
	"halite/internal/tree"
)

// Store is the database, as far as it can say cheaply how it does. *db.DB is one.
type Store interface {
	// Appended is how many entries this server has made durable, by decision.
	Appended() (allowed, denied int64)
	// Standing reads how the log stands, by the ends of indexes alone.
	Standing(ctx context.Context) (Standing, error)
	// Pools are the pools of connections.
	Pools() []Pool
}

// Standing is how the log stands, and what follows it.
type Standing struct {
	LastID     int64
	Sealed     int64          // entries in the tree
	Signed     int64          // entries in the latest checkpoint; 0: there is none
	SignedAge  *time.Duration // of that; nil: there is none
	Mismatches int64          // open
	Intents    int64          // open
	RankLag    int64          // entries that the rank index does not have yet
}

// Pool is a pool of connections to the database.
type Pool struct {
	Name                string
	Acquired, Idle, Max int32
	Waits               int64 // for a connection, since the start
}

// Sources are whom a scrape asks.
type Sources struct {
	Store     Store
	Recorder  interface{ Waiting() (n, limit int) }
	Guard     interface{ Refused() guard.Refused }
	Head      interface{ Last() int64 }
	Live      interface{ Streams() (n, limit int) }
	Tree      interface{ Stats() tree.Stats }
	Retention interface {
		Storage(ctx context.Context) (retention.Storage, error)
	}
	Logger *slog.Logger
}

const (
	lookTimeout = 2 * time.Second // for the database, at a scrape
	standingFor = time.Second     // how long one look serves all who scrape
	storageFor  = time.Minute     // sizes are of files: more to look at, and slow to change
)

// Watch has scrapes ask s from now on. It is called once.
func (m *Metrics) Watch(s Sources) { m.registry.MustRegister(&watcher{Sources: s}) }

// watcher asks the sources at each scrape.
type watcher struct {
	Sources
	standing look[Standing]
	storage  look[retention.Storage]
}

// Describe implements prometheus.Collector.
func (w *watcher) Describe(out chan<- *prometheus.Desc) {
	for _, d := range described {
		out <- d
	}
}

// Collect implements prometheus.Collector. What the database cannot say in time is left
// out; the rest is said.
func (w *watcher) Collect(out chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}

	allowed, denied := w.Store.Appended()
	counter(entries, allowed, string(audit.Allow))
	counter(entries, denied, string(audit.Deny))
	refused := w.Guard.Refused()
	counter(unavailable, refused.QueueFull, "queue_full")
	counter(unavailable, refused.Stopped, "stopped")
	counter(unavailable, refused.Unavailable, "unavailable")
	counter(unavailable, refused.Rejected, "rejected")
	counter(unavailable, refused.OutcomeUnknown, "outcome_unknown")
	counter(unavailable, refused.Undecided, "undecided")
	waiting, limit := w.Recorder.Waiting()
	gauge(queue, float64(waiting))
	gauge(queueLimit, float64(limit))
	streams, limit := w.Live.Streams()
	gauge(liveStreams, float64(streams))
	gauge(liveLimit, float64(limit))
	for _, p := range w.Store.Pools() {
		gauge(connections, float64(p.Acquired), p.Name, "acquired")
		gauge(connections, float64(p.Idle), p.Name, "idle")
		gauge(connectionLimit, float64(p.Max), p.Name)
		counter(connectionWaits, p.Waits, p.Name)
	}
	gauge(lastID, float64(w.Head.Last()))
	stats := w.Tree.Stats()
	gauge(signer, number(stats.Signs))
	if stats.Walked > 0 {
		gauge(walked, float64(stats.Walked))
	}

	standing, err := w.standing.ask(standingFor, w.Store.Standing)
	found := int64(stats.Found)
	if err == nil && standing.Mismatches > 0 {
		found = standing.Mismatches // as /readyz: what was found counts where its row could not be written
	}
	gauge(mismatches, float64(found))
	gauge(up, number(err == nil))
	if err != nil {
		w.Logger.Debug("the database did not say how the log stands", "error", err)
		return
	}
	gauge(sealed, float64(standing.Sealed))
	gauge(signed, float64(standing.Signed))
	if standing.SignedAge != nil {
		gauge(signedAge, standing.SignedAge.Seconds())
	}
	gauge(intents, float64(standing.Intents))
	gauge(rankLag, float64(standing.RankLag))

	storage, err := w.storage.ask(storageFor, w.Retention.Storage)
	if err != nil {
		w.Logger.Debug("the size of the log is not known", "error", err)
		return
	}
	gauge(size, float64(storage.Bytes))
	if storage.OldestID > 0 {
		gauge(oldestAge, max(time.Since(storage.OldestAt).Seconds(), 0))
	}
	if storage.DiskBytes != nil && storage.DiskFree != nil && *storage.DiskBytes > 0 {
		gauge(diskFree, float64(*storage.DiskFree)/float64(*storage.DiskBytes))
	}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// look is the last answer to a question, which serves all who ask within a time. One asks
// at a time; the others wait for the answer.
type look[T any] struct {
	mu    sync.Mutex
	until time.Time
	value T
	err   error
}

func (l *look[T]) ask(keep time.Duration, question func(context.Context) (T, error)) (T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().Before(l.until) {
		return l.value, l.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	if l.value, l.err = question(ctx); l.err != nil {
		keep = min(keep, standingFor)
	}
	l.until = time.Now().Add(keep)
	return l.value, l.err
}
