package verify_test

import (
	"strings"
	"testing"

	"halite/internal/verify"
)

// BenchmarkFile checks an export of 100,000 entries on one core: what a million take is
// ten times that.
//
//	GOMAXPROCS=1 go test -run '^$' -bench File -benchtime 5x ./internal/verify
func BenchmarkFile(b *testing.B) {
	const n = 100_000
	l := newLog(b, n)
	text := l.export(b, 1, n, n)
	seen := l.checkpoint(b, n/2)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := verify.File(strings.NewReader(text), l.known(), &seen, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entry")
}
