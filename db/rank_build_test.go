package db_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"halite/db"
)

// TestRankTwoBuilders: builders that know nothing of each other write what one would.
func TestRankTwoBuilders(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.write(t, 600, 0)
	if err := db.NewRankBuilder(h.DB, 4, 12, nil).Rebuild(t.Context(), h.DB); err != nil {
		t.Fatal(err)
	}
	want := texts(t, h.owner, rankRows)
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
	if diff := cmp.Diff(want, texts(t, h.owner, rankRows)); diff != "" {
		t.Error(diff)
	}
}

// rankRows are the rows of the rank index.
const rankRows = "SELECT r::text FROM audit_rank AS r ORDER BY 1"

// TestRankCrash ends a builder at each of its statements, before it is done and after,
// when only the answer is lost. What is there is true at once, and the next builder, or
// the same one, goes on to the same rows.
func TestRankCrash(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.write(t, 70, 0)
	if err := db.NewRankBuilder(h.DB, 4, 32, nil).Rebuild(t.Context(), h.DB); err != nil {
		t.Fatal(err)
	}
	want := texts(t, h.owner, rankRows)
	for _, answered := range []bool{false, true} {
		for _, another := range []bool{false, true} {
			for at := 1; ; at++ {
				exec(t, h.owner, "TRUNCATE audit_rank")
				f := &faulty{left: at, answered: answered}
				b := db.NewRankBuilder(h.DB, 4, 32, func(q db.Querier) db.Querier { f.Querier = q; return f })
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
				if diff := cmp.Diff(want, texts(t, h.owner, rankRows)); diff != "" {
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

// TestSlowBuilder: a builder takes its counts while the index has gone on without it, and
// writes when it has been emptied and built anew up to where its batch begins.
func TestSlowBuilder(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.write(t, 64, -1)
	step := func(b db.RankBuilder) {
		t.Helper()
		if covered, err := b.Step(t.Context()); err != nil || covered != 32 {
			t.Fatalf("%d covered, %v", covered, err)
		}
	}
	builder := func() db.RankBuilder { return db.NewRankBuilder(h.DB, 4, 32, nil) }
	quick := builder()
	step(quick)
	s := &slow{}
	queries := 0
	s.query = func() {
		if queries++; queries == 2 { // the first reads the batch
			step(quick)
		}
	}
	s.exec = func() {
		exec(t, h.owner, "TRUNCATE audit_rank")
		step(builder())
	}
	step(db.NewRankBuilder(h.DB, 4, 32, func(q db.Querier) db.Querier { s.Querier = q; return s }))
	if queries < 2 {
		t.Error("it took no counts")
	}
	got := texts(t, h.owner, rankRows)
	exec(t, h.owner, "TRUNCATE audit_rank")
	one := builder()
	step(one)
	step(one)
	if diff := cmp.Diff(texts(t, h.owner, rankRows), got); diff != "" {
		t.Error(diff)
	}
}

// slow lets something happen before each statement.
type slow struct {
	db.Querier
	query, exec func()
}

func (s *slow) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	s.query()
	return s.Querier.Query(ctx, sql, args...)
}

func (s *slow) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	s.exec()
	return s.Querier.Exec(ctx, sql, args...)
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
