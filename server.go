// Halite records every decision of a control plane and serves the log through
// GraphQL, REST and in the browser.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/note"

	"halite/db"
	"halite/graph"
	"halite/internal/audit"
	"halite/internal/auth"
	"halite/internal/cursor"
	"halite/internal/directory"
	"halite/internal/dispatch"
	"halite/internal/every"
	"halite/internal/guard"
	"halite/internal/httpapi"
	"halite/internal/live"
	"halite/internal/merkle"
	"halite/internal/metrics"
	"halite/internal/retention"
	"halite/internal/seal"
	"halite/internal/settings"
	"halite/internal/tree"
	"halite/web"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// How long the parts of a shutdown may take.
const (
	requestsTimeout   = 20 * time.Second
	partitionInterval = time.Hour
)

// core is what every verb that touches the log needs: the database, the recorder, the
// gate, and what stands behind it.
type core struct {
	store     *db.DB
	recorder  *audit.Recorder
	guard     *guard.Guard
	auth      *auth.Service
	directory *directory.Service
	console   *directory.Console
	settings  *settings.Service
	dispatch  *dispatch.Service
	cursors   *cursor.Signer
	signing   []*merkle.Key     // of checkpoints, the log's own first
	accepted  []note.Verifier   // whose signatures count beside
	tree      *tree.Keeper      // nil: another process looks after it
	retention *retention.Keeper // of servers
	metrics   *metrics.Metrics
	last      func() // called when nothing but the recorder is left; nil: nothing to do
}

// openCore opens the database and starts what stands on it. close ends all of it in
// order: the gate writes its counts, the recorder drains, the database closes.
func openCore(ctx context.Context, c *common, logger *slog.Logger, where place) (_ *core, close func(), err error) {
	hasher, err := auth.NewHasher()
	if err != nil {
		return nil, nil, err
	}
	store, err := db.Open(ctx, c.database(where, logger))
	if err != nil {
		return nil, nil, err
	}
	previous := []byte(c.CookieSecretPrevious)
	sealer, err := seal.New("settings/salt/password", where.cookieSecret, previous)
	if err != nil {
		store.Close()
		return nil, nil, err
	}
	cursors, err := cursor.New("audit/cursor", where.cookieSecret, previous)
	if err != nil {
		store.Close()
		return nil, nil, err
	}
	k := &core{store: store, cursors: cursors, metrics: metrics.New(version())}
	if k.signing, k.accepted, err = c.checkpointKeys(where.signKey); err != nil {
		store.Close()
		return nil, nil, err
	}
	k.recorder = audit.NewRecorder(k.metrics.Appender(store), audit.DefaultQueue, logger)
	k.settings = settings.NewService(store, sealer, logger)
	k.dispatch = dispatch.NewService(k.settings, store)
	k.guard = guard.New(guard.Config{
		Recorder: k.recorder, Changer: store, Intents: store, Settler: k.dispatch.Settle, Logger: logger,
		AuditReads: c.AuditAuditReads, Refusals: c.RefusalsPerMinute,
	})
	cookies := auth.Cookies{
		Name: c.CookieName, Secure: c.cookieSecure(), Secret: where.cookieSecret, Previous: previous,
		TTL: time.Duration(c.SessionTTLMinutes) * time.Minute,
	}
	k.auth = auth.NewService(store, k.guard, hasher, cookies, logger)
	k.directory = directory.NewService(store, hasher)
	k.console = directory.NewConsole(k.directory, k.guard)
	return k, func() {
		k.auth.Stop()
		k.guard.Stop()
		if k.last != nil {
			k.last()
		}
		k.settings.Close()
		k.recorder.Stop()
		if k.tree != nil {
			k.tree.Stop() // seals the last rows and signs
		}
		store.Close()
	}, nil
}

// serve runs the server until ctx ends, then shuts down in order: no new requests,
// the recorder drained, the database closed, PostgreSQL stopped.
func serve(ctx context.Context, c *common, io streams) error {
	logger := c.logger(io.err)
	// The port first: a second server on the machine is told so before anything else.
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(c.ListenHost, strconv.Itoa(c.ListenPort)))
	if err != nil {
		return fmt.Errorf("LISTEN_HOST, LISTEN_PORT: %w", err)
	}
	defer func() { _ = listener.Close() }()
	scraped, err := listenMetrics(ctx, c)
	if err != nil {
		return err
	}
	if scraped != nil {
		defer func() { _ = scraped.Close() }()
	}
	if c.AuditArchiveDir != "" { // found out now, not when a month is to be archived
		if err := retention.CheckDir(c.AuditArchiveDir); err != nil {
			return fmt.Errorf("AUDIT_ARCHIVE_DIR must be a folder that can be written to: %w", err)
		}
	}
	where, closePlace, err := c.open(ctx, logger)
	if err != nil {
		return err
	}
	defer closePlace()
	k, closeCore, err := openCore(ctx, c, logger, where)
	if err != nil {
		return err
	}
	defer closeCore()
	if err := k.store.CheckImport(ctx); err != nil {
		return err
	}
	hello := greeting{common: c, where: where, out: io.out}
	for _, key := range k.signing {
		hello.verifiers = append(hello.verifiers, key.VerifierText())
	}
	if err := k.console.Bootstrap(ctx, c.BootstrapAdminUsername, c.BootstrapAdminPassword, hello.tell); err != nil {
		return fmt.Errorf("first start: %w", err)
	}
	if err := k.settings.Renew(ctx); err != nil {
		return err
	}
	k.tree = tree.New(tree.Config{Store: k.store, Gate: k.guard, Logger: logger, Keys: k.signing, Accepted: k.accepted, Retained: k.store.Retained})
	k.tree.Start(ctx)
	life := newLifecycle(k.guard, logger)
	k.retention = newRetention(c, k, where, life, logger)
	head := k.store.WatchHead()
	defer head.Stop()
	handler, sockets, err := newHandler(c, k, head, logger)
	if err != nil {
		return err
	}
	if scraped != nil {
		hello.metrics = scraped.Addr()
		defer metrics.Serve(scraped, k.metrics.Handler(logger), logger).Stop()
	}
	if err := life.start(ctx, c); err != nil {
		return fmt.Errorf("record the start: %w", err)
	}
	k.last = life.stop
	health := k.store.CheckHealth(ctx)
	logger.Debug("self-check", "health", health.String())
	if err := hello.print(listener.Addr(), health); err != nil {
		return err
	}
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	srv.RegisterOnShutdown(func() {
		k.guard.EndStreams() // first, so that each has this as the reason of its end
		sockets.Close()
	})
	defer sockets.Stop() // the server knows no more of them
	stopped := make(chan error, 1)
	go func() { stopped <- srv.Serve(listener) }()
	partitions := every.Start(partitionInterval, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if err := k.store.EnsurePartitions(ctx, time.Time{}); err != nil {
			logger.Error("partitions not made ahead", "error", err)
		}
	})
	defer partitions.Stop()
	defer k.store.KeepRank()()
	k.retention.Start()
	defer k.retention.Stop()

	select {
	case <-ctx.Done():
		logger.Info("shutting down")
	case err := <-stopped:
		return err
	case <-where.lost:
		err = errors.New("the embedded PostgreSQL has ended by itself; its log is in the data folder")
	}
	shutdown, cancel := context.WithTimeout(context.Background(), requestsTimeout)
	defer cancel()
	if serr := srv.Shutdown(shutdown); serr != nil {
		err = errors.Join(err, serr, srv.Close()) // ends what is still under way
	}
	return err
}

