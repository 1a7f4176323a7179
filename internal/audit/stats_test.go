package audit_test

import (
	"testing"
	"time"

	"halite/internal/audit"
)

// TestBuckets: where buckets begin and end, in UTC, over the ends of months and years.
func TestBuckets(t *testing.T) {
	t.Parallel()
	at := func(s string) time.Time {
		out, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range []struct {
		step         audit.Step
		first, last  string
		since, until string // of the first bucket
		n            int
	}{
		{audit.Minute, "2026-01-02T03:04:59.999999Z", "2026-01-02T03:05:00Z", "2026-01-02T03:04:00Z", "2026-01-02T03:05:00Z", 2},
		{audit.Minute, "2026-01-02T03:04:00Z", "2026-01-02T03:04:00Z", "2026-01-02T03:04:00Z", "2026-01-02T03:05:00Z", 1},
		{audit.QuarterHour, "2026-01-02T03:14:59Z", "2026-01-02T04:00:00Z", "2026-01-02T03:00:00Z", "2026-01-02T03:15:00Z", 5},
		{audit.Hour, "2026-01-02T00:30:00+01:00", "2026-01-02T00:59:59Z", "2026-01-01T23:00:00Z", "2026-01-02T00:00:00Z", 2},
		{audit.Day, "2024-02-28T23:59:59.999999Z", "2024-03-01T00:00:00Z", "2024-02-28T00:00:00Z", "2024-02-29T00:00:00Z", 3},
		{audit.Day, "2026-03-29T00:30:00+02:00", "2026-03-29T00:00:00Z", "2026-03-28T00:00:00Z", "2026-03-29T00:00:00Z", 2},
		{audit.Week, "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z", "2025-12-29T00:00:00Z", "2026-01-05T00:00:00Z", 2}, // a Thursday
		{audit.Week, "2026-01-04T23:59:59Z", "2026-01-04T23:59:59Z", "2025-12-29T00:00:00Z", "2026-01-05T00:00:00Z", 1}, // a Sunday
		{audit.Month, "2025-12-31T23:59:59Z", "2026-02-28T00:00:00Z", "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z", 3},
	} {
		got, ok := c.step.Buckets(at(c.first), at(c.last), c.n)
		if !ok || len(got) != c.n || !got[0].Since.Equal(at(c.since)) || !got[0].Until.Equal(at(c.until)) || got[0].Since.Location() != time.UTC {
			t.Errorf("%s from %s to %s: %v, %t", c.step, c.first, c.last, got, ok)
		}
		if out, ok := c.step.Buckets(at(c.first), at(c.last), c.n-1); ok || out != nil {
			t.Errorf("%s from %s to %s: more than %d buckets", c.step, c.first, c.last, c.n-1)
		}
	}
}
