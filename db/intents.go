package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"halite/internal/audit"
)

var (
	_ audit.Intents     = (*DB)(nil)
	_ audit.OpenIntents = (*DB)(nil)
)

type intentRow struct {
	bun.BaseModel `bun:"table:audit_intents,alias:i"`

	ID         uuid.UUID       `bun:"id,pk"`
	OpenedAt   time.Time       `bun:"opened_at,nullzero"`
	Deadline   time.Time       `bun:"deadline"`
	UserID     uuid.NullUUID   `bun:"user_id"`
	Action     string          `bun:"action"`
	Resource   string          `bun:"resource"`
	Args       json.RawMessage `bun:"args_json,type:jsonb,nullzero"`
	SaltJID    string          `bun:"salt_jid,nullzero"`
	ResultCode int             `bun:"result_code"`
	Username   string          `bun:"username,nullzero"`
	Verb       string          `bun:"verb,nullzero"`
	Reason     string          `bun:"reason,nullzero"`
	RequestID  string          `bun:"request_id,nullzero"`
	SourceIP   string          `bun:"source_ip,nullzero"`
	UserAgent  string          `bun:"user_agent,nullzero"`

	Age float64 `bun:"age,scanonly"` // seconds
}

func (r intentRow) intent() audit.Intent {
	return audit.Intent{
		ID: r.ID, OpenedAt: r.OpenedAt.UTC(), Deadline: r.Deadline.UTC(), Age: time.Duration(r.Age * float64(time.Second)),
		Entry: audit.Entry{
			UserID: r.UserID, Action: r.Action, Resource: r.Resource, Args: r.Args, SaltJID: r.SaltJID, ResultCode: r.ResultCode,
			Username: r.Username, Verb: r.Verb, Reason: r.Reason, RequestID: r.RequestID, SourceIP: r.SourceIP, UserAgent: r.UserAgent,
			Decision: audit.Allow,
		},
	}
}

// OpenIntent implements audit.Intents.
func (d *DB) OpenIntent(ctx context.Context, i audit.Intent, ttl time.Duration) error {
	e := audit.Storable(i.Entry)
	r := intentRow{
		ID: i.ID, UserID: e.UserID, Action: e.Action, Resource: e.Resource, Args: e.Args, SaltJID: e.SaltJID, ResultCode: e.ResultCode,
		Username: e.Username, Verb: e.Verb, Reason: e.Reason, RequestID: e.RequestID, SourceIP: e.SourceIP, UserAgent: e.UserAgent,
	}
	_, err := d.app.NewInsert().Model(&r).ExcludeColumn("opened_at").
		Value("deadline", "clock_timestamp() + ?::float8 * interval '1 second'", ttl.Seconds()).Exec(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", audit.ErrUnavailable, err)
	}
	return nil
}

// CloseIntent implements audit.Intents.
func (d *DB) CloseIntent(ctx context.Context, id uuid.UUID, e audit.Entry) (audit.Entry, error) {
	return d.Change(ctx, func(ctx context.Context) error {
		res, err := d.conn(ctx).NewDelete().Model((*intentRow)(nil)).Where("id = ?", id).Exec(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", errNoEntry, err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return fmt.Errorf("%w: %w", errNoEntry, audit.ErrIntentClosed)
		}
		return nil
	}, func(error) audit.Entry { return e })
}

// ClaimIntent implements audit.Intents.
func (d *DB) ClaimIntent(ctx context.Context, grace, lease time.Duration) (_ audit.Intent, ok bool, err error) {
	var r intentRow
	// SKIP LOCKED: two servers that come at once take two intents, and wait for nobody.
	// By the lease before the deadline: many that cannot be settled would come round again
	// before the others had their turn.
	err = d.app.NewRaw(`
		UPDATE audit_intents SET leased_until = clock_timestamp() + ?::float8 * interval '1 second'
		WHERE id = (
			SELECT id FROM audit_intents
			WHERE deadline < clock_timestamp() - ?::float8 * interval '1 second' AND coalesce(leased_until < clock_timestamp(), true)
			ORDER BY leased_until NULLS FIRST, deadline LIMIT 1 FOR UPDATE SKIP LOCKED)
		RETURNING id, opened_at, deadline, user_id, action, resource, args_json, salt_jid, result_code, username, verb, reason,
			request_id, source_ip, user_agent, extract(epoch FROM clock_timestamp() - opened_at)::float8 AS age`,
		lease.Seconds(), grace.Seconds()).Scan(ctx, &r)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return audit.Intent{}, false, nil
	case err != nil:
		return audit.Intent{}, false, fmt.Errorf("claim an open intent: %w", err)
	}
	return r.intent(), true, nil
}

// OpenIntents implements audit.OpenIntents.
func (d *DB) OpenIntents(ctx context.Context, limit int) ([]audit.Intent, error) {
	var rows []intentRow
	if err := d.app.NewSelect().Model(&rows).OrderExpr("opened_at, id").Limit(int64(limit)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("read open intents: %w", err)
	}
	out := make([]audit.Intent, len(rows))
	for i, r := range rows {
		out[i] = r.intent()
	}
	return out, nil
}
