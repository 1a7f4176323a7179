package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// sessionSetup is what each connection is told at first. The keepalives let go of the head's
// lock soon if this machine vanishes while it holds it. What is not sorted unless it must be
// is read from the index that has it in order, whatever PostgreSQL knows of the values in
// the log: see rankKind.entries.
const sessionSetup = "SET synchronous_commit = on; SET search_path = public; SET idle_in_transaction_session_timeout = '60s'; " +
	"SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; " +
	"SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; " +
	"SET enable_sort = off; SET enable_incremental_sort = off"

// servingSetup is sessionSetup for those that serve. role, if any, is taken.
//
// A prepared statement is planned once: planning over all partitions takes longer than
// the statements themselves, and would be done five times before it is given up.
// Compiling one (JIT) takes longer than any: tables of one row without statistics are taken
// for large, and what is asked beside them for expensive.
//
// A table that was nearly empty when a statement was planned does not stay so, so that none is
// read from end to end.
func servingSetup(role string) string {
	setup := sessionSetup + "; SET statement_timeout = '20s'; " + // migrations may take their time
		"SET plan_cache_mode = force_generic_plan; SET jit = off; SET enable_seqscan = off"
	if role != "" {
		setup += "; SET ROLE " + pgx.Identifier{role}.Sanitize()
	}
	return setup
}

// newPool connects lazily. setup, if any, is run on each connection.
//
// Statements are sent unprepared unless they ask for it: bun writes values into the
// text, so that a statement cache would prepare every query anew.
func newPool(ctx context.Context, url string, conns int32, setup string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("not a valid postgres:// URL") // the parser's message may hold the password
	}
	cfg.MaxConns = conns
	cfg.MaxConnIdleTime = 5 * time.Minute
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	if setup != "" {
		cfg.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
			_, err := c.PgConn().Exec(ctx, setup).ReadAll()
			return err
		}
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
