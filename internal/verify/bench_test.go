package verify_test

import (
	"bufio"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"halite/internal/verify"
)

// BenchmarkFile checks an export of 100,000 entries on one core: what a million take is
// ten times that. Beside it the same lines are read by encoding/json, and nothing else is
// done with them.
//
//	GOMAXPROCS=1 go test -run '^$' -bench File -benchtime 5x ./internal/verify
func BenchmarkFile(b *testing.B) {
	const n = 100_000
	l := newLog(b, n)
	text := l.export(b, 1, n, n)
	seen := l.checkpoint(b, n/2)
	b.SetBytes(int64(len(text)))
	var checked, read time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := verify.File(strings.NewReader(text), l.known(), &seen, nil); err != nil {
			b.Fatal(err)
		}
		checked += time.Since(start)
		start = time.Now()
		lines := bufio.NewScanner(strings.NewReader(text))
		for lines.Scan() {
			var e struct {
				ID                                                                   int64
				At, UserID, Action, Resource, Decision, Username, Verb, Reason, Leaf string
				ArgsJSON                                                             json.RawMessage `json:"args_json"`
			}
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				b.Fatal(err)
			}
		}
		read += time.Since(start)
	}
	b.ReportMetric(float64(checked.Nanoseconds())/float64(b.N)/n, "ns/entry")
	b.ReportMetric(float64(read)/float64(checked), "json/verify")
}
