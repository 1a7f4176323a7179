package merkle_test

import (
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/merkle"
)

// TestTilePath: the examples of C2SP tlog-tiles, and what is none.
func TestTilePath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]tlog.Tile{
		"tile/0/x001/x234/067":   {H: 8, L: 0, N: 1234067, W: 256},
		"tile/1/000":             {H: 8, L: 1, N: 0, W: 256},
		"tile/2/000.p/17":        {H: 8, L: 2, N: 0, W: 17},
		"tile/entries/x273/112":  {H: 8, L: -1, N: 273112, W: 256},
		"tile/entries/000.p/255": {H: 8, L: -1, N: 0, W: 255},
	} {
		got, err := merkle.ParseTilePath(path)
		if err != nil || got != want || merkle.TilePath(want) != path {
			t.Errorf("%s: %+v, %v; written %s", path, got, err, merkle.TilePath(want))
		}
	}
	for _, path := range []string{
		"", "tile", "tile/0", "tile/8/0/000", "tile/data/000", "tile/00/000", "tile/-1/000", "tile/0/1", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01",
		"tile/0/x000/001", "tile/0/../000", "tile/0/x001", "/tile/0/000", "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
	} {
		if got, err := merkle.ParseTilePath(path); err == nil {
			t.Errorf("%s: %+v", path, got)
		}
	}
}
