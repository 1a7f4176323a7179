package live_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/live"
	"halite/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m, false) }

var user = uuid.MustParse("3f4b2c1a-0000-4000-8000-000000000001")

// server is one of those on a database.
type server struct {
	*db.DB
	*live.Feed
}

func newServer(t *testing.T, url string, beat time.Duration) server {
	t.Helper()
	d := pgtest.OpenURL(t, url)
	h := d.WatchHead()
	t.Cleanup(h.Stop)
	return server{d, live.New(live.Config{Log: d, Head: h, Beat: beat})}
}

// open opens a stream for a user of its own. Without after it is -1.
func (s server) open(t *testing.T, f audit.Filter, after int64) *live.Stream {
	t.Helper()
	from := &after
	if after < 0 {
		from = nil
	}
	st, err := s.Open(t.Context(), uuid.New(), f, from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	return st
}

// write appends entries of an action, and returns the last one's id.
func (s server) write(t *testing.T, n int, action string, d audit.Decision) int64 {
	t.Helper()
	batch := make([]*audit.Entry, n)
	for i := range batch {
		batch[i] = &audit.Entry{Action: action, Resource: "x:y", Decision: d, ResultCode: 200}
	}
	if err := s.Append(t.Context(), batch); err != nil {
		t.Error(err)
	}
	return batch[n-1].ID
}
