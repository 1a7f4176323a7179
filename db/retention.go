package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"halite/internal/audit"
	"halite/internal/retention"
)

var _ retention.Store = (*DB)(nil)

const (
	retentionTTL = time.Minute           // how long after a server's end another takes over
	dropWait     = 25 * time.Millisecond // for the log: everybody else waits as long
	dropPause    = 50 * time.Millisecond // after the first wait that was in vain
	maxDropPause = 2 * time.Second
	tidyWait     = 5 * time.Second // for a vacuum of the partition
)

// newRetentionLease is the lease of whoever drops partitions, not taken yet.
func newRetentionLease(d *DB) lease {
	return lease{db: d.app, task: "retention", holder: uuid.New(), ttl: retentionTTL}
}

// LeaseRetention implements retention.Store.
func (d *DB) LeaseRetention(ctx context.Context) (bool, error) { return d.retention.take(ctx) }

// ReleaseRetention implements retention.Store.
func (d *DB) ReleaseRetention(ctx context.Context) error { return d.retention.release(ctx) }

// OldestPartition implements retention.Store.
func (d *DB) OldestPartition(ctx context.Context, days int, now time.Time) (p retention.Partition, ok bool, err error) {
	var limit, clock time.Time
	err = d.opool.QueryRow(ctx, `SELECT least(clock_timestamp(), $1) - make_interval(days => $2), clock_timestamp()`, now, days).Scan(&limit, &clock)
	if err != nil {
		return p, false, fmt.Errorf("oldest partition: %w", err)
	}
	months, err := d.months(ctx)
	if err != nil {
		return p, false, fmt.Errorf("oldest partition: %w", err)
	}
	for _, m := range months {
		if m.AddDate(0, 1, 0).After(clock) {
			return p, false, nil
		}
		p = retention.Partition{Name: partitionName(m), Month: m}
		switch err := d.measure(ctx, &p, limit); {
		case errors.Is(err, pgx.ErrNoRows): // nothing was written in that month
		case err != nil:
			return p, false, fmt.Errorf("%s: %w", p.Name, err)
		default:
			return p, p.LastAt.Before(limit), nil
		}
	}
	return p, false, nil
}

// months are those that the log has a partition for, the oldest first.
func (d *DB) months(ctx context.Context) ([]time.Time, error) {
	names, err := partitionNames(ctx, d.opool)
	var months []time.Time
	for _, name := range names {
		if m, ok := monthNamed(name); ok {
			months = append(months, m)
		}
	}
	return months, err
}

// measure finds the ends of a partition, and if all of it is before limit counts what is
// between: that what is dropped is whole, and the oldest there is, is what makes the rest
// of the log a range of ids again. pgx.ErrNoRows: there is nothing in it.
func (d *DB) measure(ctx context.Context, p *retention.Partition, limit time.Time) error {
	table := pgx.Identifier{p.Name}.Sanitize()
	err := d.opool.QueryRow(ctx, `SELECT f.id, f.at, l.id, l.at FROM (SELECT id, at FROM `+table+` ORDER BY id LIMIT 1) AS f,
		(SELECT id, at FROM `+table+` ORDER BY id DESC LIMIT 1) AS l`).Scan(&p.FirstID, &p.FirstAt, &p.LastID, &p.LastAt)
	if err != nil {
		return err
	}
	p.FirstAt, p.LastAt = p.FirstAt.UTC(), p.LastAt.UTC()
	if !p.LastAt.Before(limit) {
		return nil
	}
	var rows, first, sealed, wrong int64
	err = d.opool.QueryRow(ctx, `SELECT (SELECT count(*) FROM `+table+`), (SELECT id FROM audit_log ORDER BY id LIMIT 1),
		(SELECT size FROM tree_head), (SELECT coalesce(min(id), 0) FROM tree_mismatch WHERE id <= $1)`, p.LastID).Scan(&rows, &first, &sealed, &wrong)
	switch {
	case err != nil:
		return err
	case first != p.FirstID:
		return fmt.Errorf("it begins with entry %d, the log with entry %d: nothing is dropped", p.FirstID, first)
	case rows != p.Rows():
		return fmt.Errorf("there are %d entries between %d and %d: nothing is dropped", rows, p.FirstID, p.LastID)
	case sealed < p.LastID:
		return fmt.Errorf("the log is sealed up to entry %d only: %w", sealed, retention.ErrUnsealed)
	case wrong != 0:
		return fmt.Errorf("entry %d is not as it was sealed: what shows it is not dropped", wrong)
	}
	return nil
}

// Retained implements tree.Config: the last id that was dropped, with all before it.
func (d *DB) Retained(ctx context.Context) (through int64, err error) {
	err = d.pool.QueryRow(ctx, "SELECT coalesce(max(last_id), 0) FROM audit_retention", d.hot).Scan(&through)
	if err != nil {
		return 0, fmt.Errorf("what was dropped: %w", err)
	}
	return through, nil
}

