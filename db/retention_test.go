package db_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
	"halite/internal/retention"
	"halite/internal/tree"
)

// seal seals all of the log: what is not sealed is not dropped.
func seal(tb testing.TB, d *db.DB) {
	tb.Helper()
	k := tree.New(tree.Config{Store: d, Logger: pgtest.Quiet, Retained: d.Retained})
	k.Start(tb.Context())
	k.Stop()
}

// dropOldest drops the oldest partition that is older than a day. There must be one.
func dropOldest(tb testing.TB, d *db.DB, archive *retention.Archived) (retention.Partition, audit.Entry) {
	tb.Helper()
	seal(tb, d)
	p, ok, err := d.OldestPartition(tb.Context(), 1, time.Now())
	if err != nil || !ok {
		tb.Fatalf("the oldest partition: %+v, %t, %v", p, ok, err)
	}
	x, err := d.BeginDrop(tb.Context(), p, archive)
	if err != nil {
		tb.Fatal(err)
	}
	defer x.Close()
	e, err := x.Change(tb.Context(), x.Run, func(err error) audit.Entry {
		if err != nil {
			tb.Error(err)
		}
		return entry("audit.retention")
	})
	if err != nil {
		tb.Fatal(err)
	}
	return p, e
}

// TestDropPartition: what is dropped, and what is left of it.
func TestDropPartition(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.write(t, 3, 0)
	h.write(t, 4, 2) // the month between is empty
	if err := h.EnsurePartitions(t.Context(), historyStart.AddDate(0, 1, 0)); err != nil {
		t.Fatal(err)
	}
	h.write(t, 2, -1)
	archive := &retention.Archived{File: "a.ndjson.zst", SHA256: [32]byte{1, 2}}
	for i, want := range []struct {
		name        string
		first, last int64
		archive     *retention.Archived
	}{{"audit_log_2020_01", 1, 3, archive}, {"audit_log_2020_03", 4, 7, nil}} {
		p, e := dropOldest(t, h.DB, want.archive)
		if p.Name != want.name || p.FirstID != want.first || p.LastID != want.last || e.ID != int64(10+i) {
			t.Errorf("%+v, row %d", p, e.ID)
		}
		if page, err := h.List(t.Context(), audit.Query{Limit: 500, Counted: true}); err != nil || page.Total != e.ID-want.last || int64(len(page.Entries)) != page.Total {
			t.Errorf("%d of %d entries, %v", len(page.Entries), page.Total, err)
		}
		if _, err := h.Get(t.Context(), want.last); !errors.Is(err, audit.ErrNotFound) {
			t.Errorf("a dropped entry: %v", err)
		}
	}
	if p, ok, err := h.OldestPartition(t.Context(), 1, time.Now().AddDate(1, 0, 0)); ok || err != nil {
		t.Errorf("the present month is to be dropped: %+v, %v", p, err)
	}
	got := texts(t, h.owner, `SELECT concat_ws(' ', partition, first_id, last_id, to_char(first_at AT TIME ZONE 'UTC', 'YYYY-MM'), to_char(last_at AT TIME ZONE 'UTC', 'YYYY-MM'),
		coalesce(archive, '-'), coalesce(left(encode(archive_sha256, 'hex'), 6), '-'), entry_id) FROM audit_retention ORDER BY first_id`)
	if diff := cmp.Diff([]string{"audit_log_2020_01 1 3 2020-01 2020-01 a.ndjson.zst 010200 10", "audit_log_2020_03 4 7 2020-03 2020-03 - - 11"}, got); diff != "" {
		t.Error(diff)
	}
	if names := strings.Join(partitions(t, h.owner), " "); strings.Contains(names, "2020_01") || strings.Contains(names, "2020_03") {
		t.Errorf("partitions %s", names)
	}
	if health := h.CheckHealth(t.Context()); health.Writable != nil || health.AppendOnly != "ok" {
		t.Error(health)
	}
	exec(t, h.owner, "ALTER TABLE audit_retention DISABLE TRIGGER audit_retention_no_change")
	if health := h.CheckHealth(t.Context()); !strings.Contains(health.AppendOnly, "audit_retention") {
		t.Error(health)
	}
	exec(t, h.owner, "ALTER TABLE audit_retention ENABLE ALWAYS TRIGGER audit_retention_no_change")
	for _, sql := range []string{"UPDATE audit_retention SET last_id = 2", "DELETE FROM audit_retention", "TRUNCATE audit_retention"} {
		wantDenied(t, h.owner, sql)
	}
	exec(t, h.owner, "SET ROLE halite_app")
	for _, sql := range []string{
		"INSERT INTO audit_retention SELECT * FROM audit_retention", "DROP TABLE " + partitions(t, h.owner)[0], "UPDATE audit_retention SET last_id = 2",
	} {
		wantDenied(t, h.owner, sql)
	}
}

