package db

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// headChannel is where servers tell each other that they have written to the log.
const headChannel = "halite_head"

// news is what the other servers on the database have to be told: that there are entries
// which they have not written.
//
// They are told after the commit, by one notification for all that was written since the
// last one. In the transaction that appends it would cost a twelfth of the rate of few
// callers. What a crash keeps from being told they find by themselves, seconds later.
type news struct {
	written atomic.Bool          // since they were told
	head    atomic.Pointer[Head] // is told first; nil: nobody watches
}

// announce is called after the commit of the entry of an id, the last one of its batch.
func (d *DB) announce(id int64) {
	d.news.written.Store(true)
	if h := d.news.head.Load(); h != nil {
		h.wrote(id)
	}
}

// announceLast tells of what nobody has told of, as where no head was watched.
func (d *DB) announceLast() {
	if d.pool == nil || !d.news.written.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := d.news.read(ctx, d.pool); err != nil {
		d.logger.Debug("entries not announced", "error", err)
	}
}

// read returns the last id of the log, and tells of what was written here until now.
func (n *news) read(ctx context.Context, conn interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
},
) (last int64, err error) {
	sql := "SELECT last_id FROM public.audit_head"
	written := n.written.Swap(false)
	if written {
		sql = "SELECT last_id FROM public.audit_head, pg_notify('" + headChannel + "', '')"
	}
	if err := conn.QueryRow(ctx, sql).Scan(&last); err != nil {
		if written {
			n.written.Store(true)
		}
		return 0, fmt.Errorf("read the head of the log: %w", err)
	}
	return last, nil
}

// listener is a connection to which other servers' notifications come. It is for one
// goroutine.
type listener struct {
	conn     *pgx.Conn
	notified bool
}

// listen connects past a pooler: what is listened to is the session's.
func (d *DB) listen(ctx context.Context) (*listener, error) {
	l := &listener{}
	cfg := d.opool.Config().ConnConfig
	cfg.OnNotification = func(c *pgconn.PgConn, n *pgconn.Notification) {
		if n.PID != c.PID() { // else it is our own
			l.notified = true
		}
	}
	cfg.RuntimeParams["application_name"] += " listen"
	var err error
	if l.conn, err = pgx.ConnectConfig(ctx, cfg); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, headTimeout)
	defer cancel()
	if _, err := l.conn.Exec(ctx, "LISTEN "+headChannel); err != nil {
		l.close()
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// await returns when there was a notification, or when ctx ends, which is no error.
func (l *listener) await(ctx context.Context) error {
	for !l.notified {
		err := l.conn.PgConn().WaitForNotification(ctx)
		if ctx.Err() != nil && !l.conn.IsClosed() {
			return nil
		}
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
	}
	return nil
}

func (l *listener) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.conn.Close(ctx)
}