// drop is a transaction of the owner that has the log for itself.
type drop struct {
	db        *DB
	conn      *pgxpool.Conn
	tx        pgx.Tx
	partition retention.Partition
	archive   *retention.Archived
}

// BeginDrop implements retention.Store. Who waits for the log lets everybody else wait
// behind him, so he gives up soon and tries again later.
func (d *DB) BeginDrop(ctx context.Context, p retention.Partition, archive *retention.Archived) (retention.Drop, error) {
	if err := d.EnsurePartitions(ctx, time.Time{}); err != nil { // it could not be made for the row later on
		return nil, err
	}
	for pause := dropPause; ; pause = min(2*pause, maxDropPause) {
		x := &drop{db: d, partition: p, archive: archive}
		err := x.begin(ctx)
		if err == nil {
			return x, nil
		}
		x.Close()
		switch s := sqlState(err); {
		case s == undefinedTable:
			return nil, retention.ErrDropped
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%w: %w", retention.ErrBusy, ctx.Err())
		case s != lockNotAvailable:
			return nil, fmt.Errorf("drop %s: %w", p.Name, err)
		}
		if !rest(ctx, pause) {
			return nil, fmt.Errorf("%w: %w", retention.ErrBusy, err)
		}
	}
}

const undefinedTable = "42P01"

// begin takes the locks in the order of everybody who appends: the log's, then the
// head's, which the append takes. The partition's comes first, in a mode that keeps out
// nobody but a vacuum: that one would hold up the drop when all others wait already.
func (x *drop) begin(ctx context.Context) (err error) {
	if x.conn, err = x.db.opool.Acquire(ctx); err != nil {
		return err
	}
	if x.tx, err = x.conn.Begin(ctx); err != nil {
		return err
	}
	for _, sql := range []string{
		fmt.Sprintf("SET LOCAL lock_timeout = %d", tidyWait.Milliseconds()),
		"LOCK TABLE ONLY " + pgx.Identifier{x.partition.Name}.Sanitize() + " IN SHARE UPDATE EXCLUSIVE MODE",
		fmt.Sprintf("SET LOCAL lock_timeout = %d", dropWait.Milliseconds()),
		"LOCK TABLE ONLY audit_log IN ACCESS EXCLUSIVE MODE",
		"LOCK TABLE ONLY " + pgx.Identifier{x.partition.Name}.Sanitize() + " IN ACCESS EXCLUSIVE MODE", // for who reads it by its name
	} {
		if _, err := x.tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// Run implements retention.Drop.
func (x *drop) Run(ctx context.Context) error {
	_, err := x.tx.Exec(ctx, "DROP TABLE "+pgx.Identifier{x.partition.Name}.Sanitize())
	return err
}

// Change implements guard.Changer: what it runs, the row, and the record of what was
// dropped, in one transaction.
func (x *drop) Change(ctx context.Context, change func(context.Context) error, row func(error) audit.Entry) (audit.Entry, error) {
	e, a, err := x.change(ctx, change, row)
	if err != nil {
		return audit.Entry{}, fmt.Errorf("%w: %w", audit.ErrUnavailable, err)
	}
	if err := x.tx.Commit(ctx); err != nil {
		if err := x.db.outcome(ctx, a, fmt.Errorf("%w: %w", audit.ErrUnavailable, err)); err != nil {
			return audit.Entry{}, err
		}
	}
	x.db.counts.add(&e)
	return e, nil
}

func (x *drop) change(ctx context.Context, change func(context.Context) error, row func(error) audit.Entry) (e audit.Entry, a appended, err error) {
	cerr := pgx.BeginFunc(ctx, x.tx, func(pgx.Tx) error { return change(ctx) }) // a savepoint
	e = audit.Storable(row(cerr))
	if a, err = x.db.appendEntries(ctx, x.tx.Conn(), []*audit.Entry{&e}); err != nil || cerr != nil {
		return e, a, err
	}
	var file, sum any
	if x.archive != nil {
		file, sum = x.archive.File, x.archive.SHA256[:]
	}
	p := x.partition
	_, err = x.tx.Exec(ctx, `INSERT INTO audit_retention (partition, first_id, last_id, first_at, last_at, archive, archive_sha256, entry_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, p.Name, p.FirstID, p.LastID, p.FirstAt, p.LastAt, file, sum, e.ID)
	return e, a, err
}

// Close implements retention.Drop.
func (x *drop) Close() {
	if x.conn == nil {
		return
	}
	if x.tx != nil {
		ctx, cancel := context.WithTimeout(context.Background(), tidyWait)
		defer cancel()
		_ = x.tx.Rollback(ctx) // nothing, after the commit
	}
	x.conn.Release()
	x.conn = nil
}