// listenMetrics takes the address of the metrics, nil if they are not to be served.
func listenMetrics(ctx context.Context, c *common) (net.Listener, error) {
	if c.MetricsAddress == "" {
		return nil, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", c.MetricsAddress)
	if err != nil {
		return nil, fmt.Errorf("METRICS_ADDRESS: %w", err)
	}
	return l, nil
}

// newRetention prepares what drops old entries.
func newRetention(c *common, k *core, where place, life *lifecycle, logger *slog.Logger) *retention.Keeper {
	var disk retention.Disk = retention.UnknownDisk
	switch {
	case c.AuditDiskBytes > 0:
		disk = retention.LimitedDisk(c.AuditDiskBytes, k.store)
	case where.dataDir != "":
		disk = retention.FolderDisk(where.dataDir)
	}
	return retention.New(retention.Config{
		Store: k.store, Guard: k.guard, Days: c.AuditRetentionDays, Dir: c.AuditArchiveDir, Disk: disk, As: life.caller, Logger: logger,
	})
}

func newHandler(c *common, k *core, head *db.Head, logger *slog.Logger) (http.Handler, *graph.Handler, error) {
	feed := live.New(live.Config{Log: k.store, Head: head})
	k.metrics.Watch(metrics.Sources{
		Store: k.store, Recorder: k.recorder, Guard: k.guard, Head: head, Live: feed, Tree: k.tree, Retention: k.retention, Logger: logger,
	})
	gql, err := graph.NewHandler(&graph.Resolver{
		Log: k.store, Live: feed, Intents: k.store, Guard: k.guard, Auth: k.auth, Directory: k.directory, Settings: k.settings, Dispatch: k.dispatch,
		Cursors: k.cursors, Retention: k.retention, Proofs: k.store,
	}, logger)
	if err != nil {
		return nil, nil, err
	}
	h, err := httpapi.New(httpapi.Config{
		Log: k.store, Tree: k.store, Live: feed, PublicTree: c.PublicTree, Guard: k.guard, Auth: k.auth, GraphQL: gql, Pages: web.Handler(), Logger: logger,
		Health:         func(ctx context.Context) []httpapi.Check { return k.checks(ctx, logger) },
		Answered:       func(a httpapi.Answered) { k.metrics.Request(a.Route, a.Status, a.Took, a.Lasts) },
		TrustedProxies: c.TrustedProxies.prefixes, AllowedOrigins: c.AllowedOrigins,
	})
	return h, gql, err
}

// checks words the health of the server for /readyz, which is open to everybody: what
// went wrong in detail is for the server's log.
func (k *core) checks(ctx context.Context, logger *slog.Logger) []httpapi.Check {
	h := k.store.CheckHealth(ctx)
	if h.Writable != nil {
		logger.Error("no row can be written", "error", h.Writable)
		return []httpapi.Check{{Name: "db", Result: "error: no row can be written", Fatal: true}}
	}
	clock := "ok"
	if h.ClockLag > 0 {
		clock = "behind the last row by " + h.ClockLag.Round(time.Millisecond).String()
	}
	sealed := k.tree.Status(ctx)
	salt, bad := k.settings.Check(ctx)
	checks := []httpapi.Check{
		{Name: "db", Result: "ok"},
		{Name: "append_only", Result: h.AppendOnly, Bad: h.AppendOnly != "ok" && h.AppendOnly != "trigger only"},
		{Name: "durable", Result: h.Durable, Bad: h.Durable != "ok"},
		{Name: "clock", Result: clock},
		{Name: "tree", Result: sealed.Tree, Bad: sealed.TreeBad},
		{Name: "checkpoint", Result: sealed.Checkpoint, Bad: sealed.CheckpointBad},
		{Name: "salt", Result: salt, Bad: bad},
	}
	if disk, bad := k.retention.CheckDisk(ctx); disk != "" {
		checks = append(checks, httpapi.Check{Name: "disk", Result: disk, Bad: bad})
	}
	return checks
}