// TestNothingToDrop: a partition that is too young by either clock, and one that is not
// whole or not the oldest there is.
func TestNothingToDrop(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	if _, ok, err := h.OldestPartition(t.Context(), 1, time.Now()); ok || err != nil {
		t.Errorf("an empty log: %t, %v", ok, err)
	}
	h.write(t, 5, 0)
	h.write(t, 5, 1)
	if _, ok, err := h.OldestPartition(t.Context(), 1, time.Now()); ok || err == nil || !strings.Contains(err.Error(), "sealed up to entry 0 only") {
		t.Errorf("not sealed: %t, %v", ok, err)
	}
	seal(t, h.DB)
	exec(t, h.owner, "INSERT INTO tree_mismatch (kind, id, detail) VALUES ('changed', 5, 'x')")
	if _, ok, err := h.OldestPartition(t.Context(), 1, time.Now()); ok || err == nil || !strings.Contains(err.Error(), "entry 5 is not as it was sealed") {
		t.Errorf("not as it was sealed: %t, %v", ok, err)
	}
	exec(t, h.owner, "DELETE FROM tree_mismatch")
	age := int(time.Since(h.kept[4].At) / (24 * time.Hour))
	for _, c := range []struct {
		what string
		days int
		now  time.Time
		want bool
	}{
		{"of age", age - 1, time.Now(), true},
		{"younger", age + 1, time.Now(), false},
		{"younger by this clock", 1, h.kept[4].At, false},
		{"younger by the database's", age + 1, time.Now().AddDate(10, 0, 0), false},
	} {
		if _, ok, err := h.OldestPartition(t.Context(), c.days, c.now); ok != c.want || err != nil {
			t.Errorf("%s: %t, %v", c.what, ok, err)
		}
	}
	superuser := pgtest.Conn(t, h.owner.Config().ConnString(), "postgres")
	exec(t, superuser, "ALTER TABLE audit_log_2020_01 DISABLE TRIGGER USER")
	exec(t, superuser, "DELETE FROM audit_log_2020_01 WHERE id = 3")
	if _, ok, err := h.OldestPartition(t.Context(), 1, time.Now()); ok || err == nil || !strings.Contains(err.Error(), "there are 4 entries between 1 and 5") {
		t.Errorf("a row is missing: %t, %v", ok, err)
	}
	exec(t, superuser, "ALTER TABLE audit_log DETACH PARTITION audit_log_2020_01")
	exec(t, superuser, "ALTER TABLE audit_log_2020_01 RENAME TO elsewhere")
	exec(t, superuser, "ALTER TABLE audit_log ATTACH PARTITION elsewhere FOR VALUES FROM ('2020-01-01 00:00:00+00') TO ('2020-02-01 00:00:00+00')")
	if _, ok, err := h.OldestPartition(t.Context(), 1, time.Now()); ok || err == nil || !strings.Contains(err.Error(), "begins with entry 6, the log with entry 1") {
		t.Errorf("not the oldest: %t, %v", ok, err)
	}
}

// TestDropWaits: whoever holds the log keeps a drop waiting and is not disturbed; the drop
// lets others through while it waits, and goes on when it can. It gives up in the end.
func TestDropWaits(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.write(t, 5, 0)
	h.write(t, 5, -1)
	seal(t, h.DB)
	p, ok, err := h.OldestPartition(t.Context(), 1, time.Now())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	tx, err := h.owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM audit_log").Scan(&n); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := h.BeginDrop(ctx, p, nil); !errors.Is(err, retention.ErrBusy) {
		t.Errorf("beside a transaction that has read the log: %v", err)
	}
	began := make(chan error)
	go func() {
		x, err := h.BeginDrop(context.WithoutCancel(ctx), p, nil)
		if err == nil {
			x.Close()
		}
		began <- err
	}()
	for range 20 {
		record(t, h.DB, entry("a.b"))
	}
	if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM audit_log").Scan(&n); err != nil || n != 30 {
		t.Errorf("%d rows, %v", n, err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-began; err != nil {
		t.Errorf("afterwards: %v", err)
	}
	// It was closed without a change: everything is there, and others do not wait.
	if page, err := h.List(t.Context(), audit.Query{Limit: 1, Counted: true}); err != nil || page.Total != 30 {
		t.Errorf("total %d, %v", page.Total, err)
	}
	if got, _ := dropOldest(t, h.DB, nil); got != p {
		t.Errorf("%+v, want %+v", got, p)
	}
	if _, err := h.BeginDrop(t.Context(), p, nil); !errors.Is(err, retention.ErrDropped) {
		t.Errorf("once more: %v", err)
	}
}

