package db

import (
	"context"
	"fmt"
	"time"

	"halite/internal/dispatch"
)

var _ dispatch.Moments = (*DB)(nil)

// NextMoment implements dispatch.Moments. The clock is read when the row is locked.
func (d *DB) NextMoment(ctx context.Context) (t time.Time, err error) {
	err = d.app.NewRaw(`UPDATE job_time SET last = greatest(last + interval '1 microsecond', clock_timestamp()) RETURNING last`).Scan(ctx, &t)
	if err != nil {
		return t, fmt.Errorf("take the moment of a job: %w", err)
	}
	return t.UTC(), nil
}
