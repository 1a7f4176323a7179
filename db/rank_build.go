package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"halite/internal/audit"
)

const (
	rankBatch  = 65_536  // entries that are read at once while catching up
	rankMemory = 200_000 // keys whose counts are kept between batches, at most
)

// rankBuilder writes the rank index behind the log, a batch of entries at a time. The
// blocks that a batch closes are inserted by one statement, and only if the index still
// ends where the batch begins: a crash leaves all of them or none, and of two builders
// one succeeds. What it remembers is a copy of what the database can tell it anew.
//
// It is for one goroutine.
type rankBuilder struct {
	conn  querier
	mode  pgx.QueryExecMode
	block int64 // entries of a key in a block
	batch int64 // entries read at once at most, a multiple of block

	end   block             // where the index ended when counts were taken
	known map[rankKey]tally // the counts up to there
}

// block is a row of audit_rank.
type block struct {
	rankKey
	place
	tally
}

// tally is a number of entries, by decision.
type tally struct{ allowed, denied int64 }

// querier is a pool of connections, as a builder needs it.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func newRankBuilder(conn querier, mode pgx.QueryExecMode) *rankBuilder {
	return &rankBuilder{conn: conn, mode: mode, block: blockSize, batch: rankBatch}
}

// step builds the next batch, and returns how many entries it covered: 0 if there is no
// full block of the log that is not covered, or if somebody else was faster.
func (b *rankBuilder) step(ctx context.Context) (covered int64, err error) {
	end, first, last, err := b.look(ctx)
	if err != nil {
		return 0, fmt.Errorf("build the rank index: %w", err)
	}
	if end.id != b.end.id || end.tally != b.end.tally || b.known == nil || len(b.known) > rankMemory {
		b.end, b.known = end, map[rankKey]tally{}
	}
	after := max(end.id, first-1)
	covered = min(b.batch, (last-after)/b.block*b.block)
	if covered <= 0 {
		return 0, nil
	}
	entries, err := b.read(ctx, after, covered, end.at)
	if err == nil {
		err = b.recall(ctx, entries, after)
	}
	if err == nil {
		err = b.write(ctx, b.close(entries))
	}
	if err == nil {
		return covered, nil
	}
	b.known = nil
	if errors.Is(err, errOvertaken) {
		return 0, nil
	}
	return 0, fmt.Errorf("build the rank index: %w", err)
}

// errOvertaken says that the index does not end where the batch began: another builder
// wrote, or it was emptied.
var errOvertaken = errors.New("the rank index was changed by somebody else")

// look reads where the index ends (the last of the whole log's blocks; zero: it is
// empty), the first id of the log and the last.
func (b *rankBuilder) look(ctx context.Context) (end block, first, last int64, err error) {
	err = b.conn.QueryRow(ctx, `SELECT coalesce(r.id, 0), coalesce(r.at, 'epoch'), coalesce(r.allowed, 0), coalesce(r.denied, 0),
			coalesce((SELECT id FROM audit_log ORDER BY id LIMIT 1), h.last_id + 1), h.last_id
		FROM audit_head AS h LEFT JOIN (SELECT * FROM audit_rank WHERE `+logBlocks+` ORDER BY id DESC LIMIT 1) AS r ON true`,
		b.mode).Scan(&end.id, &end.at, &end.allowed, &end.denied, &first, &last)
	return end, first, last, err
}

// ranked is what the index knows of an entry.
type ranked struct {
	place
	keys   [4]rankKey
	denied bool
}

// read returns the n entries behind an id. None of them is before since.
func (b *rankBuilder) read(ctx context.Context, after, n int64, since time.Time) ([]ranked, error) {
	rows, err := b.conn.Query(ctx, `SELECT id, at, user_id, action, decision = 'deny' FROM audit_log
		WHERE id > $1 AND id <= $1 + $2 AND at >= $3 ORDER BY id`, b.mode, after, n, since)
	if err != nil {
		return nil, err
	}
	actions := map[string]string{} // one string for each, not for each entry
	entries, err := pgx.AppendRows(make([]ranked, 0, n), rows, func(row pgx.CollectableRow) (e ranked, err error) {
		var user uuid.NullUUID
		var raw pgtype.DriverBytes
		if err := row.Scan(&e.id, &e.at, &user, &raw, &e.denied); err != nil {
			return e, err
		}
		action, ok := actions[string(raw)]
		if !ok {
			action = string(raw)
			actions[action] = action
		}
		e.keys = keysOf(user, action)
		return e, nil
	})
	if err == nil && int64(len(entries)) != n {
		err = fmt.Errorf("%d entries behind id %d, want %d", len(entries), after, n)
	}
	return entries, err
}

