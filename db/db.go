// Package db is the log and everything beside it on PostgreSQL: one file per table.
// It is the only package with SQL outside migrations. bun is the way to the
// database; plain pgx serves the hot statements on the same pool: the append, the pages
// of the log, and the rank index behind them.
package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/uptrace/bun"

	"halite/internal/audit"
	"halite/migrations"
)

// appRole is the role that serves requests: it may insert into and select from the
// log, nothing else.
const appRole = "halite_app"

const (
	ownerConns  = 3
	appConns    = 24
	maxReads    = 8      // readers of the log at once: they must not take what sign-in and the writer need
	minVersion  = 140000 // server_version_num of PostgreSQL 14
	openTimeout = 60 * time.Second
)

// Config says how to reach the database.
type Config struct {
	URL       string // names the owner: migrations, partitions
	AppURL    string // the login that serves requests; empty: URL, with appRole taken on each connection
	Pooled    bool   // URL and AppURL lead through a pooler that changes connections between transactions
	DirectURL string // leads past the pooler, as the owner; empty: URL is used for all
	Logger    *slog.Logger
}

// DB is the database. It is safe for concurrent use.
type DB struct {
	owner  *bun.DB // small pool: schema, partitions, roles
	app    *bun.DB // serves requests
	pool   *pgxpool.Pool
	opool  *pgxpool.Pool
	logger *slog.Logger

	limited bool                   // the serving role is not the owner
	pooled  bool                   // requests are served through a pooler
	listens bool                   // the owner's connections are not: notifications can be had
	hot     pgx.QueryExecMode      // how statements with parameters are sent
	reads   chan struct{}          // a slot for each reader of the log under way
	oldest  atomic.Pointer[place]  // the first entry, as it was found last
	known   atomic.Pointer[months] // the partitions, as they were found last
	bounds  readBounds
	writer  writer
	news    news
	counts  counts

	retention lease // of whoever drops partitions
}

var _ audit.Appender = (*DB)(nil)

// Open connects, migrates, makes the partitions of this month and the next ones, and
// prepares the serving role. It fails fast, with a message that says what to do.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	d, err := OpenOwner(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := d.prepare(ctx, cfg); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// OpenOwner connects as the owner only and changes nothing: for Migrate and MigrateDown.
func OpenOwner(ctx context.Context, cfg Config) (*DB, error) {
	variable, url, setup := "DATABASE_URL", cfg.URL, sessionSetup
	if cfg.DirectURL != "" {
		variable, url = "DATABASE_DIRECT_URL", cfg.DirectURL
	} else if cfg.Pooled {
		setup = ""
	}
	pool, err := newPool(ctx, url, ownerConns, setup)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", variable, err)
	}
	d := &DB{opool: pool, owner: newBun(pool), logger: cfg.Logger, pooled: cfg.Pooled, listens: setup != "", hot: pgx.QueryExecModeCacheStatement}
	if cfg.Pooled {
		d.hot = pgx.QueryExecModeCacheDescribe // without a name: what is prepared would stay behind
	}
	d.bounds = defaultBounds
	if err := d.checkServer(ctx); err != nil {
		d.Close()
		return nil, fmt.Errorf("%s: %w", variable, err)
	}
	return d, nil
}

// Close returns when work under way has ended, and ends all connections.
func (d *DB) Close() {
	d.writer.release()
	d.announceLast()
	for _, b := range []*bun.DB{d.app, d.owner} {
		if b != nil {
			_ = b.Close()
		}
	}
	for _, p := range []*pgxpool.Pool{d.pool, d.opool} {
		if p != nil {
			p.Close()
		}
	}
}

// Migrate brings the schema up to date and makes partitions.
func (d *DB) Migrate(ctx context.Context) error {
	return migrations.Locked(ctx, d.owner.DB, func(ctx context.Context) error {
		if err := migrations.Up(ctx, d.owner.DB, d.logger); err != nil {
			return err
		}
		return d.EnsurePartitions(ctx, time.Time{})
	})
}

// MigrateDown takes the schema away. It is refused while the log has rows.
func (d *DB) MigrateDown(ctx context.Context) error {
	return migrations.Locked(ctx, d.owner.DB, func(ctx context.Context) error {
		return migrations.Down(ctx, d.owner.DB)
	})
}

func (d *DB) prepare(ctx context.Context, cfg Config) error {
	if err := d.Migrate(ctx); err != nil {
		return err
	}
	role, url, err := d.ensureServingRole(ctx, cfg)
	if err != nil {
		return err
	}
	setup := ""
	if !cfg.Pooled {
		setup = servingSetup(role)
	}
	if d.pool, err = newPool(ctx, url, appConns, setup); err != nil {
		return fmt.Errorf("DATABASE_APP_URL: %w", err)
	}
	d.app = newBun(d.pool)
	if cfg.Pooled {
		if err := d.checkPooled(ctx); err != nil {
			return err
		}
	}
	d.reads = make(chan struct{}, maxReads)
	d.retention = newRetentionLease(d)
	err = d.app.NewSelect().ColumnExpr("pg_catalog.pg_get_userbyid(c.relowner) <> current_user").
		TableExpr("pg_catalog.pg_class AS c").Where("c.oid = 'public.audit_log'::regclass").Scan(ctx, &d.limited)
	if err == nil && cfg.Pooled && !d.limited {
		d.logger.Warn("serving as the owner of the log: behind a pooler no role can be taken; set DATABASE_APP_URL")
	}
	return err
}

func (d *DB) checkServer(ctx context.Context) error {
	var version int
	var name string
	row := d.opool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_version')")
	if err := row.Scan(&version, &name); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if version < minVersion {
		return fmt.Errorf("PostgreSQL 14 or newer is needed, this is %s", name)
	}
	return nil
}

// row is a row of either driver.
type row interface {
	Scan(dest ...any) error
}

// each asks with parameters, $1 and up, in the transaction that ctx carries if there is one, and calls
// fn for each row. PostgreSQL plans the statement once per connection; bun's own are planned
// each time.
func (d *DB) each(ctx context.Context, fn func(row) error, query string, args ...any) error {
	args = append([]any{d.hot}, args...)
	var rows interface {
		row
		Next() bool
		Err() error
	}
	if tx, ok := ctx.Value(txKey{}).(bun.Tx); ok {
		r, err := tx.Tx.QueryContext(ctx, query, args...) //nolint:rowserrcheck // it is, below
		if err != nil {
			return err
		}
		defer func() { _ = r.Close() }()
		rows = r
	} else {
		r, err := d.pool.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		defer r.Close()
		rows = r
	}
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// sqlState is the SQLSTATE of a server's error, or empty.
func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// refused reports whether the server refused the values themselves: data exceptions,
// constraint violations, limits of the server. Everything else says that it cannot be
// written at all.
func refused(err error) bool {
	state := sqlState(err)
	return len(state) == 5 && slices.Contains([]string{"22", "23", "54"}, state[:2])
}
