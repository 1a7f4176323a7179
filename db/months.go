package db

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// month is a partition of the log that holds entries.
type month struct {
	table string // as it is written in a statement
	at    time.Time
	first int64 // the first id in it
}

// months says which partition holds which ids. Ids are contiguous and times never
// decrease as ids grow, so each holds a range of them, and once an entry of a later month
// is there that stays as it is until it is dropped.
type months struct {
	through time.Time // of what comes later nothing is known
	all     []month   // the oldest first
}

// maxNamed is how many partitions a statement names at most. What lies in more is read
// from the log, so that there are not too many statements to prepare.
const maxNamed = 8

var monthTable = regexp.MustCompile(`^audit_log_\d{4}_\d\d$`)

// monthsOf returns what is known of the partitions for a reader of s.
func (d *DB) monthsOf(ctx context.Context, s span) (*months, error) {
	if m := d.known.Load(); m != nil && !m.through.Before(monthOf(s.last.at)) {
		return m, nil
	}
	m := &months{through: monthOf(s.last.at)}
	rows, err := d.pool.Query(ctx, "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'public.audit_log'::regclass")
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(names, func(name string) bool { return !monthTable.MatchString(name) }) {
		d.known.Store(m) // somebody has made partitions of his own: none is named
		return m, nil
	}
	slices.Sort(names)
	for _, name := range names {
		at, err := time.Parse("audit_log_2006_01", name)
		if err != nil {
			return nil, err
		}
		one := month{table: "public." + name, at: at}
		err = d.pool.QueryRow(ctx, "SELECT coalesce((SELECT id FROM "+one.table+" ORDER BY id LIMIT 1), 0)").Scan(&one.first)
		if err != nil {
			return nil, err
		}
		if one.first > 0 {
			m.all = append(m.all, one)
		}
	}
	d.known.Store(m)
	return m, nil
}

// of returns the partitions that hold the ids from lo to hi, which there are, the oldest
// first. It reports false if they are too many to be named, or not known.
func (m *months) of(lo, hi int64) ([]month, bool) {
	if hi < lo {
		return nil, true
	}
	after := func(id int64) int { // the first partition behind that of id
		i, found := slices.BinarySearchFunc(m.all, id, func(m month, id int64) int { return int(min(max(m.first-id, -1), 1)) })
		if found {
			i++
		}
		return i
	}
	begin, end := after(lo)-1, after(hi)
	if begin < 0 || end-begin > maxNamed {
		return nil, false
	}
	return m.all[begin:end], true
}

// marks are the blocks of a key from which a page is found. Ids that are 0 stand for
// blocks that there are not.
type marks struct {
	begin  int64 // counts are of the entries behind this id
	bottom mark  // the first one that ends in the range
	top    mark  // the last one
	start  mark  // the page begins before its end if no more than a block has been written since top
	stop   int64 // the last block that ends before the page does
}

// mark is where a block ends, and what it has counted.
type mark struct{ id, n int64 }

// locateNamed is locate by statements that name the partitions: one on the rank index, which
// tells where to look, and one that looks there. PostgreSQL spends most of a lookup on
// opening the indexes of all partitions; so it opens those of a few.
//
// All blocks are read by one statement. What is counted beside them is of entries that
// never change, so that it does not matter when. It reports false if locate has to be
// asked: there are too many partitions, one was dropped, or may not be read by its name, or
// the index is behind.
func (n neighbours) locateNamed(ctx context.Context, offset int64, limit int) (l located, ok bool, err error) {
	k, ok, err := n.lookup(ctx, offset, limit)
	if err != nil || !ok {
		return l, false, ignoreNames(err)
	}
	var above int64
	if err := n.pool.QueryRow(ctx, k.sql, append([]any{n.hot}, k.args...)...).Scan(&l.total, &above, &l.ids); err != nil {
		n.known.Store(nil) // the next reader looks at the partitions anew
		return l, false, ignoreNames(err)
	}
	if k.lessAbove && above > k.skip {
		return l, false, nil
	}
	l.total += k.counted + above
	if len(k.page) > 0 {
		from, to := k.page[0].at, k.page[len(k.page)-1].at.AddDate(0, 1, 0).Add(-time.Microsecond)
		l.from, l.to = &from, &to
	}
	return l, true, nil
}

// lookup is where a page and what is to be counted for its total lie.
type lookup struct {
	counted   int64 // by the rank index, between its blocks
	page      []month
	skip      int64 // entries of the page's range to pass over
	lessAbove bool  // so many fewer as there are above the last block
	sql       string
	args      []any
}

