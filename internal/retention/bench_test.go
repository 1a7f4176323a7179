package retention_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"halite/db"
	"halite/internal/pgtest"
	"halite/internal/retention"
)

// BenchmarkArchive archives a month of some 100,000 entries, which includes that the archive
// is verified, and verifies it once more.
//
//	go test -run '^$' -bench Archive -benchtime 1x ./internal/retention
func BenchmarkArchive(b *testing.B) {
	u := pgtest.URL(b)
	o, err := db.OpenOwner(b.Context(), db.Config{URL: u, Logger: pgtest.Quiet})
	if err != nil {
		b.Fatal(err)
	}
	defer o.Close()
	if err := o.Generate(b.Context(), db.Generation{Rows: 300_000, Seed: 1, Months: 3}); err != nil {
		b.Fatal(err)
	}
	d := pgtest.OpenURL(b, u)
	var p retention.Partition
	row := pgtest.Conn(b, u, "halite").QueryRow(b.Context(), `SELECT tableoid::regclass::text, min(id), max(id), min(at), max(at) FROM audit_log
		GROUP BY 1 ORDER BY count(*) DESC LIMIT 1`)
	if err := row.Scan(&p.Name, &p.FirstID, &p.LastID, &p.FirstAt, &p.LastAt); err != nil {
		b.Fatal(err)
	}
	p.Month = p.FirstAt.UTC()
	for b.Loop() {
		dir := b.TempDir()
		start := time.Now()
		m, err := retention.EnsureArchive(b.Context(), d, dir, p)
		if err != nil {
			b.Fatal(err)
		}
		wrote := time.Since(start)
		start = time.Now()
		if _, err := retention.Verify(b.Context(), filepath.Join(dir, m.File)); err != nil {
			b.Fatal(err)
		}
		verified := time.Since(start)
		rate := func(d time.Duration) float64 { return float64(m.Count) / d.Seconds() }
		manifest, err := os.Stat(filepath.Join(dir, m.File[:len(m.File)-len(".ndjson.zst")]+".manifest.json"))
		if err != nil {
			b.Fatal(err)
		}
		fmt.Printf("\n%d entries, %.1f MB as NDJSON, %.1f MB compressed, %.1f KB of manifest; archived and verified %.0f/s, verified %.0f/s\n", m.Count,
			float64(m.ContentBytes)/1e6, float64(m.Bytes)/1e6, float64(manifest.Size())/1e3, rate(wrote), rate(verified))
	}
}
