package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"halite/internal/audit"
)

// appendSQL is the first of the two hot statements. It takes the head's row lock,
// reads the clock after that, and hands out contiguous ids in the order of the
// arrays: the lock, held until the transaction ends, is the sequencer. It returns the
// first id, the `at` of the rows and the transaction's own id, by which the outcome
// can be asked for if the answer of COMMIT is lost.
//
// A lower `clock_timestamp()` than the last row's keeps the last row's `at`.
const appendSQL = `
WITH head AS (
	UPDATE audit_head
	SET last_id = last_id + $1, last_at = greatest(last_at, clock_timestamp())
	RETURNING last_id - $1 AS base, last_at
), rows AS (
	INSERT INTO audit_log (id, at, user_id, action, resource, args_json, salt_jid, decision, result_code,
		duration_ms, username, verb, reason, request_id, source_ip, user_agent)
	SELECT head.base + r.n, head.last_at, r.user_id, r.action, r.resource, r.args_json::jsonb, nullif(r.salt_jid, ''),
		r.decision, r.result_code, r.duration_ms, nullif(r.username, ''), nullif(r.verb, ''), nullif(r.reason, ''),
		nullif(r.request_id, ''), nullif(r.source_ip, ''), nullif(r.user_agent, '')
	FROM head, unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[], $9::int[],
		$10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[]) WITH ORDINALITY
		AS r (user_id, action, resource, args_json, salt_jid, decision, result_code, duration_ms,
			username, verb, reason, request_id, source_ip, user_agent, n)
)
SELECT base + 1, last_at, pg_current_xact_id()::text FROM head`

// turnSQL waits for the writers of other servers to have committed, in the order in which they
// came. The head's row lock is what makes the order; but whoever waits for a row finds it changed
// by then and begins anew, and several who wait are not served in turn. Without others it costs
// next to nothing.
const turnSQL = `SELECT pg_advisory_xact_lock(hashtextextended('halite append', 0))`

// appended is what the statement says of the rows it wrote.
type appended struct {
	first int64
	at    time.Time
	xid   string
}

// columns is a batch, turned on its side.
type columns struct {
	userIDs                                                                pgtype.FlatArray[pgtype.UUID]
	action, resource, args, jid, decision, user, verb, reason, req, ip, ua pgtype.FlatArray[pgtype.Text]
	code, ms                                                               pgtype.FlatArray[int32]
}

// appendEntries runs the statement on a connection that is in a transaction, and
// fills ID and At.
func (d *DB) appendEntries(ctx context.Context, c *pgx.Conn, batch []*audit.Entry) (appended, error) {
	var a appended
	args := append([]any{d.hot}, arguments(batch)...)
	if err := c.QueryRow(ctx, appendSQL, args...).Scan(&a.first, &a.at, &a.xid); err != nil {
		return a, err
	}
	a.fill(batch)
	return a, nil
}

func (a appended) fill(batch []*audit.Entry) {
	at := a.at.UTC()
	for i, e := range batch {
		e.ID, e.At = a.first+int64(i), at
	}
}

// arguments is a batch, turned on its side: the statement's parameters.
func arguments(batch []*audit.Entry) []any {
	c := newColumns(batch)
	return []any{
		int64(len(batch)), c.userIDs, c.action, c.resource, c.args, c.jid, c.decision, c.code, c.ms, c.user, c.verb, c.reason,
		c.req, c.ip, c.ua,
	}
}

func newColumns(batch []*audit.Entry) columns {
	n := len(batch)
	text := make([]pgtype.Text, 11*n) // one allocation for all text columns
	col := func(i int) pgtype.FlatArray[pgtype.Text] { return text[i*n : (i+1)*n : (i+1)*n] }
	c := columns{
		userIDs: make([]pgtype.UUID, n), code: make([]int32, n), ms: make([]int32, n),
		action: col(0), resource: col(1), args: col(2), jid: col(3), decision: col(4), user: col(5),
		verb: col(6), reason: col(7), req: col(8), ip: col(9), ua: col(10),
	}
	str := func(s string) pgtype.Text { return pgtype.Text{String: s, Valid: true} }
	for i, e := range batch {
		c.userIDs[i] = pgtype.UUID{Bytes: e.UserID.UUID, Valid: e.UserID.Valid}
		c.action[i], c.resource[i], c.jid[i] = str(e.Action), str(e.Resource), str(e.SaltJID)
		c.args[i] = pgtype.Text{String: string(e.Args), Valid: e.Args != nil}
		c.decision[i], c.code[i], c.ms[i] = str(string(e.Decision)), int32(e.ResultCode), int32(e.DurationMS) // audit.Storable made them fit
		c.user[i], c.verb[i], c.reason[i] = str(e.Username), str(e.Verb), str(e.Reason)
		c.req[i], c.ip[i], c.ua[i] = str(e.RequestID), str(e.SourceIP), str(e.UserAgent)
	}
	return c
}

// writer is the connection that Append keeps: the recorder must not wait for one
// behind the requests that it serves.
type writer struct {
	conn *pgxpool.Conn
	sd   *pgconn.StatementDescription // of appendSQL, once it is known
}

func (w *writer) release() {
	if w.conn != nil {
		w.conn.Release()
		w.conn = nil
	}
}

