package db

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"halite/internal/audit"
	"halite/internal/metrics"
)

var _ metrics.Store = (*DB)(nil)

// counts are the entries that this server made durable, by decision.
type counts struct{ allowed, denied atomic.Int64 }

func (c *counts) add(entries ...*audit.Entry) {
	denied := int64(0)
	for _, e := range entries {
		if e.Decision == audit.Deny {
			denied++
		}
	}
	c.denied.Add(denied)
	c.allowed.Add(int64(len(entries)) - denied)
}

// Appended implements metrics.Store.
func (d *DB) Appended() (allowed, denied int64) {
	return d.counts.allowed.Load(), d.counts.denied.Load()
}

// standingSQL looks at the ends of indexes only. Intents are few; what counts them is
// bounded all the same.
var standingSQL = `SELECT h.last_id, t.size, coalesce(c.size, 0), extract(epoch FROM clock_timestamp() - c.signed_at)::float8,
		(SELECT count(*) FROM tree_mismatch), (SELECT count(*) FROM (SELECT FROM audit_intents LIMIT 100000) AS i),
		greatest(h.last_id - greatest(coalesce((SELECT id FROM audit_rank WHERE ` + logBlocks + ` ORDER BY id DESC LIMIT 1), 0),
			coalesce((SELECT id - 1 FROM audit_log ORDER BY id LIMIT 1), h.last_id)), 0)
	FROM audit_head AS h, tree_head AS t LEFT JOIN LATERAL (SELECT size, signed_at FROM checkpoint ORDER BY size DESC LIMIT 1) AS c ON true
	WHERE h.singleton AND t.singleton`

// Standing implements metrics.Store: one statement, so that nothing changes in between.
func (d *DB) Standing(ctx context.Context) (s metrics.Standing, err error) {
	var age *float64
	err = d.pool.QueryRow(ctx, standingSQL, d.hot).Scan(&s.LastID, &s.Sealed, &s.Signed, &age, &s.Mismatches, &s.Intents, &s.RankLag)
	if err != nil {
		return s, fmt.Errorf("read how the log stands: %w", err)
	}
	if age != nil {
		a := max(time.Duration(*age*float64(time.Second)), 0)
		s.SignedAge = &a
	}
	return s, nil
}

// Pools implements metrics.Store.
func (d *DB) Pools() []metrics.Pool {
	var pools []metrics.Pool
	for _, p := range []struct {
		name string
		*pgxpool.Pool
	}{{"serving", d.pool}, {"owner", d.opool}} {
		s := p.Stat()
		pools = append(pools, metrics.Pool{
			Name: p.name, Acquired: s.AcquiredConns(), Idle: s.IdleConns(), Max: s.MaxConns(), Waits: s.EmptyAcquireCount(),
		})
	}
	return pools
}
