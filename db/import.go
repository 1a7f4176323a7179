package db

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/uptrace/bun"

	"halite/internal/intake"
)

// What keeps a log from being imported into.
var (
	ErrLogNotEmpty    = errors.New("the log has rows already, and what is older cannot be put before them: import into an empty database, before the first start of the server (another DATABASE_URL or HALITE_DATA_DIR)")
	ErrImportFinished = errors.New("the log has its import already; one more cannot be put behind it: import into an empty database")
	ErrImportRunning  = errors.New("another import into this database is running")
	ErrOtherSource    = errors.New("the import that was begun came from a source that held something else: go on with that one, as it was then and with the same rows rejected, or import into an empty database")
	ErrOvertaken      = errors.New("a row that is not of the import was written meanwhile, so that older ones cannot follow it")
)

// ErrImportUnfinished says that a log must not be written to yet.
var ErrImportUnfinished = errors.New("the log holds an import that is not finished: run the same `halite import` again, it goes on where it ended")

type importRow struct {
	bun.BaseModel `bun:"table:audit_import"`

	Source     string    `bun:"source"`
	Digest     []byte    `bun:"digest"`
	Imported   int64     `bun:"imported"`
	FinishedAt time.Time `bun:"finished_at,nullzero"`
}

// Import is an import into the log that is under way. It is for one goroutine.
type Import struct {
	db     *DB
	conn   *pgxpool.Conn
	lock   pgx.Tx // on another connection: holds the lock that keeps other imports out
	row    importRow
	begun  bool // the row is in the database
	now    time.Time
	months map[time.Time]bool // whose partitions are there

	next    int64 // the source's id that would go on the last run of them
	anyNext bool  // there is a run
}

var _ intake.Log = (*Import)(nil)

// BeginImport prepares an import into the log, or the rest of one that was begun. It
// needs the owner and a schema that is up to date. Errors are ErrLogNotEmpty,
// ErrImportFinished, ErrImportRunning and ErrOvertaken, the latter beside an Import of
// which Imported is left to ask for. Close follows unless the Import is nil.
func (d *DB) BeginImport(ctx context.Context) (*Import, error) {
	conn, err := d.opool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	i := &Import{db: d, conn: conn, months: map[time.Time]bool{}}
	switch err := i.begin(ctx); {
	case errors.Is(err, ErrOvertaken):
		return i, err
	case err != nil:
		i.Close()
		return nil, fmt.Errorf("import: %w", err)
	}
	return i, nil
}

func (i *Import) begin(ctx context.Context) error {
	var locked bool
	var err error
	if i.lock, err = i.db.opool.Begin(ctx); err != nil {
		return err
	}
	if _, err := i.lock.Exec(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		return err
	}
	if err := i.lock.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock(hashtext('halite import'))").Scan(&locked); err != nil {
		return err
	}
	if !locked {
		return ErrImportRunning
	}
	var head int64
	if err := i.conn.QueryRow(ctx, "SELECT last_id, clock_timestamp() FROM audit_head").Scan(&head, &i.now); err != nil {
		return err
	}
	switch err := i.db.owner.NewSelect().Model(&i.row).Scan(ctx); {
	case errors.Is(err, sql.ErrNoRows) && head > 0:
		return ErrLogNotEmpty
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	case !i.row.FinishedAt.IsZero():
		return ErrImportFinished
	case head != i.row.Imported:
		return ErrOvertaken
	}
	i.begun = true
	return i.conn.QueryRow(ctx, `SELECT count(*) > 0, coalesce(max(source_id + $1 + 1 - id), 0)
		FROM (SELECT id, source_id FROM audit_imported ORDER BY id DESC LIMIT 1) AS last`, i.row.Imported).Scan(&i.anyNext, &i.next)
}

// Now is the time by the database's clock at the begin.
func (i *Import) Now() time.Time { return i.now }

// Imported is how many entries are there, with the ids 1 and up.
func (i *Import) Imported() int64 { return i.row.Imported }

// Source is what From said, at the begin what it said when the import was begun.
func (i *Import) Source() string { return i.row.Source }

// From names the source, before the first Append. digest is the same for a source that
// holds the same; if the import was begun with another, the error is ErrOtherSource.
func (i *Import) From(source string, digest []byte) error {
	if i.begun && !bytes.Equal(digest, i.row.Digest) {
		return ErrOtherSource
	}
	i.row.Source, i.row.Digest = source, digest
	return nil
}

