package db

import (
	"context"
	"fmt"
	"time"

	"halite/internal/audit"
)

// outcome says what became of a transaction whose COMMIT failed: nil if it is
// committed, cause if it was rolled back, ErrOutcomeUnknown if that cannot be learnt
// before ctx ends. ctx's own end does not count while there is time left to ask.
//
// After a crash PostgreSQL may not know the transaction any more, and may have given
// its id to another. So a commit counts only together with the row.
func (d *DB) outcome(ctx context.Context, a appended, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTimeout)
	defer cancel()
	for {
		var status *string
		var visible, there bool
		err := d.pool.QueryRow(ctx, "SELECT pg_xact_status($1::text::xid8)", a.xid).Scan(&status)
		switch {
		case sqlState(err) == "22023": // in the future
			return cause
		case err == nil && status != nil && *status == "aborted":
			return cause
		case err == nil && status != nil && *status == "committed":
			// In one snapshot, taken after that answer: a transaction that is about to end
			// may be committed and not yet visible.
			err := d.pool.QueryRow(ctx, `SELECT pg_visible_in_snapshot($1::text::xid8, pg_current_snapshot()),
				EXISTS (SELECT FROM audit_log WHERE id = $2 AND at = $3)`, a.xid, a.first, a.at).Scan(&visible, &there)
			switch {
			case err == nil && visible && !there:
				return cause
			case err == nil && visible:
				d.logger.Warn("the answer of a commit was lost; it had been done", "xid", a.xid, "error", cause)
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", audit.ErrOutcomeUnknown, cause)
		case <-time.After(outcomePause):
		}
	}
}

const (
	outcomeTimeout = 8 * time.Second
	outcomePause   = 20 * time.Millisecond
)