// recall counts, up to where the index ended, what is not known yet: from each key's last
// block on, which is less than a block of entries. The index may have gone on since; what is counted
// has to be right all the same, for it may have been emptied, and end there again, before it is written.
func (b *rankBuilder) recall(ctx context.Context, entries []ranked, end int64) error {
	missing := map[rankKind][]rankKey{}
	for _, e := range entries {
		for _, k := range e.keys {
			if _, ok := b.known[k]; !ok {
				b.known[k] = tally{}
				missing[k.kind] = append(missing[k.kind], k)
			}
		}
	}
	for kind, keys := range missing {
		users, actions := make([]uuid.UUID, len(keys)), make([]string, len(keys))
		for i, k := range keys {
			users[i], actions[i] = k.user, k.action
		}
		rows, err := b.conn.Query(ctx, recallSQL(kind), b.mode, users, actions, end)
		if err != nil {
			return err
		}
		counts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t tally, err error) {
			return t, row.Scan(&t.allowed, &t.denied)
		})
		if err != nil {
			return err
		}
		for i, k := range keys {
			b.known[k] = counts[i]
		}
	}
	return nil
}

func recallSQL(kind rankKind) string {
	since := func(d audit.Decision) string {
		return shape{kind, d}.counts("audit_log", "k.user_id", "k.action", "coalesce(r.id, 0) + 1", "$3")
	}
	return `SELECT coalesce(r.allowed, 0) + ` + since(audit.Allow) + `, coalesce(r.denied, 0) + ` + since(audit.Deny) + `
		FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS k (user_id, action, i) LEFT JOIN LATERAL (
			SELECT id, allowed, denied FROM audit_rank WHERE ` + kind.blocks("k.user_id", "k.action") + ` AND id <= $3 ORDER BY id DESC LIMIT 1
		) AS r ON true ORDER BY k.i`
}

// close counts entries, and returns the blocks that they close.
func (b *rankBuilder) close(entries []ranked) (closed []block) {
	for _, e := range entries {
		for _, k := range e.keys {
			t := b.known[k]
			if e.denied {
				t.denied++
			} else {
				t.allowed++
			}
			b.known[k] = t
			if (t.allowed+t.denied)%b.block == 0 {
				closed = append(closed, block{k, e.place, t})
			}
		}
	}
	return closed
}

// write inserts the blocks of a batch, unless the index ends elsewhere by now. The last
// entry of a batch closes a block of the whole log.
func (b *rankBuilder) write(ctx context.Context, blocks []block) error {
	n := len(blocks)
	kinds, users, actions := make([]int16, n), make([]uuid.UUID, n), make([]string, n)
	ids, ats, allowed, denied := make([]int64, n), make([]time.Time, n), make([]int64, n), make([]int64, n)
	var end block
	for i, r := range blocks {
		kinds[i], users[i], actions[i] = int16(r.kind), r.user, r.action
		ids[i], ats[i], allowed[i], denied[i] = r.id, r.at, r.allowed, r.denied
		if r.kind == ofLog {
			end = block{place: r.place, tally: r.tally}
		}
	}
	tag, err := b.conn.Exec(ctx, writeSQL, b.mode, kinds, users, actions, ids, ats, allowed, denied,
		b.end.id, b.end.allowed, b.end.denied)
	switch {
	case sqlState(err) == uniqueViolation, err == nil && tag.RowsAffected() == 0:
		return errOvertaken
	case err == nil:
		b.end = end
	}
	return err
}

const uniqueViolation = "23505"

var writeSQL = `INSERT INTO audit_rank (kind, user_id, action, id, at, allowed, denied)
	SELECT b.* FROM unnest($1::smallint[], $2::uuid[], $3::text[], $4::bigint[], $5::timestamptz[], $6::bigint[], $7::bigint[]) AS b
	WHERE (SELECT row (id, allowed, denied) FROM (
			SELECT id, allowed, denied FROM audit_rank WHERE ` + logBlocks + ` ORDER BY id DESC LIMIT 1
		) AS r) IS NOT DISTINCT FROM CASE WHEN $8::bigint > 0 THEN row ($8::bigint, $9::bigint, $10::bigint) END`
