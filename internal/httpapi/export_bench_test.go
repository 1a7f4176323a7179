package httpapi_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"

	"halite/internal/every"
	"halite/internal/httpapi/apitest"
	"halite/internal/pgtest"
)

// BenchmarkExport takes a log of BENCH_ROWS rows (1,000,000) away over HTTP, in each
// format, and beside it by the fastest that PostgreSQL has: COPY, in the order of the ids,
// as text. The ratio is of entries per second.
//
//	go test -run '^$' -bench Export -benchtime 1x -timeout 60m ./internal/httpapi
//
// BENCH_DATABASE_URL names a database of made-up rows to use, as its owner.
func BenchmarkExport(b *testing.B) {
	rows := number(b, "BENCH_ROWS", 1_000_000)
	dbURL := cmp.Or(os.Getenv("BENCH_DATABASE_URL"), pgtest.URL(b))
	fill(b, dbURL, rows)
	s := apitest.Start(b, apitest.Options{DBURL: dbURL})
	cookie := s.Cookie(b, "admin")
	owner := pgtest.Conn(b, dbURL, "halite")
	raw := func() (n, size int64) {
		out := &counter{}
		tag, err := owner.PgConn().CopyTo(b.Context(), out, "COPY (SELECT * FROM audit_log ORDER BY id) TO STDOUT")
		if err != nil {
			b.Fatal(err)
		}
		return tag.RowsAffected(), out.bytes
	}
	take := func(path, encoding string) (size int64) {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.URL+path, nil)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Cookie", cookie)
		req.Header.Set("Accept-Encoding", encoding)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		out := &counter{}
		if _, err := io.Copy(out, res.Body); err != nil || res.StatusCode != http.StatusOK {
			b.Fatal(res.Status, err)
		}
		return out.bytes
	}
	for b.Loop() {
		raw() // into the cache
		for _, c := range []struct{ name, path, encoding string }{
			{"ndjson", exportPath, "identity"},
			{"csv", exportPath + "?format=csv", "identity"},
			{"ndjson, gzip", exportPath, "gzip"},
		} {
			start := time.Now()
			n, size := raw()
			beside := time.Since(start)
			var peak atomic.Uint64
			heap := every.Start(20*time.Millisecond, func(context.Context) { peak.Store(max(peak.Load(), liveBytes())) })
			start = time.Now()
			got := take(c.path, c.encoding)
			took := time.Since(start)
			heap.Stop()
			fmt.Printf("%-14s %8.0f entries/s, %4.0f MB, heap %3d MB; COPY %8.0f entries/s, %4.0f MB; ratio %.2f\n", c.name,
				float64(n)/took.Seconds(), float64(got)/1e6, peak.Load()>>20, float64(n)/beside.Seconds(), float64(size)/1e6, beside.Seconds()/took.Seconds())
		}
	}
}

// liveBytes is how many bytes of objects the heap holds.
func liveBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// counter counts what is written to it.
type counter struct{ bytes int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.bytes += int64(len(b))
	return len(b), nil
}
