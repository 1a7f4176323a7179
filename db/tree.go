package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/merkle"
	"halite/internal/proof"
	"halite/internal/tree"
)

var (
	_ tree.Store   = (*DB)(nil)
	_ proof.Source = (*DB)(nil)
)

// Ends implements tree.Store.
func (d *DB) Ends(ctx context.Context) (lastID, size int64, err error) {
	err = d.pool.QueryRow(ctx, "SELECT h.last_id, t.size FROM audit_head AS h, tree_head AS t WHERE h.singleton AND t.singleton", d.hot).Scan(&lastID, &size)
	if err != nil {
		return 0, 0, fmt.Errorf("read the heads of log and tree: %w", err)
	}
	return lastID, size, nil
}

// Facts implements tree.Store: one statement, so that nothing changes in between.
func (d *DB) Facts(ctx context.Context) (f tree.Facts, err error) {
	var root, noted []byte
	var stalled, overdue float64
	var signedAt *time.Time
	err = d.pool.QueryRow(ctx, `SELECT h.last_id, coalesce((SELECT id FROM audit_log ORDER BY id LIMIT 1), 0),
			coalesce((SELECT id FROM audit_log WHERE id > h.last_id ORDER BY id LIMIT 1), 0), t.size, t.root,
			greatest(t.last_at, 'epoch'), extract(epoch FROM clock_timestamp() - t.sealed_at)::float8,
			coalesce((SELECT extract(epoch FROM clock_timestamp() - min(at)) FROM audit_log WHERE id = t.size + 1 AND id <= h.last_id), 0)::float8,
			c.note, coalesce(c.size, 0), c.root, c.signed_at
		FROM audit_head AS h, tree_head AS t LEFT JOIN LATERAL (SELECT * FROM checkpoint ORDER BY size DESC LIMIT 1) AS c ON true
		WHERE h.singleton AND t.singleton`,
		d.hot).Scan(&f.LastID, &f.First, &f.Beyond, &f.Tree.N, &root, &f.LastAt, &stalled, &overdue,
		&f.Signed, &f.Noted.N, &noted, &signedAt)
	if err != nil {
		return f, fmt.Errorf("read the heads of log and tree: %w", err)
	}
	copy(f.Tree.Hash[:], root)
	copy(f.Noted.Hash[:], noted)
	if signedAt != nil {
		f.SignedAt = signedAt.UTC()
	}
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	f.Stalled, f.Overdue = seconds(stalled), seconds(overdue)
	return f, nil
}

// rowsSQL reads rows as they stand. It looks into all partitions from a time on: a second
// row of an id may be in any of them.
const rowsSQL = `SELECT ` + entryColumns + `,
	coalesce('' IN (salt_jid, username, verb, reason, request_id, source_ip, user_agent), false)
	FROM audit_log WHERE id >= $1 AND id <= $2 AND at >= $3 ORDER BY id, at`

// Rows implements tree.Store.
func (d *DB) Rows(ctx context.Context, first, last int64, since time.Time, each func(*tree.Row) error) error {
	from := any("-infinity")
	if !since.IsZero() {
		from = since
	}
	rows, err := d.pool.Query(ctx, rowsSQL, d.hot, first, last, from)
	if err != nil {
		return fmt.Errorf("read the rows %d to %d: %w", first, last, err)
	}
	defer rows.Close()
	var r tree.Row
	into := append(destOf(&r.Entry, false), &r.Odd)
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("read the rows %d to %d: %w", first, last, err)
		}
		if err := each(&r); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the rows %d to %d: %w", first, last, err)
	}
	return nil
}

// Tiles implements tree.Store.
func (d *DB) Tiles(ctx context.Context) tlog.TileReader { return tileReader{d, ctx} }

// tileReader is how package tlog asks for tiles. It brings no context of its own.
type tileReader struct {
	*DB
	ctx context.Context
}

func (tileReader) Height() int                     { return merkle.TileHeight }
func (tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

func (r tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	levels, ns, lengths := make([]int16, len(tiles)), make([]int64, len(tiles)), make([]int32, len(tiles))
	for i, t := range tiles {
		levels[i], ns[i], lengths[i] = int16(t.L), t.N, int32(t.W*tlog.HashSize)
	}
	rows, err := r.pool.Query(r.ctx, `SELECT coalesce(substring(t.hashes FROM 1 FOR w.length), '')
		FROM unnest($1::smallint[], $2::bigint[], $3::int[]) WITH ORDINALITY AS w (level, n, length, i)
		LEFT JOIN tree_tile AS t ON t.level = w.level AND t.n = w.n ORDER BY w.i`, r.hot, levels, ns, lengths)
	if err != nil {
		return nil, fmt.Errorf("read tiles: %w", err)
	}
	data, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return nil, fmt.Errorf("read tiles: %w", err)
	}
	return data, nil
}

// LatestCheckpoint implements proof.Source.
func (d *DB) LatestCheckpoint(ctx context.Context) (signed []byte, err error) {
	release, err := d.reader(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	err = d.pool.QueryRow(ctx, "SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1", d.hot).Scan(&signed)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("read the latest checkpoint: %w", err)
	}
	return signed, nil
}

