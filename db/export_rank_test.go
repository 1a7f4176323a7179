package db

import (
	"context"
	"time"

	"github.com/google/uuid"

	"halite/internal/audit"
)

// RankBlockSize is the size of blocks that the program builds.
const RankBlockSize = blockSize

// ServingSetup is what a connection that serves requests is told at first.
var ServingSetup = servingSetup("")

// Querier is what a builder of the rank index works on.
type Querier = querier

// RankBuilder is a builder of the rank index with blocks of a test's size.
type RankBuilder struct{ *rankBuilder }

// NewRankBuilder works on the connections that serve requests, or, if wrap is not nil,
// on what it makes of them.
func NewRankBuilder(d *DB, block, batch int64, wrap func(Querier) Querier) RankBuilder {
	b := newRankBuilder(d.pool, d.hot)
	b.block, b.batch = block, batch
	if wrap != nil {
		b.conn = wrap(b.conn)
	}
	return RankBuilder{b}
}

// Step builds a batch.
func (b RankBuilder) Step(ctx context.Context) (int64, error) { return b.step(ctx) }

// Keep is KeepRank with this builder.
func (b RankBuilder) Keep(d *DB) (stop func()) { return d.keepRank(b.rankBuilder) }

// Rebuild is RebuildRank with blocks of this builder's size.
func (b RankBuilder) Rebuild(ctx context.Context, d *DB) error {
	owner := newRankBuilder(d.opool, d.hot)
	owner.block, owner.batch = b.block, b.batch
	return d.rebuildRank(ctx, owner, func(int64) {})
}

// Lookup is the statement that counts and finds a page of a filter, with its parameters.
func (d *DB) Lookup(ctx context.Context, f audit.Filter, lo, hi, offset int64, limit int) (sql string, args []any, err error) {
	s, err := d.span(ctx)
	if err != nil {
		return "", nil, err
	}
	sel, _ := compile(f)
	n := neighbours{DB: d, span: s, selection: sel, lo: lo, hi: hi}
	l, err := n.lookup(ctx, offset, limit, d.bounds.above)
	if err != nil {
		return "", nil, err
	}
	err = n.naming(ctx, []idRange{l.below, l.above, l.page}, func(in [][]string) error { sql = l.sql(in, true); return nil })
	if err != nil {
		return "", nil, err
	}
	from, to, err := n.timesOf(ctx, s, l.page.lo, l.page.hi)
	return sql, l.args(from, to), err
}

// Next is the statement that reads the newest or the oldest entries of the key of a filter among the ids
// from lo to hi, with its parameters. For several keys, which are of one kind, it finds their ids.
func (d *DB) Next(ctx context.Context, f audit.Filter, lo, hi int64, limit int, oldest bool) (sql string, args []any, err error) {
	s, err := d.span(ctx)
	if err != nil {
		return "", nil, err
	}
	sel, _ := compile(f)
	n := neighbours{DB: d, span: s, selection: sel, lo: lo, hi: hi}
	o := ordered{shapeOf(sel.keys[0].kind, sel.decision), oldest}
	var users []uuid.UUID
	var actions []string
	for _, k := range sel.keys {
		users, actions = append(users, k.user), append(actions, k.action)
	}
	within, err := n.near(ctx, sel.keys[0].kind, users, actions, lo, hi, limit, oldest)
	if err != nil {
		return "", nil, err
	}
	args = []any{users, actions, within.los, within.his, limit}
	one := len(sel.keys) == 1
	if one {
		from, to, err := n.timesOf(ctx, s, lo, hi)
		if err != nil {
			return "", nil, err
		}
		args = []any{users[0], actions[0], within.los[0], within.his[0], limit, from, to}
	}
	err = n.naming(ctx, []idRange{within.all()}, func(in [][]string) error {
		if sql = o.idsSQL(in[0]); one {
			sql = o.entriesSQL(in[0], false)
		}
		return nil
	})
	return sql, args, err
}

// SetBounds sets the bound of a search, of what is passed over at most before a page of
// several keys, and how many entries above the last block are reckoned with. It is called
// before d is used by others.
func SetBounds(d *DB, search int, passed, above int64) { d.bounds = readBounds{search, passed, above} }

// SearchSQL is the statement of a search, on a range of ids and on given ones.
func SearchSQL() (byRange, byIDs string) { return searchSQL.byRange, searchSQL.byIDs }

// FacetSQL is the statement that counts by a value, on a range of ids and on given ones.
func FacetSQL(by audit.Facet) (byRange, byIDs string) {
	return facetSQL[by].byRange, facetSQL[by].byIDs
}

// TallySQL is the statement that counts the entries of several keys of the kind that the
// first key of a filter has.
func TallySQL(f audit.Filter) string {
	s, _ := compile(f)
	return tallySQL[shapeOf(s.keys[0].kind, s.decision)]
}

// NameSQL is the statement that finds the newest names of users.
var NameSQL = nameSQL

// DistinctSQL are the statements that find the users and the actions of the log.
func DistinctSQL() (users, actions string) { return distinctUsers, distinctActions }

// Lease is a lease of the rank index, of a new holder.
type Lease struct{ lease }

// NewLease lasts for ttl from when it is taken.
func NewLease(d *DB, ttl time.Duration) Lease {
	return Lease{lease{db: d.app, task: "rank", holder: uuid.New(), ttl: ttl}}
}

func (l Lease) Take(ctx context.Context) (bool, error) { return l.take(ctx) }
func (l Lease) Seize(ctx context.Context) error        { return l.seize(ctx) }
func (l Lease) Release(ctx context.Context) error      { return l.release(ctx) }