// lookup finds where to look. It reports false if that cannot be named.
func (n neighbours) lookup(ctx context.Context, offset int64, limit int) (l lookup, ok bool, err error) {
	known, err := n.monthsOf(ctx, n.span)
	if err != nil {
		return l, false, err
	}
	k, s := n.keys[0], locateShape(n.keys[0].kind, n.decision)
	l.skip = min(offset, n.hi-n.lo+1)
	var m marks
	err = n.pool.QueryRow(ctx, marksSQL[s], n.hot, k.user, k.action, n.lo, n.hi, l.skip, limit).
		Scan(&m.begin, &m.bottom.id, &m.bottom.n, &m.top.id, &m.top.n, &m.start.id, &m.start.n, &m.stop)
	if err != nil {
		return l, false, err
	}
	nothing := idRange{1, 0}
	below, above, page := nothing, idRange{n.lo, n.hi}, idRange{max(n.lo, m.stop+1), n.hi}
	if m.top.id > 0 {
		l.counted, above.lo = m.top.n, max(n.lo, m.top.id+1)
		if m.begin < 0 || n.lo > m.begin+1 {
			l.counted -= m.bottom.n
			below = idRange{n.lo, m.bottom.id}
		}
	}
	if m.start.id > 0 {
		page.hi, l.skip, l.lessAbove = m.start.id, l.skip-(m.top.n-m.start.n), true
	}
	if limit == 0 {
		page = nothing
	}
	var named [3][]string
	for i, r := range []idRange{below, above, page} {
		in, ok := known.of(r.lo, r.hi)
		if !ok {
			return l, false, nil
		}
		for _, m := range in {
			named[i] = append(named[i], m.table)
		}
		l.page = in // the last one is the page's
	}
	l.sql = s.named(named[0], named[1], named[2])
	l.args = []any{k.user, k.action, below.lo, below.hi, above.lo, above.hi, page.lo, page.hi, l.skip, l.lessAbove, limit}
	return l, true, nil
}

// ignoreNames is err, unless it says that a partition is not there or may not be read.
func ignoreNames(err error) error {
	if s := sqlState(err); err == nil || s == undefinedTable || s == insufficientPrivilege {
		return nil
	}
	return fmt.Errorf("locate entries: %w", err)
}

const insufficientPrivilege = "42501"

var marksSQL = makeMarksSQL()

// makeMarksSQL makes the statements that find marks. Their parameters are those of locate,
// without the span's.
func makeMarksSQL() map[shape]string {
	const text = `
WITH bottom AS MATERIALIZED (
	SELECT id, $count AS n FROM audit_rank WHERE $blocks AND id >= $3::bigint - 1 AND id <= $4::bigint ORDER BY id LIMIT 1
), top AS MATERIALIZED (
	SELECT id, $count AS n FROM audit_rank WHERE $blocks AND id >= $3 - 1 AND id <= $4 ORDER BY id DESC LIMIT 1
), start AS MATERIALIZED (
	SELECT r.id, r.n FROM top, bottom CROSS JOIN LATERAL (
		SELECT id, $count AS n FROM audit_rank
		WHERE $blocks AND $count >= greatest(top.n - $5::bigint, bottom.n) AND $count <= top.n ORDER BY $count OFFSET 1 LIMIT 1
	) AS r WHERE $5 > 0
), stop AS MATERIALIZED (
	SELECT r.id FROM top, bottom CROSS JOIN LATERAL (
		SELECT id FROM audit_rank
		WHERE $blocks AND $count <= top.n - $5 - $6::int AND $count >= bottom.n ORDER BY $count DESC LIMIT 1
	) AS r
)
SELECT coalesce((SELECT id - allowed - denied FROM audit_rank WHERE $log ORDER BY id LIMIT 1), -1),
	coalesce((SELECT id FROM bottom), 0), coalesce((SELECT n FROM bottom), 0), coalesce((SELECT id FROM top), 0), coalesce((SELECT n FROM top), 0),
	coalesce((SELECT id FROM start), 0), coalesce((SELECT n FROM start), 0), coalesce((SELECT id FROM stop), 0)`
	out := map[shape]string{}
	for s := range locateSQL {
		out[s] = strings.NewReplacer("$count", s.count(), "$blocks", s.kind.blocks("$1::uuid", "$2::text"), "$log", logBlocks).Replace(text)
	}
	return out
}

// named is the statement that counts below, and above, and finds the page, in partitions
// that it names. Its parameters are the user, the action, the three ranges of ids, how many
// entries of the page's range to pass over, whether so many fewer as are above, and the
// limit.
func (s shape) named(below, above, page []string) string {
	count := func(in []string, lo, hi string) string {
		out := []string{"0"}
		for _, table := range in {
			out = append(out, s.countsIn(table, "$1", "$2", lo, hi))
		}
		return strings.Join(out, " + ")
	}
	ids := []string{"SELECT 0::bigint AS id WHERE false"}
	if len(page) > 0 {
		ids = nil
	}
	for _, table := range page {
		ids = append(ids, s.idsIn(table, "DESC", "$1", "$2", "$7", "$8"))
	}
	// What is given and not used must have a type.
	return "WITH given AS (SELECT $1::uuid, $2::text, $3::bigint, $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::bigint),\n" +
		"above AS MATERIALIZED (SELECT " + count(above, "$5", "$6") + " AS n)\n" +
		"SELECT " + count(below, "$3", "$4") + ", n, array(SELECT id FROM (" + strings.Join(ids, " UNION ALL ") +
		") AS e ORDER BY id DESC OFFSET greatest($9::bigint - CASE WHEN $10::boolean THEN n ELSE 0 END, 0) LIMIT $11) FROM above"
}
