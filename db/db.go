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
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

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
	URL    string // names the owner: migrations, partitions
	AppURL string // the login that serves requests; empty: URL, with appRole taken on each connection
	Logger *slog.Logger
}

// DB is the database. It is safe for concurrent use.
type DB struct {
	owner  *bun.DB // small pool: schema, partitions, roles
	app    *bun.DB // serves requests
	pool   *pgxpool.Pool
	opool  *pgxpool.Pool
	logger *slog.Logger

	limited bool                  // the serving role is not the owner
	reads   chan struct{}         // a slot for each reader of the log under way
	oldest  atomic.Pointer[place] // the first entry, as it was found last

	bounds readBounds
	writer writer
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
	pool, err := newPool(ctx, cfg.URL, ownerConns, "")
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	d := &DB{opool: pool, owner: newBun(pool), logger: cfg.Logger, bounds: defaultBounds}
	if err := d.checkServer(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Close returns when work under way has ended, and ends all connections.
func (d *DB) Close() {
	d.writer.release()
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
	if d.pool, err = newPool(ctx, url, appConns, role); err != nil {
		return fmt.Errorf("DATABASE_APP_URL: %w", err)
	}
	d.app = newBun(d.pool)
	d.reads = make(chan struct{}, maxReads)
	return d.app.NewSelect().ColumnExpr("pg_catalog.pg_get_userbyid(c.relowner) <> current_user").
		TableExpr("pg_catalog.pg_class AS c").Where("c.oid = 'public.audit_log'::regclass").Scan(ctx, &d.limited)
}

func (d *DB) checkServer(ctx context.Context) error {
	var version int
	var name string
	row := d.opool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_version')")
	if err := row.Scan(&version, &name); err != nil {
		return fmt.Errorf("DATABASE_URL: connect: %w", err)
	}
	if version < minVersion {
		return fmt.Errorf("DATABASE_URL: PostgreSQL 14 or newer is needed, this is %s", name)
	}
	return nil
}

// prepared asks with parameters, $1 and up, in the transaction that ctx carries if there
// is one, and scans the rows into dest as bun does. PostgreSQL plans the statement once
// per connection; bun's own are planned each time.
func (d *DB) prepared(ctx context.Context, dest any, query string, args ...any) error {
	ask := d.app.DB.QueryContext
	if tx, ok := ctx.Value(txKey{}).(bun.Tx); ok {
		ask = tx.Tx.QueryContext
	}
	rows, err := ask(ctx, query, append([]any{pgx.QueryExecModeCacheStatement}, args...)...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	if err := d.app.ScanRows(ctx, rows, dest); err != nil {
		return err
	}
	return rows.Err()
}

// newPool connects lazily. role, if any, is taken on each connection.
//
// Statements are sent unprepared unless they ask for it: bun writes values into the
// text, so that a statement cache would prepare every query anew.
func newPool(ctx context.Context, url string, conns int32, role string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("not a valid postgres:// URL") // the parser's message may hold the password
	}
	cfg.MaxConns = conns
	cfg.MaxConnIdleTime = 5 * time.Minute
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	// The keepalives let go of the head's lock soon if this machine vanishes while it holds it.
	setup := "SET synchronous_commit = on; SET search_path = public; SET idle_in_transaction_session_timeout = '60s'; " +
		"SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; " +
		"SET client_encoding = 'UTF8'; SET standard_conforming_strings = on"
	if conns > ownerConns { // serving; migrations may take their time
		// A prepared statement is planned once: planning over all partitions takes longer than
		// the statements themselves, and would be done five times before it is given up.
		setup += "; SET statement_timeout = '20s'; SET plan_cache_mode = force_generic_plan"
	}
	if role != "" {
		setup += "; SET ROLE " + pgx.Identifier{role}.Sanitize()
	}
	cfg.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.PgConn().Exec(ctx, setup).ReadAll()
		return err
	}
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "halite"
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return pool, nil
}

func newBun(pool *pgxpool.Pool) *bun.DB {
	b := bun.NewDB(stdlib.OpenDBFromPool(pool), pgdialect.New())
	b.RegisterModel((*userRoleRow)(nil)) // the roles of users go through it
	return b
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
