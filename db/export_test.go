package db

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
)

// SQLState is for tests: the SQLSTATE of a server's error, or empty.
var SQLState = sqlState

// WatchNotified is for tests: WatchHead, but for as long as it is connected it looks only
// when it is notified.
func (d *DB) WatchNotified() *Head { return d.watchHead(time.Hour) }

// CountQueries is for tests: it says how many statements bun has sent since for what d
// serves. It is called before d is used by others.
func (d *DB) CountQueries() *atomic.Int64 {
	hook := &queryCounter{}
	d.app = d.app.WithQueryHook(hook)
	return &hook.sent
}

type queryCounter struct{ sent atomic.Int64 }

func (*queryCounter) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

func (q *queryCounter) AfterQuery(context.Context, *bun.QueryEvent) { q.sent.Add(1) }
