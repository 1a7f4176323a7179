package db

import (
	"context"
	"fmt"
	"time"

	"halite/internal/retention"
)

// lately is how far back the growth of the log is looked at.
const lately = 7 * 24 * time.Hour

// Size implements retention.Store.
func (d *DB) Size(ctx context.Context) (out retention.Size, err error) {
	err = d.steady(ctx, func() (err error) {
		out, err = d.size(ctx)
		return err
	})
	if err != nil {
		return out, fmt.Errorf("size of the log: %w", err)
	}
	return out, nil
}

func (d *DB) size(ctx context.Context) (out retention.Size, err error) {
	var now time.Time
	// What is dropped meanwhile has no size: NULL.
	err = d.pool.QueryRow(ctx, `SELECT clock_timestamp(), (SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint FROM pg_inherits
		WHERE inhparent = 'public.audit_log'::regclass), pg_database_size(current_database())`, d.hot).Scan(&now, &out.Bytes, &out.DatabaseBytes)
	if err != nil {
		return out, err
	}
	s, err := d.span(ctx)
	if err != nil || s.last.id < s.first.id {
		return out, err
	}
	out.OldestID, out.OldestAt, out.Rows = s.first.id, s.first.at.UTC(), s.last.id-s.first.id+1
	out.Lately = max(min(lately, now.Sub(s.first.at)), 0)
	since, err := d.firstFrom(ctx, s, []time.Time{now.Add(-out.Lately)})
	if err != nil {
		return out, err
	}
	out.LatelyRows = s.last.id - since[0] + 1
	return out, nil
}
