// Package metrics says in numbers how the server does, for Prometheus: what it counts
// itself, and what the others know when they are asked.
//
// What is counted at a request or a batch costs some hundred nanoseconds; the rest is
// asked for when somebody scrapes. Every value of a label comes from a fixed set: a user,
// a path or the name of an action is never one.
package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"halite/internal/audit"
)

// Metrics is all that is told. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	batch    prometheus.Histogram
	commit   prometheus.Histogram
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// New returns metrics of the Go runtime, of the process and of what is counted here.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "halite_recorder_batch_entries", Help: "Entries that the recorder wrote in one transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11), // to 1024, the most there can be
		}),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "halite_recorder_commit_duration_seconds", Help: "How long the recorder took to make a batch durable.",
			Buckets: []float64{.0005, .001, .002, .004, .008, .016, .032, .064, .125, .25, .5, 1, 2, 4, 8, 16},
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "halite_http_requests_total", Help: "Requests that were answered, by route and class of the status.",
		}, []string{"route", "class"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "halite_http_request_duration_seconds", Help: "How long answers took, by route. Event streams and WebSockets are not among them.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "halite_build_info", Help: "1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.batch, m.commit, m.requests, m.duration, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Appender measures what next writes.
func (m *Metrics) Appender(next audit.Appender) audit.Appender { return appender{m, next} }

type appender struct {
	*Metrics
	next audit.Appender
}

// Append implements audit.Appender.
func (a appender) Append(ctx context.Context, batch []*audit.Entry) error {
	start := time.Now()
	err := a.next.Append(ctx, batch)
	if err == nil {
		a.batch.Observe(float64(len(batch)))
		a.commit.Observe(time.Since(start).Seconds())
	}
	return err
}

// Request counts a request that was answered. route comes from a fixed set. One that
// lasts, as a stream does, is not timed.
func (m *Metrics) Request(route string, status int, took time.Duration, lasts bool) {
	m.requests.WithLabelValues(route, class(status)).Inc()
	if !lasts {
		m.duration.WithLabelValues(route).Observe(took.Seconds())
	}
}

func class(status int) string {
	if status < 100 || status > 599 {
		return "other"
	}
	return fmt.Sprintf("%dxx", status/100)
}

const (
	maxScrapes    = 4                // at once; more are told to come back
	scrapeTimeout = 10 * time.Second // Prometheus gives up by then
)

// Handler answers GET /metrics. What cannot be known now is left out of the answer.
func (m *Metrics) Handler(logger *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes, Timeout: scrapeTimeout,
	}))
	return mux
}