// prepare asks the server for what a connection needs to know, once for each connection;
// through a pooler, which may change the server's behind it, once at all.
func (w *writer) prepare(ctx context.Context, c *pgx.Conn, pooled bool) (err error) {
	if pooled {
		if w.sd == nil {
			w.sd, err = c.Prepare(ctx, "", appendSQL) // nothing is left at the server
		}
		return err
	}
	if _, err = c.Prepare(ctx, turnName, turnSQL); err == nil {
		w.sd, err = c.Prepare(ctx, appendName, appendSQL)
	}
	return err
}

const turnName, appendName = "halite_turn", "halite_append"

// Append implements audit.Appender. What failed before COMMIT was sent, and what is
// known to have been rolled back, is tried once more; a COMMIT whose answer was lost
// is asked for.
func (d *DB) Append(ctx context.Context, batch []*audit.Entry) error {
	var err error
	for range 2 {
		err = d.appendOnce(ctx, batch)
		switch {
		case err == nil:
			d.counts.add(batch...)
			d.announce(batch[len(batch)-1].ID)
			return nil
		case errors.Is(err, audit.ErrOutcomeUnknown):
			return err
		case partitionMissing(err):
			if perr := d.EnsurePartitions(ctx, time.Time{}); perr != nil {
				return fmt.Errorf("%w: %w", audit.ErrUnavailable, perr)
			}
		case refused(err):
			return fmt.Errorf("%w: %w", audit.ErrRejected, err)
		}
	}
	return fmt.Errorf("%w: %w", audit.ErrUnavailable, err)
}

func (d *DB) appendOnce(ctx context.Context, batch []*audit.Entry) (err error) {
	if d.writer.conn == nil {
		if d.writer.conn, err = d.pool.Acquire(ctx); err != nil {
			return err
		}
	}
	a, synced, err := d.appendImplicit(ctx, d.writer.conn.Conn(), batch)
	switch {
	case err == nil:
		a.fill(batch)
		return nil
	case !synced:
		if d.writer.conn.Conn().IsClosed() {
			d.writer.release()
		}
		return err
	}
	d.writer.release()
	if err := d.outcome(ctx, a, err); err != nil {
		return err
	}
	a.fill(batch)
	return nil
}

// appendImplicit runs the statement as a transaction of its own in two round trips:
// the statement, so that its transaction's id is known, and then Sync, which is what
// commits outside of BEGIN and COMMIT. synced says that Sync was sent: from then on an
// error leaves the outcome open.
func (d *DB) appendImplicit(ctx context.Context, c *pgx.Conn, batch []*audit.Entry) (a appended, synced bool, err error) {
	if err := d.writer.prepare(ctx, c, d.pooled); err != nil {
		return a, false, err
	}
	sd := d.writer.sd
	var q pgx.ExtendedQueryBuilder
	if err := q.Build(c.TypeMap(), sd, arguments(batch)); err != nil {
		return a, false, err
	}
	p := c.PgConn().StartPipeline(ctx)
	if d.pooled {
		p.SendQueryParams(turnSQL, nil, nil, nil, nil)
		p.SendQueryParams(appendSQL, q.ParamValues, sd.ParamOIDs, q.ParamFormats, q.ResultFormats)
	} else {
		p.SendQueryPrepared(turnName, nil, nil, nil)
		p.SendQueryPrepared(appendName, q.ParamValues, q.ParamFormats, q.ResultFormats)
	}
	p.SendFlushRequest()
	if err = p.Flush(); err == nil {
		err = skip(p)
	}
	if err == nil { // else nothing more is answered
		err = a.read(p, c, sd)
	}
	if err != nil {
		// After an error of the server Sync rolls back; after any other it would commit.
		if sqlState(err) == "" {
			_ = c.Close(ctx)
			return a, false, err
		}
		return a, false, errors.Join(err, p.Sync(), p.Close())
	}
	if err := p.Sync(); err != nil {
		return a, true, errors.Join(err, p.Close())
	}
	_, err = p.GetResults()
	return a, true, errors.Join(err, p.Close())
}

// skip takes an answer that says nothing.
func skip(p *pgconn.Pipeline) error {
	results, err := p.GetResults()
	if reader, ok := results.(*pgconn.ResultReader); ok {
		_, err = reader.Close()
	}
	return err
}

// read takes the one row of the statement.
func (a *appended) read(p *pgconn.Pipeline, c *pgx.Conn, sd *pgconn.StatementDescription) error {
	results, err := p.GetResults()
	if err != nil {
		return err
	}
	reader, ok := results.(*pgconn.ResultReader)
	if !ok {
		return fmt.Errorf("append: %T instead of rows", results)
	}
	found := reader.NextRow()
	if found {
		fields := reader.FieldDescriptions()
		for i, into := range []any{&a.first, &a.at, &a.xid} {
			if err := c.TypeMap().Scan(sd.Fields[i].DataTypeOID, fields[i].Format, reader.Values()[i], into); err != nil {
				return err
			}
		}
	}
	if _, err = reader.Close(); err == nil && !found {
		return errNoHead
	}
	return err
}

// errNoHead: the statement wrote nothing, because there is no head to take ids from.
var errNoHead = errors.New("append: the head of the log is missing")
