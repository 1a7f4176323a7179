package db_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"halite/internal/intake"
	"halite/internal/pgtest"
	"halite/internal/synthetic"
)

var (
	importRows   = flag.Int("import.rows", 200_000, "rows of BenchmarkImport")
	importRounds = flag.Int("import.rounds", 5, "its rounds, by turns with COPY")
)

// BenchmarkImport compares an import of NDJSON with what PostgreSQL takes at least: COPY
// of the very same rows, as one file and one statement, into the same table of another
// database. Both run by turns in the same run.
//
//	go test -run '^$' -bench Import -benchtime 1x -timeout 60m ./db
func BenchmarkImport(b *testing.B) {
	dir := b.TempDir()
	source := filepath.Join(dir, "source.ndjson")
	writeSource(b, source, *importRows)
	for b.Loop() {
		fmt.Printf("\n%d rows\n%10s %10s %10s %10s %8s\n", *importRows, "read s", "write s", "tidy s", "COPY s", "ratio")
		var ratios []float64
		for range *importRounds {
			u := pgtest.URL(b)
			read, write, tidy := importOnce(b, u, source)
			raw := copyOnce(b, u, pgtest.URL(b), filepath.Join(dir, "rows.copy"))
			ratios = append(ratios, (read+write)/raw)
			fmt.Printf("%10.1f %10.1f %10.1f %10.1f %8.2f\n", read, write, tidy, raw, (read+write)/raw)
		}
		slices.Sort(ratios)
		fmt.Printf("median ratio %.2f\n", ratios[len(ratios)/2])
	}
}

// writeSource writes n made-up rows of a year as NDJSON, as the REST route words them.
func writeSource(b *testing.B, path string, n int) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	s := synthetic.New(1)
	at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	step := 364 * 24 * time.Hour / time.Duration(n)
	for i := range n {
		e := s.Next()
		at = at.Add(step)
		row := map[string]any{
			"id": i + 1, "at": at, "action": e.Action, "resource": e.Resource, "args_json": e.Args, "decision": e.Decision,
			"result_code": e.ResultCode, "duration_ms": e.DurationMS, "username": e.Username, "verb": e.Verb, "reason": e.Reason,
			"request_id": e.RequestID, "source_ip": e.SourceIP, "user_agent": e.UserAgent,
		}
		if e.UserID.Valid {
			row["user_id"] = e.UserID.UUID
		}
		line, err := json.Marshal(row)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = w.Write(append(line, '\n'))
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// importOnce returns how many seconds the parts of an import take.
func importOnce(b *testing.B, url, path string) (read, write, tidy float64) {
	b.Helper()
	into, err := openOwner(b, url).BeginImport(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer into.Close()
	start := time.Now()
	lap := func() float64 { s := time.Since(start).Seconds(); start = time.Now(); return s }
	entries := readSource(b, path, intake.Options{Now: into.Now()})
	defer entries.Close()
	read = lap()
	if err := into.From(path, entries.Digest); err != nil {
		b.Fatal(err)
	}
	if err := intake.Write(b.Context(), entries, into, nil); err != nil {
		b.Fatal(err)
	}
	write = lap()
	if err := into.Tidy(b.Context()); err != nil {
		b.Fatal(err)
	}
	return read, write, lap()
}

// copyOnce copies the log of one database into another and returns how many seconds the
// writing takes.
func copyOnce(b *testing.B, from, to, path string) float64 {
	b.Helper()
	src, dst := pgtest.Conn(b, from, "halite"), pgtest.Conn(b, to, "halite")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := src.PgConn().CopyTo(b.Context(), f, "COPY (SELECT * FROM audit_log ORDER BY id) TO STDOUT"); err != nil {
		b.Fatal(err)
	}
	d := openOwner(b, to)
	for m := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC); m.Year() < 2026; m = m.AddDate(0, 1, 0) {
		if err := d.EnsurePartitions(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := f.Seek(0, 0); err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	err = pgx.BeginFunc(b.Context(), dst, func(tx pgx.Tx) error {
		_, err := tx.Conn().PgConn().CopyFrom(b.Context(), f, "COPY audit_log FROM STDIN")
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return time.Since(start).Seconds()
}
