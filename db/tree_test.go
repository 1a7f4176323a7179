package db_test

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"halite/db"
	"halite/internal/merkle"
	"halite/internal/pgtest"
	"halite/internal/tree"
)

// sealAll seals all that is there, and stores a checkpoint over it, which nobody signed.
func sealAll(t *testing.T, d *db.DB) {
	t.Helper()
	f, err := d.Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	edge, err := merkle.LoadEdge(f.Tree, d.Tiles(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	var h merkle.Hasher
	var at time.Time
	if err := d.Rows(t.Context(), f.Tree.N+1, f.LastID, time.Time{}, func(r *tree.Row) error {
		edge.Append(h.Leaf(&r.Entry))
		at = r.At
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := d.Grow(t.Context(), f.Tree, edge.Tree(), at, edge.Take()); err != nil {
		t.Fatal(err)
	}
	if err := d.SaveCheckpoint(t.Context(), edge.Tree(), []byte("unsigned")); err != nil {
		t.Fatal(err)
	}
}

// TestTreeOvertaken: who takes the tree to be where it is not does nothing.
func TestTreeOvertaken(t *testing.T) {
	t.Parallel()
	d := pgtest.Open(t)
	record(t, d, entry("a.b"))
	sealAll(t, d)
	before, err := d.Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	to := merkle.Tree{N: 2, Hash: tlog.Hash{1}}
	tile := merkle.Tile{Tile: tlog.Tile{H: 8, N: 1, W: 1}, Hashes: make([]byte, 32)}
	for name, from := range map[string]merkle.Tree{"size": {N: 0, Hash: before.Tree.Hash}, "root": {N: 1, Hash: tlog.Hash{2}}} {
		if err := d.Grow(t.Context(), from, to, time.Now(), []merkle.Tile{tile}); !errors.Is(err, tree.ErrOvertaken) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	for name, of := range map[string]merkle.Tree{"signed already": before.Tree, "not the tree": to} {
		if err := d.SaveCheckpoint(t.Context(), of, []byte("x")); !errors.Is(err, tree.ErrOvertaken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	data, err := d.Tiles(t.Context()).ReadTiles([]tlog.Tile{{H: 8, N: 0, W: 1}, {H: 8, N: 1, W: 1}, {H: 8, N: 0, W: 5}})
	if err != nil || len(data[0]) != 32 || len(data[1]) != 0 || len(data[2]) != 32 {
		t.Errorf("%v, %v", data, err)
	}
	if after, err := d.Facts(t.Context()); err != nil || after.Tree != before.Tree || after.Noted != before.Noted {
		t.Errorf("%+v, %v", after, err)
	}
}

// TestThinCheckpoints: all of the last hour stay, the last of each hour for 90 days, then
// the last of each day.
func TestThinCheckpoints(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	d := pgtest.OpenURL(t, u)
	c := pgtest.Conn(t, u, "postgres")
	exec(t, c, `INSERT INTO checkpoint (size, root, note, signed_at)
		SELECT row_number() OVER (ORDER BY at), sha256(''), '', at FROM (
			SELECT date_trunc('day', now(), 'UTC') - interval '100 days' + n * interval '6 hours' AS at FROM generate_series(0, 8) AS n
			UNION ALL SELECT date_trunc('hour', now(), 'UTC') - interval '40 hours' + n * interval '20 minutes' FROM generate_series(0, 8) AS n
			UNION ALL SELECT now() - n * interval '10 seconds' FROM generate_series(0, 8) AS n) AS times`)
	for range 2 {
		if err := d.ThinCheckpoints(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := texts(t, c, "SELECT count(*) FILTER (WHERE size <= 9) || ' ' || count(*) FILTER (WHERE size BETWEEN 10 AND 18) || ' ' || count(*) FILTER (WHERE size > 18) || ' ' || min(size) FROM checkpoint")
		if got[0] != "3 3 9 4" {
			t.Errorf("left: %s", got[0])
		}
	}
}