// Append commits entries behind those that are there, with the partitions that they
// need. The head is moved first: its lock keeps everybody else out, and that it stood
// where it was left says that nobody wrote in between; if somebody did, the error is
// ErrOvertaken. Entries must not be empty, and are in the order of their times.
func (i *Import) Append(ctx context.Context, entries []intake.Entry) error {
	for n := range entries {
		if m := monthOf(entries[n].At); !i.months[m] {
			if err := i.db.ensurePartition(ctx, m); err != nil {
				return fmt.Errorf("import: make partition %s: %w", partitionName(m), err)
			}
			i.months[m] = true
		}
	}
	n, last := int64(len(entries)), entries[len(entries)-1].At
	next, anyNext := i.next, i.anyNext
	err := pgx.BeginFunc(ctx, i.conn, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "UPDATE audit_head SET last_id = last_id + $1, last_at = $2 WHERE last_id = $3", n, last, i.row.Imported)
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return ErrOvertaken
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"audit_log"}, logColumns, i.rows(entries)); err != nil {
			return err
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"audit_imported"}, []string{"id", "source_id"}, pgx.CopyFromRows(i.runs(entries))); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO audit_import (source, digest, imported) VALUES ($1, $2, $3)
			ON CONFLICT (singleton) DO UPDATE SET imported = excluded.imported`, i.row.Source, i.row.Digest, i.row.Imported+n)
		return err
	})
	if err != nil {
		i.next, i.anyNext = next, anyNext
		return fmt.Errorf("import: %w", err)
	}
	i.row.Imported, i.begun = i.row.Imported+n, true
	return nil
}

// rows are the values of entries for COPY. The slice that it hands out is used again.
func (i *Import) rows(entries []intake.Entry) pgx.CopyFromSource {
	null := func(s *string) any {
		if *s == "" {
			return nil
		}
		return *s
	}
	n, values := 0, make([]any, len(logColumns))
	return pgx.CopyFromFunc(func() ([]any, error) {
		if n == len(entries) {
			return nil, nil
		}
		e := &entries[n]
		n++
		var args any
		if e.Args != nil {
			args = e.Args
		}
		user := pgtype.UUID{Bytes: e.UserID.UUID, Valid: e.UserID.Valid} // of a driver's Valuer pgx would make a text first
		return append(values[:0], i.row.Imported+int64(n), e.At, user, e.Action, e.Resource, args, null(&e.SaltJID), string(e.Decision),
			e.ResultCode, e.DurationMS, null(&e.Username), null(&e.Verb), null(&e.Reason), null(&e.RequestID), null(&e.SourceIP), null(&e.UserAgent)), nil
	})
}

// runs are the rows of audit_imported: where the source's ids do not go on by one.
func (i *Import) runs(entries []intake.Entry) (rows [][]any) {
	for n, e := range entries {
		goesOn := i.anyNext && e.SourceID == i.next
		if i.anyNext = true; !goesOn {
			var source any
			if e.SourceID != 0 {
				source = e.SourceID
			}
			rows = append(rows, []any{i.row.Imported + int64(n) + 1, source})
		}
		if i.next = 0; e.SourceID != 0 {
			i.next = e.SourceID + 1
		}
	}
	return rows
}

// Tidy gives the planner its figures, and lets counting in an index do without looking
// into the table. It is left to autovacuum otherwise.
func (i *Import) Tidy(ctx context.Context) error {
	if _, err := i.conn.Exec(ctx, "VACUUM (ANALYZE) audit_log"); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return nil
}

// Close lets other imports in.
func (i *Import) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	i.conn.Release()
	if i.lock != nil {
		_ = i.lock.Rollback(ctx)
	}
}

// FinishImport ends the import: the log may be written to from now on. It takes part in
// the transaction that ctx carries. Without one under way the error is ErrImportFinished.
func (d *DB) FinishImport(ctx context.Context) error {
	res, err := d.conn(ctx).NewUpdate().Table("audit_import").Set("finished_at = clock_timestamp()").Where("finished_at IS NULL").Exec(ctx)
	if err != nil {
		return fmt.Errorf("finish the import: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrImportFinished)
	}
	return nil
}

// CheckImport returns ErrImportUnfinished while the log holds an import that is not
// finished: a row written now would come before the ones that are missing.
func (d *DB) CheckImport(ctx context.Context) error {
	unfinished, err := d.app.NewSelect().Table("audit_import").Where("finished_at IS NULL").Exists(ctx)
	if err != nil {
		return fmt.Errorf("look for an import: %w", err)
	}
	if unfinished {
		return ErrImportUnfinished
	}
	return nil
}