// TestReadWhileDropping asks while entries are written and one month after the other is
// dropped. No answer is an error, and each is of one moment.
func TestReadWhileDropping(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	const months = 24
	firsts := []int64{1} // ids with which the log began at some moment
	for m := range months {
		h.write(t, 40+h.rnd.IntN(60), m)
		firsts = append(firsts, h.kept[len(h.kept)-1].ID+1)
	}
	past := slices.Clone(h.kept)
	b := db.NewRankBuilder(h.DB, 4, 64, nil)
	if err := b.Rebuild(t.Context(), h.DB); err != nil {
		t.Fatal(err)
	}
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
	// More of them keep two cores so busy that nobody has the log for himself.
	ours, theirs := rand.New(rand.NewPCG(1, 3)), rand.New(rand.NewPCG(1, 5))
	background(func() error { _, err := recorder.Record(randomEntry(ours)); return err })
	background(func() error {
		_, err := h.Change(t.Context(), func(context.Context) error { return nil }, func(error) audit.Entry { return randomEntry(theirs) })
		return err
	})
	background(func() error { _, err := b.Step(context.Background()); return err })
	other := pgtest.OpenURL(t, h.owner.Config().ConnString()) // another server
	dropped := make(chan struct{})
	go func() {
		defer close(dropped)
		for range months {
			dropOldest(t, other, nil)
		}
	}()

	type answer struct {
		q    audit.Query
		page audit.Page
	}
	var mu sync.Mutex
	var answers []answer
	for r := range 2 {
		rnd := rand.New(rand.NewPCG(uint64(r), 4))
		background(func() error {
			q := randomQuery(rnd, past)
			q.Filter.Until = nil
			q.Counted, q.Limit = true, max(q.Limit, 1)
			page, err := h.List(context.Background(), q)
			if err != nil {
				return fmt.Errorf("%s: %w", show(q), err)
			}
			mu.Lock()
			answers = append(answers, answer{q, page})
			mu.Unlock()
			w := audit.Window{Filter: q.Filter, Limit: q.Limit, Oldest: rnd.IntN(2) == 0, Above: rnd.Int64N(500)}
			if _, err := h.Window(context.Background(), w); err != nil {
				return err
			}
			first, last, err := h.Bounds(context.Background(), q.Filter)
			if err == nil {
				_, err = h.Ascend(context.Background(), q.Filter, first, last, 50)
			}
			return err
		})
	}
	<-dropped
	end()
	rows, err := h.owner.Query(t.Context(), `SELECT id, at, user_id, action, decision, resource, result_code, duration_ms, coalesce(reason, ''),
		coalesce(salt_jid, ''), coalesce(request_id, ''), args_json FROM audit_log ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	now, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e audit.Entry, err error) {
		return e, row.Scan(&e.ID, &e.At, &e.UserID, &e.Action, &e.Decision, &e.Resource, &e.ResultCode, &e.DurationMS, &e.Reason,
			&e.SaltJID, &e.RequestID, (*[]byte)(&e.Args))
	})
	if err != nil {
		t.Fatal(err)
	}
	if now[0].ID != past[len(past)-1].ID+1 {
		t.Fatalf("the log begins with entry %d", now[0].ID)
	}
	all := append(past, now...)
	moments := map[int64]bool{}
	for _, a := range answers {
		var got []int64
		for _, e := range a.page.Entries {
			got = append(got, e.ID)
		}
		var want []int64
		if !slices.ContainsFunc(firsts, func(first int64) bool {
			want = pageOf(all, first, a.q, a.page.Total)
			same := cmp.Equal(want, got, cmpopts.EquateEmpty())
			if same {
				moments[first] = true
			}
			return same
		}) {
			t.Fatalf("%s, total %d: %v, lately %v", show(a.q), a.page.Total, got, want)
		}
	}
	t.Logf("%d answers of %d logs", len(answers), len(moments))
}

// pageOf is the page of q in the log that began with an entry and held so many that q
// selects; nil and one id that there is not if it never did.
func pageOf(all []audit.Entry, first int64, q audit.Query, total int64) []int64 {
	var ids []int64
	for _, e := range all[first-1:] {
		if int64(len(ids)) < total && selects(q.Filter, e) && inTime(q.Filter, e) {
			ids = append(ids, e.ID)
		}
	}
	if int64(len(ids)) < total {
		return []int64{-1}
	}
	slices.Reverse(ids)
	ids = ids[min(q.Offset, total):]
	return ids[:min(q.Limit, len(ids))]
}