// ReadTiles implements proof.Source: as Tiles, among the readers of the log.
func (d *DB) ReadTiles(ctx context.Context, tiles []tlog.Tile) ([][]byte, error) {
	release, err := d.reader(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return tileReader{d, ctx}.ReadTiles(tiles)
}

// growSQL moves the head and stores the tiles: all or nothing, without a transaction
// around it.
const growSQL = `WITH head AS (
		UPDATE tree_head SET size = $3, root = $4, last_at = $5, sealed_at = clock_timestamp() WHERE size = $1 AND root = $2 RETURNING 1
	)
	INSERT INTO tree_tile (level, n, hashes) SELECT t.* FROM head, unnest($6::smallint[], $7::bigint[], $8::bytea[]) AS t
	ON CONFLICT (level, n) DO UPDATE SET hashes = excluded.hashes`

// Grow implements tree.Store.
func (d *DB) Grow(ctx context.Context, from, to merkle.Tree, lastAt time.Time, tiles []merkle.Tile) error {
	levels, ns, hashes := make([]int16, len(tiles)), make([]int64, len(tiles)), make([][]byte, len(tiles))
	for i, t := range tiles {
		levels[i], ns[i], hashes[i] = int16(t.L), t.N, t.Hashes
	}
	tag, err := d.pool.Exec(ctx, growSQL, d.hot, from.N, from.Hash[:], to.N, to.Hash[:], lastAt, levels, ns, hashes)
	if err != nil {
		return fmt.Errorf("let the tree grow: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return tree.ErrOvertaken
	}
	return nil
}

// SaveCheckpoint implements tree.Store.
func (d *DB) SaveCheckpoint(ctx context.Context, t merkle.Tree, signed []byte) error {
	res, err := d.conn(ctx).NewRaw(`INSERT INTO checkpoint (size, root, note)
		SELECT size, root, ? FROM tree_head WHERE size = ? AND root = ? AND NOT EXISTS (SELECT FROM checkpoint WHERE size >= ?)`,
		signed, t.N, t.Hash[:], t.N).Exec(ctx)
	pgerr, _ := errors.AsType[*pgconn.PgError](err)
	switch {
	case pgerr != nil && (pgerr.Code == uniqueViolation || pgerr.ConstraintName == "checkpoint_grows"): // another's was stored meanwhile
		return tree.ErrOvertaken
	case err != nil:
		return fmt.Errorf("store the checkpoint: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return tree.ErrOvertaken
	}
	return nil
}

// ThinCheckpoints implements tree.Store: all of the last hour stay, the last one of each
// hour for 90 days, then the last one of each day.
func (d *DB) ThinCheckpoints(ctx context.Context) error {
	_, err := d.app.NewRaw(`DELETE FROM checkpoint WHERE size IN (
		SELECT size FROM (
			SELECT size, row_number() OVER (PARTITION BY date_trunc(
				CASE WHEN signed_at > clock_timestamp() - interval '90 days' THEN 'hour' ELSE 'day' END, signed_at, 'UTC') ORDER BY size DESC) AS nth
			FROM checkpoint WHERE signed_at < clock_timestamp() - interval '1 hour') AS old
		WHERE nth > 1)`).Exec(ctx)
	if err != nil {
		return fmt.Errorf("thin out checkpoints: %w", err)
	}
	return nil
}

// Mismatches implements tree.Store.
func (d *DB) Mismatches(ctx context.Context) (found []tree.Mismatch, err error) {
	rows, err := d.pool.Query(ctx, "SELECT kind, id, detail FROM tree_mismatch ORDER BY id, kind", d.hot)
	if err == nil {
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[tree.Mismatch])
	}
	if err != nil {
		return nil, fmt.Errorf("read mismatches: %w", err)
	}
	return found, nil
}

// AddMismatch implements tree.Store.
func (d *DB) AddMismatch(ctx context.Context, m tree.Mismatch) error {
	_, err := d.conn(ctx).NewRaw("INSERT INTO tree_mismatch (kind, id, detail) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO NOTHING",
		string(m.Kind), m.ID, m.Detail).Exec(ctx)
	return err
}

// DropMismatch implements tree.Store.
func (d *DB) DropMismatch(ctx context.Context, m tree.Mismatch) error {
	_, err := d.conn(ctx).NewRaw("DELETE FROM tree_mismatch WHERE kind = ? AND id = ?", string(m.Kind), m.ID).Exec(ctx)
	return err
}

// TreeLease implements tree.Store.
func (d *DB) TreeLease(ttl time.Duration) tree.Lease {
	return treeLease{lease{db: d.app, task: "tree", holder: uuid.New(), ttl: ttl}}
}

type treeLease struct{ lease }

func (l treeLease) Take(ctx context.Context) (bool, error) { return l.take(ctx) }
func (l treeLease) Release(ctx context.Context) error      { return l.release(ctx) }
