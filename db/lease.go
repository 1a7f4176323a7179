package db

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// lease says that one of the servers on a database does a task, for a time that it
// renews. It keeps the others from doing the same work twice, nothing more: whoever
// lost it without knowing may still be at work, and what is done under it has to be
// right all the same.
type lease struct {
	db     *bun.DB
	task   string
	holder uuid.UUID
	ttl    time.Duration
}

// take takes the lease or renews it, and reports whether it is held: false while
// another's has not expired.
func (l lease) take(ctx context.Context) (bool, error) {
	return l.update(ctx, "holder = ? OR expires_at <= clock_timestamp()", l.holder)
}

// seize takes the lease from whoever holds it.
func (l lease) seize(ctx context.Context) error {
	_, err := l.update(ctx, "true")
	return err
}

// release lets another take the lease at once, if it is held.
func (l lease) release(ctx context.Context) error {
	l.ttl = 0
	_, err := l.update(ctx, "holder = ?", l.holder)
	return err
}

func (l lease) update(ctx context.Context, where string, args ...any) (bool, error) {
	res, err := l.db.NewUpdate().Table("leases").Set("holder = ?", l.holder).
		Set("expires_at = clock_timestamp() + ?::float8 * interval '1 second'", l.ttl.Seconds()).
		Where("task = ?", l.task).Where("("+where+")", args...).Exec(ctx)
	if err != nil {
		return false, fmt.Errorf("lease of %s: %w", l.task, err)
	}
	n, err := res.RowsAffected()
	return n == 1, err
}
