package retention_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/guard"
	"halite/internal/pgtest"
	"halite/internal/retention"
	"halite/internal/tree"
)

func TestMain(m *testing.M) { pgtest.Main(m, false) }

// world is a log of made-up entries over some months, and a keeper of it that does
// nothing by itself.
type world struct {
	*db.DB
	url    string
	owner  *pgx.Conn
	guard  *guard.Guard
	before []string // every row of the log as it was, as text
}

func newWorld(t *testing.T, rows int64, months int) *world {
	t.Helper()
	w := &world{url: pgtest.URL(t)}
	o, err := db.OpenOwner(t.Context(), db.Config{URL: w.url, Logger: pgtest.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := o.Generate(t.Context(), db.Generation{Rows: rows, Seed: 1, Months: months}); err != nil {
		t.Fatal(err)
	}
	w.DB = pgtest.OpenURL(t, w.url)
	w.owner = pgtest.Conn(t, w.url, "halite")
	w.guard = newGuard(t, w.DB)
	seal(t, w.DB)
	w.before = w.texts(t, "SELECT l::text FROM audit_log AS l ORDER BY id")
	return w
}

// seal seals all of the log: what is not sealed is not dropped.
func seal(t *testing.T, d *db.DB) {
	t.Helper()
	k := tree.New(tree.Config{Store: d, Logger: pgtest.Quiet})
	k.Start(t.Context())
	k.Stop()
}

func newGuard(t *testing.T, d *db.DB) *guard.Guard {
	t.Helper()
	r := audit.NewRecorder(d, audit.DefaultQueue, pgtest.Quiet)
	g := guard.New(guard.Config{Recorder: r, Changer: d, Logger: pgtest.Quiet, Refusals: 1})
	t.Cleanup(func() { g.Stop(); r.Stop() })
	return g
}

// keeper returns a keeper of everything that is older than 45 days.
func (w *world) keeper(store retention.Store, dir string) *retention.Keeper {
	return retention.New(retention.Config{
		Store: store, Guard: w.guard, Days: 45, Dir: dir, Disk: retention.UnknownDisk, Logger: pgtest.Quiet,
		As: func(ctx context.Context) context.Context {
			return guard.WithCaller(ctx, &guard.Caller{Name: "system:test"})
		},
	})
}

func (w *world) texts(t *testing.T, sql string) []string {
	t.Helper()
	rows, err := w.owner.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// oldest is the partition that is to be dropped next.
func (w *world) oldest(t *testing.T) retention.Partition {
	t.Helper()
	p, ok, err := w.OldestPartition(t.Context(), 45, time.Now())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	return p
}

// said collects what is logged.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) logger() *slog.Logger { return slog.New(slog.NewTextHandler(s, nil)) }

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) count(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.text.String(), text)
}
