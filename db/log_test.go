package db_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
)

// sample is what random entries and random filters choose from.
var sample = struct {
	users                                       []uuid.NullUUID
	actions, resources, reasons, jobs, requests []string
}{
	[]uuid.NullUUID{{}, {UUID: uuid.UUID{1}, Valid: true}, {UUID: uuid.UUID{2}, Valid: true}},
	[]string{"audit.list", "auth.login", "auth.Login", "job.run", "ключ.принять"},
	[]string{"test:x", "test:100%", "test:a_b", `test:a\b`, "key:web-01", "key:WEB-02", "key:*", "ключ:ё"},
	[]string{"", "allowed by role admin: * *", "no match", "web-01 is 100% a_b"},
	[]string{"", "", "20260101000000000001", "20260101000000000002"},
	[]string{"r1", "r2", "r3", "R3"},
}

func randomEntry(rnd *rand.Rand) audit.Entry {
	e := audit.Entry{
		UserID: sample.users[rnd.IntN(len(sample.users))], Action: sample.actions[rnd.IntN(4)+rnd.IntN(2)],
		Resource: pick(rnd, sample.resources), Decision: audit.Allow, ResultCode: 200 + rnd.IntN(300), DurationMS: rnd.IntN(20),
		Reason: pick(rnd, sample.reasons), SaltJID: pick(rnd, sample.jobs), RequestID: pick(rnd, sample.requests),
	}
	if rnd.IntN(3) == 0 {
		e.Args = fmt.Appendf(nil, `{"tgt": "web-%02d", "Über": "100%%"}`, rnd.IntN(4))
	}
	if rnd.IntN(3) == 0 {
		e.Decision = audit.Deny
	}
	return e
}

func pick[T any](rnd *rand.Rand, of []T) T { return of[rnd.IntN(len(of))] }

// TestList holds pages and totals of random queries against plain SQL.
func TestList(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	d := pgtest.OpenURL(t, u)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	var all []audit.Entry
	for range 60 {
		batch := make([]*audit.Entry, 1+rnd.IntN(12))
		for i := range batch {
			e := randomEntry(rnd)
			batch[i] = &e
		}
		if err := d.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		for _, e := range batch {
			all = append(all, *e)
		}
	}
	c := pgtest.Conn(t, u, "halite")
	for range 250 {
		q := randomQuery(rnd, all)
		checkList(t, d, c, q, func(id int64) audit.Entry { return all[id-1] })
	}
	for _, e := range all[:20] {
		if got, err := d.Get(t.Context(), e.ID); err != nil || !cmp.Equal(got, e) {
			t.Errorf("Get(%d) = %+v, %v", e.ID, got, err)
		}
	}
	for _, id := range []int64{0, -1, int64(len(all) + 1), math.MaxInt64, math.MinInt64} {
		if _, err := d.Get(t.Context(), id); !errors.Is(err, audit.ErrNotFound) {
			t.Errorf("Get(%d): %v, want %v", id, err, audit.ErrNotFound)
		}
	}
}

// checkList holds a page and its total against plain SQL. byID are the log's entries.
func checkList(t *testing.T, d *db.DB, c *pgx.Conn, q audit.Query, byID func(int64) audit.Entry) {
	t.Helper()
	page, err := d.List(t.Context(), q)
	if err != nil {
		t.Fatalf("%s: %v", show(q), err)
	}
	clause, args := plainSQL(q.Filter)
	var total int64
	if err := c.QueryRow(t.Context(), "SELECT count(*) FROM audit_log"+clause, args...).Scan(&total); err != nil {
		t.Fatal(err)
	}
	rows, err := c.Query(t.Context(), fmt.Sprintf("SELECT id FROM audit_log%s ORDER BY at DESC, id DESC LIMIT %d OFFSET %d", clause, q.Limit, q.Offset), args...)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	want := audit.Page{Entries: []audit.Entry{}}
	if q.Counted {
		want.Total = total
	}
	for _, id := range ids {
		want.Entries = append(want.Entries, byID(id))
	}
	if q.Limit == 0 {
		want.Entries = nil
	}
	if err := c.QueryRow(t.Context(), "SELECT least(last_id, greatest(coalesce($1::bigint, last_id), 0)) FROM audit_head", q.Filter.AsOf).Scan(&want.AsOf); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, page); diff != "" {
		t.Fatalf("%s:\n%.3000s", show(q), diff)
	}
}

// show is a query with its pointers followed.
func show(q audit.Query) string {
	clause, args := plainSQL(q.Filter)
	return fmt.Sprintf("limit %d offset %d counted %t%s %q", q.Limit, q.Offset, q.Counted, clause, args)
}

