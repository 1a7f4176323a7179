package tree_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"halite/db"
	"halite/internal/merkle"
	"halite/internal/pgtest"
	"halite/internal/tree"
)

// TestSealed: what is appended is in the tree, the tree is signed, and whoever has only
// the line, the proof and the verifier can tell.
func TestSealed(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.work(t)
	if f := l.facts(t); f.Tree != merkle.Empty || f.Signed != nil {
		t.Fatalf("an empty log: %+v", f)
	}
	for _, n := range []int{1, 2, 253, 1, 700, 5} {
		l.write(t, n)
		l.work(t)
		f := l.facts(t)
		if f.Tree != l.want(t, f.LastID) {
			t.Fatalf("%d entries: %+v", f.LastID, f.Tree)
		}
		v, err := note.NewVerifier(l.key.VerifierText())
		if err != nil {
			t.Fatal(err)
		}
		c, err := merkle.OpenCheckpoint(f.Signed, v)
		if err != nil || c.Tree != f.Tree || c.Origin != "example.org/log" {
			t.Fatalf("%+v, %v", c, err)
		}
		for _, id := range []int64{1, f.LastID/2 + 1, f.LastID} {
			proof, err := tlog.ProveRecord(c.N, id-1, tlog.TileHashReader(c.Tree, l.Tiles(t.Context())))
			if err != nil {
				t.Fatal(err)
			}
			e, err := l.Get(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if err := tlog.CheckRecord(proof, c.N, c.Hash, id-1, tlog.RecordHash(merkle.AppendLeaf(nil, &e))); err != nil {
				t.Errorf("entry %d of %d: %v", id, c.N, err)
			}
			e.ResultCode++
			if tlog.CheckRecord(proof, c.N, c.Hash, id-1, tlog.RecordHash(merkle.AppendLeaf(nil, &e))) == nil {
				t.Errorf("entry %d of %d: another one is proven too", id, c.N)
			}
		}
	}
	if err := l.Whole(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := l.mismatches(t); len(found) > 0 {
		t.Errorf("found %q", found)
	}
	// Each checkpoint goes on from the one before.
	notes := l.texts(t, "SELECT convert_from(note, 'UTF8') FROM checkpoint ORDER BY size")
	if len(notes) != 6 {
		t.Fatalf("%d checkpoints", len(notes))
	}
	last := l.facts(t).Tree
	for _, n := range notes {
		c, _, err := merkle.ReadCheckpoint([]byte(n))
		if err != nil {
			t.Fatal(err)
		}
		proof, err := tlog.ProveTree(last.N, c.N, tlog.TileHashReader(last, l.Tiles(t.Context())))
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckTree(proof, last.N, last.Hash, c.N, c.Hash); err != nil {
			t.Error(err)
		}
	}
}

// TestSealedMany: a log that was filled without a keeper, over several batches and months.
func TestSealedMany(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	owner, err := db.OpenOwner(t.Context(), db.Config{URL: l.url, Logger: pgtest.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	const rows = 2*tree.SealBatch + 777
	if err := owner.Generate(t.Context(), db.Generation{Rows: rows, Seed: 1, Months: 3}); err != nil {
		t.Fatal(err)
	}
	l.work(t)
	if f := l.facts(t); f.Tree.N != rows || f.Tree != l.want(t, rows) {
		t.Errorf("%+v", f)
	}
	if err := l.Whole(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := l.mismatches(t); len(found) > 0 {
		t.Errorf("found %q", found)
	}
}

// TestTwoSealers: keepers that take no heed of each other make the tree that one makes.
func TestTwoSealers(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	done := make(chan error)
	const keepers = 3
	for range keepers {
		k := l.keeper(l.DB, l.key)
		go func() {
			var err error
			for i := 0; i < 60 && err == nil; i++ {
				_, err = k.Work(context.Background(), i%3 == 0)
			}
			done <- err
		}()
	}
	for range 40 {
		l.write(t, 37)
	}
	for range keepers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	l.work(t)
	f := l.facts(t)
	if f.LastID != 40*37 || f.Tree != l.want(t, f.LastID) || f.Noted != f.Tree {
		t.Errorf("%+v", f)
	}
	if err := l.Whole(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := l.mismatches(t); len(found) > 0 {
		t.Errorf("found %q", found)
	}
}

// faulty lets one call fail, when so many are left before it: undone, or done and not
// answered.
type faulty struct {
	tree.Store
	left int
	done bool
}

var errFault = errors.New("a fault of the test's")

func (f *faulty) call(fn func() error) error {
	f.left--
	switch {
	case f.left == 0 && f.done:
		return errors.Join(errFault, fn())
	case f.left == 0:
		return errFault
	}
	return fn()
}

func (f *faulty) Ends(ctx context.Context) (lastID, size int64, err error) {
	err = f.call(func() error { lastID, size, err = f.Store.Ends(ctx); return err })
	return lastID, size, err
}

func (f *faulty) Facts(ctx context.Context) (facts tree.Facts, err error) {
	err = f.call(func() error { facts, err = f.Store.Facts(ctx); return err })
	return facts, err
}

func (f *faulty) Rows(ctx context.Context, first, last int64, since time.Time, each func(*tree.Row) error) error {
	return f.call(func() error { return f.Store.Rows(ctx, first, last, since, each) })
}

func (f *faulty) Grow(ctx context.Context, from, to merkle.Tree, lastAt time.Time, tiles []merkle.Tile) error {
	return f.call(func() error { return f.Store.Grow(ctx, from, to, lastAt, tiles) })
}

func (f *faulty) SaveCheckpoint(ctx context.Context, t merkle.Tree, signed []byte) error {
	return f.call(func() error { return f.Store.SaveCheckpoint(ctx, t, signed) })
}

// TestCrash ends a keeper at each of its calls, before it is done and after, when only the
// answer is lost. The same one, or the next, goes on to the same tree.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, done := range []bool{false, true} {
		for _, another := range []bool{false, true} {
			l := newLog(t)
			for at := 1; ; at++ {
				l.write(t, 300)
				f := &faulty{Store: l.DB, left: at, done: done}
				l.Keeper = l.keeper(f, l.key)
				_, err := l.Work(t.Context(), true)
				if f.left > 0 { // it came through without the fault
					break
				}
				if !errors.Is(err, errFault) {
					t.Fatalf("fault at call %d: error %v", at, err)
				}
				if another {
					l.Keeper = l.keeper(l.DB, l.key)
				}
				l.work(t)
				if got := l.facts(t); got.Tree != l.want(t, got.LastID) || got.Noted != got.Tree || got.Tree.N != got.LastID {
					t.Fatalf("after a fault at call %d: %+v", at, got)
				}
			}
			if found := l.mismatches(t); len(found) > 0 {
				t.Errorf("found %q", found)
			}
		}
	}
}

// TestKeepers: of two servers one works; when it ends, and when it is just gone, the other
// goes on.
func TestKeepers(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	signed := func(id int64) {
		t.Helper()
		deadline, tick := time.After(30*time.Second), time.NewTicker(20*time.Millisecond)
		defer tick.Stop()
		for l.facts(t).Noted.N < id {
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("entry %d was not signed: %+v", id, l.facts(t))
			}
		}
	}
	var keepers []*tree.Keeper
	for range 2 {
		k := tree.New(tree.Config{Store: l.DB, Gate: l.guard, Logger: pgtest.Quiet, Keys: []*merkle.Key{l.key}})
		k.Start(t.Context())
		t.Cleanup(k.Stop)
		keepers = append(keepers, k)
	}
	l.write(t, 3)
	signed(3)
	if s := keepers[1].Status(t.Context()); s != (tree.Status{Tree: "ok", Checkpoint: "ok"}) {
		t.Errorf("%+v", s)
	}
	l.write(t, 3)
	keepers[0].Stop() // seals and signs, or leaves it to the other
	l.write(t, 3)
	signed(9)
	keepers[1].Stop()
	l.exec(t, "UPDATE leases SET holder = gen_random_uuid(), expires_at = clock_timestamp() + interval '1 second' WHERE task = 'tree'") // of one that is gone
	k := tree.New(tree.Config{Store: l.DB, Gate: l.guard, Logger: pgtest.Quiet, Keys: []*merkle.Key{l.key}})
	l.write(t, 3)
	k.Start(t.Context())
	signed(12)
	l.write(t, 1)
	k.Stop()
	if f := l.facts(t); f.Noted.N != 13 {
		t.Errorf("stopped: %+v", f)
	}
}
