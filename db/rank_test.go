package db_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
)

// history is a log with months in the past, and what is in it.
type history struct {
	*db.DB
	owner   *pgx.Conn
	rnd     *rand.Rand
	kept    []audit.Entry // what is still there, in order
	dropped int           // months whose partitions are gone
}

// historyStart is the first month of every history.
var historyStart = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func newHistory(t *testing.T) *history {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	u := pgtest.URL(t)
	return &history{DB: pgtest.OpenURL(t, u), owner: pgtest.Conn(t, u, "halite"), rnd: rand.New(rand.NewPCG(seed, 0))}
}

// write appends n random entries, in a month of the past (counted from historyStart), or
// now if month is negative. Some share their time.
func (h *history) write(t *testing.T, n, month int) {
	t.Helper()
	batch := make([]*audit.Entry, n)
	for i := range batch {
		e := randomEntry(h.rnd)
		batch[i] = &e
	}
	if month < 0 {
		if err := h.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	} else {
		h.writeAt(t, batch, historyStart.AddDate(0, month, 0))
	}
	for _, e := range batch {
		h.kept = append(h.kept, *e)
	}
}

// writeAt appends a batch in one of many steps of time from a month's start on.
func (h *history) writeAt(t *testing.T, batch []*audit.Entry, at time.Time) {
	t.Helper()
	if err := h.EnsurePartitions(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	err := pgx.BeginFunc(t.Context(), h.owner, func(tx pgx.Tx) error {
		var base int64
		var lastAt time.Time
		if err := tx.QueryRow(t.Context(), "SELECT last_id, last_at FROM audit_head FOR UPDATE").Scan(&base, &lastAt); err != nil {
			return err
		}
		if lastAt.After(at) {
			at = lastAt.UTC()
		}
		for i, e := range batch {
			at = at.Add(time.Duration(h.rnd.IntN(2)*h.rnd.IntN(1000)) * time.Microsecond)
			e.ID, e.At = base+int64(i)+1, at
			if _, err := tx.Exec(t.Context(), `INSERT INTO audit_log (id, at, user_id, action, resource, decision, result_code)
				VALUES ($1, $2, $3, $4, $5, $6, $7)`, e.ID, e.At, e.UserID, e.Action, e.Resource, e.Decision, e.ResultCode); err != nil {
				return err
			}
		}
		_, err := tx.Exec(t.Context(), "UPDATE audit_head SET last_id = $1, last_at = $2", base+int64(len(batch)), at)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// drop drops the first month's partition.
func (h *history) drop(t *testing.T) {
	t.Helper()
	end := historyStart.AddDate(0, h.dropped+1, 0)
	exec(t, h.owner, "DROP TABLE audit_log_"+historyStart.AddDate(0, h.dropped, 0).Format("2006_01"))
	h.dropped++
	h.kept = slices.DeleteFunc(h.kept, func(e audit.Entry) bool { return e.At.Before(end) })
}

// check asks n random questions and holds the answers against plain SQL.
func (h *history) check(t *testing.T, n int) {
	t.Helper()
	for range n {
		checkList(t, h.DB, h.owner, randomQuery(h.rnd, h.kept), func(id int64) audit.Entry { return h.kept[id-h.kept[0].ID] })
	}
}

// TestRank does what may happen to the index in random order, and asks random questions
// after each step: entries are written, two builders build, the index is built anew, the
// first partitions are dropped. Blocks are so small that every way through them is taken.
func TestRank(t *testing.T) {
	t.Parallel()
	for _, block := range []int64{1, 2, 5, 16} {
		t.Run(fmt.Sprint("blocks of ", block), func(t *testing.T) {
			t.Parallel()
			h := newHistory(t)
			builders := []db.RankBuilder{
				db.NewRankBuilder(h.DB, block, block*(1+h.rnd.Int64N(20)), nil), db.NewRankBuilder(h.DB, block, block*(1+h.rnd.Int64N(20)), nil),
			}
			month := 0
			h.write(t, 1, 0)
			for range 120 {
				switch p := h.rnd.IntN(20); {
				case p < 6:
					if month < 6 && h.rnd.IntN(3) == 0 {
						month++
					}
					h.write(t, 1+h.rnd.IntN(30), month)
				case p < 8 && month == 6: // and no more in the past
					h.write(t, 1+h.rnd.IntN(30), -1)
					month = -1
				case p < 8 && month < 0:
					h.write(t, 1+h.rnd.IntN(30), -1)
				case p == 8 && h.dropped < 5 && (month < 0 || h.dropped < month):
					h.drop(t)
				case p == 9:
					if err := builders[0].Rebuild(t.Context(), h.DB); err != nil {
						t.Fatal(err)
					}
				default:
					if _, err := builders[p%2].Step(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				h.check(t, 4)
			}
		})
	}
}

// TestRankRows: what is built is what counting says, whoever built it and in whatever
// batches.
func TestRankRows(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.write(t, 400, 0)
	const block = 8
	var want []string
	counts := map[string][2]int64{}
	for _, e := range h.kept {
		user, kind := "00000000-0000-0000-0000-000000000000", 4
		if e.UserID.Valid {
			user, kind = e.UserID.UUID.String(), 1
		}
		for _, key := range []string{
			"0 00000000-0000-0000-0000-000000000000 ", fmt.Sprintf("%d %s ", kind, user),
			"2 00000000-0000-0000-0000-000000000000 " + e.Action, fmt.Sprintf("%d %s %s", kind+2, user, e.Action),
		} {
			n := counts[key]
			if e.Decision == audit.Deny {
				n[1]++
			} else {
				n[0]++
			}
			counts[key] = n
			if (n[0]+n[1])%block == 0 {
				want = append(want, fmt.Sprintf("%s %d %s %d %d", key, e.ID, e.At.Format("15:04:05.000000"), n[0], n[1]))
			}
		}
	}
	slices.Sort(want)
	const rows = `SELECT concat_ws(' ', kind, user_id, action, id, to_char(at AT TIME ZONE 'UTC', 'HH24:MI:SS.US'), allowed, denied) FROM audit_rank`
	for _, batch := range []int64{block, 3 * block, 400} {
		if err := db.NewRankBuilder(h.DB, block, batch, nil).Rebuild(t.Context(), h.DB); err != nil {
			t.Fatal(err)
		}
		got := texts(t, h.owner, rows)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("in batches of %d:\n%s", batch, diff)
		}
	}
}

// TestRankTwoBuilders: builders that know nothing of each other write what one would.
func TestRankTwoBuilders(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.write(t, 600, 0)
	const rows = "SELECT r::text FROM audit_rank AS r ORDER BY 1"
	if err := db.NewRankBuilder(h.DB, 4, 12, nil).Rebuild(t.Context(), h.DB); err != nil {
		t.Fatal(err)
	}
	want := texts(t, h.owner, rows)
	exec(t, h.owner, "TRUNCATE audit_rank")
	done := make(chan error)
	for range 3 {
		b := db.NewRankBuilder(h.DB, 4, 12, nil)
		go func() {
			var err error
			for range 400 { // most of them find that another was faster
				if _, err = b.Step(context.Background()); err != nil {
					break
				}
			}
			done <- err
		}()
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(want, texts(t, h.owner, rows)); diff != "" {
		t.Error(diff)
	}
}

// TestRankCrash ends a builder at each of its statements, before it is done and after,
// when only the answer is lost. What is there is true at once, and the next builder, or
// the same one, goes on to the same rows.
func TestRankCrash(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.write(t, 200, 0)
	const rows = "SELECT r::text FROM audit_rank AS r ORDER BY 1"
	if err := db.NewRankBuilder(h.DB, 4, 40, nil).Rebuild(t.Context(), h.DB); err != nil {
		t.Fatal(err)
	}
	want := texts(t, h.owner, rows)
	for _, answered := range []bool{false, true} {
		for _, another := range []bool{false, true} {
			for at := 1; ; at++ {
				exec(t, h.owner, "TRUNCATE audit_rank")
				f := &faulty{left: at, answered: answered}
				b := db.NewRankBuilder(h.DB, 4, 40, func(q db.Querier) db.Querier { f.Querier = q; return f })
				var err error
				for covered := int64(1); covered > 0 && err == nil; {
					covered, err = b.Step(t.Context())
				}
				if f.left > 0 { // it came through without the fault
					break
				}
				if !errors.Is(err, errFault) {
					t.Fatalf("fault at statement %d: error %v", at, err)
				}
				h.check(t, 1)
				if another {
					b = db.NewRankBuilder(h.DB, 4, 24, nil)
				}
				for covered := int64(1); covered > 0; {
					if covered, err = b.Step(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(want, texts(t, h.owner, rows)); diff != "" {
					t.Fatalf("after a fault at statement %d:\n%s", at, diff)
				}
			}
		}
	}
}

// faulty lets one statement fail, when so many are left before it: undone, or done and
// not answered.
type faulty struct {
	db.Querier
	left     int
	answered bool
}

var errFault = errors.New("a fault of the test's")

func (f *faulty) due() bool { f.left--; return f.left == 0 }

func (f *faulty) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	due := f.due()
	if due && !f.answered {
		return pgconn.CommandTag{}, errFault
	}
	tag, err := f.Querier.Exec(ctx, sql, args...)
	if due {
		return pgconn.CommandTag{}, errors.Join(errFault, err)
	}
	return tag, err
}

func (f *faulty) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if f.due() {
		return nil, errFault
	}
	return f.Querier.Query(ctx, sql, args...)
}

func (f *faulty) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if f.due() {
		return failedRow{}
	}
	return f.Querier.QueryRow(ctx, sql, args...)
}

type failedRow struct{}

func (failedRow) Scan(...any) error { return errFault }

// TestRankWhileWriting asks while entries are written, two servers build and the index
// is emptied and built anew again and again. Each answer is of one moment.
func TestRankWhileWriting(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	recorder := audit.NewRecorder(h.DB, audit.DefaultQueue, pgtest.Quiet)
	quit := make(chan struct{})
	var wg sync.WaitGroup
	end := sync.OnceFunc(func() { close(quit); wg.Wait(); recorder.Stop() })
	t.Cleanup(end)
	background := func(fn func() error) {
		wg.Go(func() {
			for {
				select {
				case <-quit:
					return
				default:
				}
				if err := fn(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for w := range 4 {
		rnd := rand.New(rand.NewPCG(uint64(w), 3))
		background(func() error { _, err := recorder.Record(randomEntry(rnd)); return err })
	}
	builder := func() db.RankBuilder { return db.NewRankBuilder(h.DB, 4, 64, nil) }
	for range 2 {
		b := builder()
		background(func() error { _, err := b.Step(context.Background()); return err })
	}
	b := builder()
	background(func() error { return b.Rebuild(context.Background(), h.DB) })

	type answer struct {
		q    audit.Query
		page audit.Page
	}
	var answers []answer
	for range 150 {
		e := randomEntry(h.rnd)
		q := audit.Query{Limit: 1 + h.rnd.IntN(20), Offset: int64(h.rnd.IntN(40)), Counted: true}
		if h.rnd.IntN(2) == 0 && e.UserID.Valid {
			q.Filter.UserID = &e.UserID.UUID
		}
		if h.rnd.IntN(2) == 0 {
			q.Filter.Action = &e.Action
		}
		if h.rnd.IntN(2) == 0 {
			q.Filter.Decision = &e.Decision
		}
		page, err := h.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer{q, page})
	}
	end()
	rows, err := h.owner.Query(t.Context(), "SELECT id, user_id, action, decision FROM audit_log ORDER BY id DESC")
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e audit.Entry, err error) {
		return e, row.Scan(&e.ID, &e.UserID, &e.Action, &e.Decision)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range answers {
		// The moment of the answer is told by its total: so many of the entries that the
		// filter selects were there, the oldest ones.
		var want []int64
		for _, e := range all {
			if selects(a.q.Filter, e) {
				want = append(want, e.ID)
			}
		}
		if a.page.Total > int64(len(want)) {
			t.Fatalf("%s: total %d, there are %d", show(a.q), a.page.Total, len(want))
		}
		want = want[int64(len(want))-a.page.Total:]
		want = want[min(a.q.Offset, a.page.Total):]
		want = want[:min(a.q.Limit, len(want))]
		var got []int64
		for _, e := range a.page.Entries {
			got = append(got, e.ID)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s, total %d:\n%s", show(a.q), a.page.Total, diff)
		}
	}
}

func selects(f audit.Filter, e audit.Entry) bool {
	return (f.UserID == nil || e.UserID.Valid && e.UserID.UUID == *f.UserID) && (f.Action == nil || e.Action == *f.Action) &&
		(f.Decision == nil || e.Decision == *f.Decision)
}

// TestKeepRank: of two servers one builds, and when it ends the other goes on.
func TestKeepRank(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	const block = 4
	var stops []func()
	wrote := make(chan int, 100)
	for i := range 2 {
		b := db.NewRankBuilder(h.DB, block, block, func(q db.Querier) db.Querier { return told{q, func() { wrote <- i }} })
		stops = append(stops, b.Keep(h.DB))
	}
	seen := map[int]bool{}
	for range 5 {
		h.write(t, block, -1)
		seen[<-wrote] = true
	}
	if len(seen) != 1 {
		t.Fatal("both build at once")
	}
	for i := range seen {
		stops[i]()
		h.write(t, block, -1)
		if by := <-wrote; by == i {
			t.Errorf("server %d builds after it was stopped", i)
		}
		stops[1-i]()
	}
	h.check(t, 20)
}

// told says when a statement that writes has been done.
type told struct {
	db.Querier
	done func()
}

func (q told) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	tag, err := q.Querier.Exec(ctx, sql, args...)
	q.done()
	return tag, err
}
