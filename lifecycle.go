package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"

	"halite/internal/guard"
)

// lifecycle records when this server came and when it went, so that a stretch without
// rows can be told from a stretch without logging. A server that was killed leaves no
// server.stop: the next server.start of its host says so.
type lifecycle struct {
	guard    *guard.Guard
	logger   *slog.Logger
	instance uuid.UUID // another one at each start
	host     string
	began    time.Time
}

func newLifecycle(g *guard.Guard, logger *slog.Logger) *lifecycle {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &lifecycle{guard: g, logger: logger, instance: uuid.New(), host: host, began: time.Now()}
}

// caller is who asks for what the server does by itself.
func (l *lifecycle) caller(ctx context.Context) context.Context {
	return guard.WithCaller(ctx, &guard.Caller{Name: "system:" + l.host})
}

func (l *lifecycle) record(ctx context.Context, action string, args map[string]any) error {
	args["instance"] = l.instance.String()
	return l.guard.Do(l.caller(ctx), guard.Action{
		Name: action, Resource: "server:" + l.host, Args: args, Anonymous: true, Judge: guard.Allowed("the server itself"),
	}, func(context.Context) error { return nil })
}

// start records that the server begins to serve, with the settings that decide what the
// log holds. Without the row it must not.
func (l *lifecycle) start(ctx context.Context, c *common) error {
	return l.record(ctx, "server.start", map[string]any{
		"version": version(), "audit_reads": c.AuditAuditReads, "refusals_per_minute": c.RefusalsPerMinute,
		"retention_days": c.AuditRetentionDays, "archived": c.AuditArchiveDir != "",
	})
}

// stop records that the server has ended. It is called when nothing else of it writes
// rows any more.
func (l *lifecycle) stop() {
	err := l.record(context.Background(), "server.stop", map[string]any{"served_s": int(time.Since(l.began).Seconds())})
	if err != nil {
		l.logger.Error("the end of this server is not in the log", "error", err)
	}
}
