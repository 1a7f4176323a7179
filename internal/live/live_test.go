package live_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/live"
	"halite/internal/pgtest"
	"halite/internal/tree"
)

// seal seals all of the log: what is not sealed is not dropped.
func seal(t *testing.T, d *db.DB) {
	t.Helper()
	k := tree.New(tree.Config{Store: d, Logger: pgtest.Quiet})
	k.Start(t.Context())
	k.Stop()
}

// dropOldest drops the oldest month, and returns the first id that is left.
func dropOldest(t *testing.T, d *db.DB) int64 {
	t.Helper()
	p, ok, err := d.OldestPartition(t.Context(), 1, time.Now())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	x, err := d.BeginDrop(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	row := func(err error) audit.Entry {
		if err != nil {
			t.Error(err)
		}
		return audit.Entry{Action: "audit.retention", Resource: "audit:*", Decision: audit.Allow, ResultCode: 200}
	}
	if _, err := x.Change(t.Context(), x.Run, row); err != nil {
		t.Fatal(err)
	}
	first, _, err := d.Bounds(context.Background(), audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	return first
}

// TestOpen: what cannot be a stream is refused, naming field and rule; and so is one too
// many, of a user or of all.
func TestOpen(t *testing.T) {
	t.Parallel()
	s := newServer(t, pgtest.URL(t), 0)
	s.write(t, 3, "a.b", audit.Allow)
	now := time.Now()
	id := func(n int64) *int64 { return &n }
	for _, c := range []struct {
		filter audit.Filter
		after  *int64
		want   string
	}{
		{after: id(0)},
		{after: id(3)},
		{after: id(4), want: "after: should be from 0 to 3, the last entry"},
		{after: id(-1), want: "after: should be from 0 to 3, the last entry"},
		{filter: audit.Filter{Since: &now}, want: "since: a stream has none: it begins behind an entry"},
		{filter: audit.Filter{Until: &now}, want: "until: a stream has none: it goes on"},
		{filter: audit.Filter{AsOf: id(2)}, want: "asOf: a stream has none: it goes on"},
	} {
		st, err := s.Open(t.Context(), user, c.filter, c.after)
		if (err == nil) != (c.want == "") || err != nil && (fault.From(err).Message != c.want || fault.From(err).Code != fault.BadUserInput) {
			t.Errorf("%+v: %v, want %q", c, err, c.want)
		}
		if err == nil {
			st.Close()
		}
	}

	full := func(who uuid.UUID) {
		t.Helper()
		_, err := s.Open(t.Context(), who, audit.Filter{}, nil)
		if f := fault.From(err); err == nil || f.Code != fault.RateLimited || f.RetryAfter == 0 {
			t.Errorf("one too many: %v", err)
		}
	}
	var mine *live.Stream
	for range live.MaxPerUser {
		var err error
		if mine, err = s.Open(t.Context(), user, audit.Filter{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	full(user)
	mine.Close()
	mine.Close()
	for n := live.MaxPerUser - 1; n < live.MaxStreams; n++ {
		s.open(t, audit.Filter{}, -1)
	}
	full(uuid.New())
}
