// Package migrations holds the numbered SQL files that make the schema, embedded,
// and runs them.
//
// Each file runs in a transaction of its own together with the row that says it was
// applied, one statement at a time. A SHA-256 of every applied file is kept beside
// its number: a file that changed after it was applied, or an applied number that
// this program does not know, stops the start.
package migrations

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

//go:embed *.sql
var files embed.FS

// lockKey is the advisory lock that one starting server holds.
const lockKey = 0x68616c697465 // "halite"

const table = "halite_migrations"

// ErrLogNotEmpty is returned by Down while the log has rows.
var ErrLogNotEmpty = errors.New("the audit log has rows: migrating down would destroy them, so it is refused")

// Locked runs fn while holding the lock that serialises everything that changes the
// schema, over all servers on the database. It waits for as long as ctx allows.
//
// The lock is that of a transaction beside those of fn, which ends with it: a crash
// releases it, and so it is through a pooler, where a session's lock would stay with a
// connection that others use. Between its statements it keeps nothing from being cleaned up.
func Locked(ctx context.Context, db *sql.DB, fn func(context.Context) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("connect for migrations: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // if this fails the connection is broken, and the lock with it
	for _, stmt := range []string{
		"SET LOCAL idle_in_transaction_session_timeout = 0", "SET LOCAL statement_timeout = 0",
		fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", int64(lockKey)),
	} {
		if _, err := tx.ExecContext(ctx, stmt); err != nil {
			return fmt.Errorf("take the migration lock: %w", err)
		}
	}
	return fn(ctx)
}

// Up applies what is missing, in order. The caller holds Locked.
func Up(ctx context.Context, db *sql.DB, logger *slog.Logger) error {
	p, st, err := provider(db)
	if err != nil {
		return err
	}
	if err := st.check(ctx, db, p); err != nil {
		return err
	}
	results, err := p.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate up: %w", err)
	}
	for _, r := range results {
		logger.Info("migration applied", "file", r.Source.Path, "took", r.Duration)
	}
	return nil
}

// Down takes every migration back, newest first. It is refused with ErrLogNotEmpty
// while the log has rows, and where Up is. The caller holds Locked.
func Down(ctx context.Context, db *sql.DB) error {
	p, st, err := provider(db)
	if err != nil {
		return err
	}
	if err := st.check(ctx, db, p); err != nil {
		return err
	}
	var exists, rows bool
	if err := db.QueryRowContext(ctx, "SELECT to_regclass('public.audit_log') IS NOT NULL").Scan(&exists); err != nil {
		return fmt.Errorf("look for the log: %w", err)
	}
	if exists {
		if err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM audit_log)").Scan(&rows); err != nil {
			return fmt.Errorf("look into the log: %w", err)
		}
	}
	if rows {
		return ErrLogNotEmpty
	}
	if _, err := p.DownTo(ctx, 0); err != nil {
		return fmt.Errorf("migrate down: %w", err)
	}
	return nil
}

// Sum is a digest of all migration files: two programs with the same Sum make the
// same schema.
func Sum() string {
	h := sha256.New()
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // embedded: cannot fail
	}
	for _, e := range entries {
		b, err := files.ReadFile(e.Name())
		if err != nil {
			panic(err)
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func provider(db *sql.DB) (*goose.Provider, *store, error) {
	base, err := database.NewStore(goose.DialectPostgres, table)
	if err != nil {
		return nil, nil, fmt.Errorf("migrations: %w", err)
	}
	st := &store{Store: base, sums: map[int64]string{}}
	p, err := goose.NewProvider("", db, files, goose.WithStore(st), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, nil, fmt.Errorf("migrations: %w", err)
	}
	for _, src := range p.ListSources() {
		b, err := files.ReadFile(src.Path)
		if err != nil {
			return nil, nil, fmt.Errorf("migrations: %w", err)
		}
		sum := sha256.Sum256(b)
		st.sums[src.Version] = hex.EncodeToString(sum[:])
	}
	return p, st, nil
}

// store is goose's version table with a checksum beside each version, written in the
// same transaction.
type store struct {
	database.Store
	sums map[int64]string
}

func (s *store) CreateVersionTable(ctx context.Context, db database.DBTxConn) error {
	if err := s.Store.CreateVersionTable(ctx, db); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, "ALTER TABLE "+table+" ADD COLUMN sha256 text")
	return err
}

func (s *store) Insert(ctx context.Context, db database.DBTxConn, req database.InsertRequest) error {
	if err := s.Store.Insert(ctx, db, req); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, "UPDATE "+table+" SET sha256 = $1 WHERE version_id = $2", s.sums[req.Version], req.Version)
	return err
}

// check compares what was applied with what this program holds.
func (s *store) check(ctx context.Context, db *sql.DB, p *goose.Provider) error {
	if _, err := p.GetDBVersion(ctx); err != nil { // makes the table if it is not there
		return fmt.Errorf("read the schema version: %w", err)
	}
	rows, err := db.QueryContext(ctx, "SELECT version_id, coalesce(sha256, '') FROM "+table+" WHERE version_id > 0 ORDER BY version_id")
	if err != nil {
		return fmt.Errorf("read the applied migrations: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var version int64
		var sum string
		if err := rows.Scan(&version, &sum); err != nil {
			return fmt.Errorf("read the applied migrations: %w", err)
		}
		switch want, known := s.sums[version]; {
		case !known:
			return fmt.Errorf("the database holds migration %d, which this program does not know: it was made by a newer version", version)
		case sum != want:
			return fmt.Errorf("migration %d was changed after it was applied (checksum %.12s, file %.12s)", version, sum, want)
		}
	}
	return rows.Err()
}