func randomQuery(rnd *rand.Rand, all []audit.Entry) audit.Query {
	q := audit.Query{Limit: rnd.IntN(audit.MaxLimit + 1), Counted: rnd.IntN(2) == 0}
	switch rnd.IntN(4) {
	case 0:
		q.Limit = rnd.IntN(5)
	case 1:
		q.Offset = int64(rnd.IntN(len(all) + 10))
	case 2:
		q.Offset = []int64{math.MaxInt64, math.MaxInt64 - 500, int64(len(all)), int64(len(all)) - 1}[rnd.IntN(4)]
	}
	if rnd.IntN(3) == 0 {
		q.Filter.UserID = &[]uuid.UUID{{1}, {2}, {3}, {}}[rnd.IntN(4)]
	}
	if rnd.IntN(3) == 0 {
		q.Filter.Action = &append(sample.actions, "", "none", "\x00", "\xff", "%", strings.Repeat("x", 1000))[rnd.IntN(len(sample.actions)+6)]
	}
	if rnd.IntN(3) == 0 {
		q.Filter.Decision = &[]audit.Decision{audit.Allow, audit.Deny, "", "Allow", "\x00"}[rnd.IntN(5)]
	}
	at := func() *time.Time {
		moments := []time.Time{
			all[rnd.IntN(len(all))].At, all[rnd.IntN(len(all))].At.Add(time.Microsecond), all[rnd.IntN(len(all))].At.Add(-time.Microsecond),
			all[rnd.IntN(len(all))].At.In(time.FixedZone("", 5*3600)), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
		}
		return &moments[rnd.IntN(len(moments))]
	}
	if rnd.IntN(3) == 0 {
		q.Filter.Since = at()
	}
	if rnd.IntN(3) == 0 {
		q.Filter.Until = at()
	}
	if rnd.IntN(3) == 0 {
		q.Filter.AsOf = &[]int64{all[rnd.IntN(len(all))].ID, all[0].ID - 1, all[len(all)-1].ID + 1, 0, math.MinInt64, math.MaxInt64}[rnd.IntN(6)]
	}
	if rnd.IntN(2) == 0 {
		randomLists(rnd, &q.Filter)
	}
	if rnd.IntN(3) == 0 {
		randomSearch(rnd, &q.Filter)
	}
	return q
}

// TestListWhileWriting: page and total are of one moment, whatever is written.
func TestListWhileWriting(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	d := pgtest.OpenURL(t, u)
	r := audit.NewRecorder(d, audit.DefaultQueue, pgtest.Quiet)
	quit := make(chan struct{})
	var wg sync.WaitGroup
	var stop sync.Once
	end := func() { stop.Do(func() { close(quit) }); wg.Wait(); r.Stop() }
	t.Cleanup(end)
	for w := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 2))
			for {
				select {
				case <-quit:
					return
				default:
				}
				if w == 0 {
					if _, err := d.Change(context.Background(), func(context.Context) error { return nil }, func(error) audit.Entry { return randomEntry(rnd) }); err != nil {
						t.Error(err)
						return
					}
				} else if _, err := r.Record(randomEntry(rnd)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	type answer struct {
		filter audit.Filter
		page   audit.Page
	}
	var answers []answer
	deny, action := audit.Deny, "auth.login"
	for range 60 {
		for _, f := range []audit.Filter{{}, {Decision: &deny}, {Action: &action}} {
			page, err := d.List(t.Context(), audit.Query{Filter: f, Limit: audit.MaxLimit, Counted: true})
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, answer{f, page})
		}
	}
	end()
	c := pgtest.Conn(t, u, "halite")
	rows, err := c.Query(t.Context(), "SELECT id, action, decision FROM audit_log ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e audit.Entry, err error) {
		return e, row.Scan(&e.ID, &e.Action, &e.Decision)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range answers {
		// The moment of the answer lies at its newest entry or behind it, before the
		// next that the filter selects: the same selection of the finished log.
		var want []int64
		for _, e := range all {
			selected := (a.filter.Action == nil || e.Action == action) && (a.filter.Decision == nil || e.Decision == deny)
			if selected && len(a.page.Entries) > 0 && e.ID <= a.page.Entries[0].ID {
				want = append(want, e.ID)
			}
		}
		if a.page.Total != int64(len(want)) {
			t.Fatalf("total %d, there are %d entries up to the newest of the page", a.page.Total, len(want))
		}
		if len(a.page.Entries) != min(len(want), audit.MaxLimit) {
			t.Fatalf("%d entries of %d", len(a.page.Entries), len(want))
		}
		for i, e := range a.page.Entries {
			if e.ID != want[len(want)-1-i] {
				t.Fatalf("place %d of the page is %d, want %d", i, e.ID, want[len(want)-1-i])
			}
		}
	}
}
