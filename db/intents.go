package db

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"halite/internal/audit"
)

var _ audit.Intents = (*DB)(nil)

type intentRow struct {
	bun.BaseModel `bun:"table:audit_intents"`

	ID        uuid.UUID       `bun:"id,pk"`
	UserID    uuid.NullUUID   `bun:"user_id"`
	Action    string          `bun:"action"`
	Resource  string          `bun:"resource"`
	Args      json.RawMessage `bun:"args_json,type:jsonb,nullzero"`
	SaltJID   string          `bun:"salt_jid,nullzero"`
	Username  string          `bun:"username,nullzero"`
	Verb      string          `bun:"verb,nullzero"`
	Reason    string          `bun:"reason,nullzero"`
	RequestID string          `bun:"request_id,nullzero"`
	SourceIP  string          `bun:"source_ip,nullzero"`
	UserAgent string          `bun:"user_agent,nullzero"`
}

// OpenIntent implements audit.Intents.
func (d *DB) OpenIntent(ctx context.Context, i audit.Intent, ttl time.Duration) error {
	e := audit.Storable(i.Entry)
	r := intentRow{
		ID: i.ID, UserID: e.UserID, Action: e.Action, Resource: e.Resource, Args: e.Args, SaltJID: e.SaltJID, Username: e.Username,
		Verb: e.Verb, Reason: e.Reason, RequestID: e.RequestID, SourceIP: e.SourceIP, UserAgent: e.UserAgent,
	}
	_, err := d.app.NewInsert().Model(&r).
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

// DueIntents implements audit.Intents.
func (d *DB) DueIntents(ctx context.Context, limit int) ([]audit.Intent, error) {
	var rows []intentRow
	err := d.app.NewSelect().Model(&rows).Where("deadline <= clock_timestamp()").OrderExpr("deadline").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read due intents: %w", err)
	}
	out := make([]audit.Intent, len(rows))
	for i, r := range rows {
		out[i] = audit.Intent{ID: r.ID, Entry: audit.Entry{
			UserID: r.UserID, Action: r.Action, Resource: r.Resource, Args: r.Args, SaltJID: r.SaltJID, Username: r.Username,
			Verb: r.Verb, Reason: r.Reason, RequestID: r.RequestID, SourceIP: r.SourceIP, UserAgent: r.UserAgent,
		}}
	}
	return out, nil
}
