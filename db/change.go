package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"

	"halite/internal/audit"
)

type txKey struct{}

// errNoEntry, wrapped by what a change returns, takes the whole transaction back: there
// is nothing to be recorded.
var errNoEntry = errors.New("no entry")

// conn is the transaction that ctx carries, else the pool.
func (d *DB) conn(ctx context.Context) bun.IDB {
	if tx, ok := ctx.Value(txKey{}).(bun.IDB); ok {
		return tx
	}
	return d.app
}

// Change runs change and appends the entry that row makes of its outcome, in one
// transaction: both are there afterwards, or neither. The context that change gets
// carries the transaction, and every method of DB called with it takes part. An error
// of change takes back what it did (a savepoint), not the entry.
//
// Change returns the entry as written. Its error is about recording alone and is one
// of package audit's; after ErrUnavailable and ErrRejected neither the change nor the
// entry is there.
func (d *DB) Change(ctx context.Context, change func(context.Context) error, row func(error) audit.Entry) (audit.Entry, error) {
	e, a, tx, err := d.runChange(ctx, change, row)
	if tx != nil {
		defer func() { _ = tx.conn.Close() }()
	}
	if err != nil {
		if tx != nil {
			_ = tx.Rollback()
		}
		if errors.Is(err, audit.ErrIntentClosed) {
			return audit.Entry{}, err
		}
		return audit.Entry{}, fmt.Errorf("%w: %w", audit.ErrUnavailable, err)
	}
	if err := tx.Commit(); err != nil {
		_ = tx.conn.Close() // the question needs a connection too
		if err := d.outcome(ctx, a, fmt.Errorf("%w: %w", audit.ErrUnavailable, err)); err != nil {
			return audit.Entry{}, err
		}
	}
	d.counts.add(&e)
	d.announce(e.ID)
	return e, nil
}

// ownTx is a transaction together with the connection it runs on.
type ownTx struct {
	bun.Tx
	conn bun.Conn
}

func (d *DB) runChange(ctx context.Context, change func(context.Context) error, row func(error) audit.Entry) (audit.Entry, appended, *ownTx, error) {
	conn, err := d.app.Conn(ctx)
	if err != nil {
		return audit.Entry{}, appended{}, nil, err
	}
	tx := &ownTx{conn: conn}
	if tx.Tx, err = conn.BeginTx(ctx, nil); err != nil {
		_ = conn.Close()
		return audit.Entry{}, appended{}, nil, err
	}
	cerr := savepoint(ctx, tx.Tx, func(sp bun.Tx) error {
		return change(context.WithValue(ctx, txKey{}, bun.IDB(sp)))
	})
	if errors.Is(cerr, errNoEntry) {
		return audit.Entry{}, appended{}, tx, cerr
	}
	e := audit.Storable(row(cerr))
	var a appended
	add := func(bun.Tx) error {
		return conn.Raw(func(dc any) (err error) {
			a, err = d.appendEntries(ctx, dc.(*stdlib.Conn).Conn(), []*audit.Entry{&e})
			return err
		})
	}
	err = savepoint(ctx, tx.Tx, add)
	if partitionMissing(err) {
		if err = d.EnsurePartitions(ctx, time.Time{}); err == nil {
			err = savepoint(ctx, tx.Tx, add)
		}
	}
	return e, a, tx, err
}

// savepoint runs fn; an error of it takes back what it did and leaves tx usable.
func savepoint(ctx context.Context, tx bun.Tx, fn func(bun.Tx) error) error {
	sp, err := tx.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(sp); err != nil {
		if rerr := sp.Rollback(); rerr != nil {
			return fmt.Errorf("%w (and the rollback failed: %w)", err, rerr)
		}
		return err
	}
	return sp.Commit()
}

// partitionMissing reports whether err says that no partition takes the row.
func partitionMissing(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23514" && e.ConstraintName == ""
}
