package faults

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/uuid"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/directory"
	"halite/internal/pgtest"
)

// opened is a server's view of a database that is reached through a proxy.
type opened struct {
	url      string // not through the proxy
	proxy    *proxy
	db       *db.DB
	recorder *audit.Recorder
}

func open(t *testing.T) opened {
	t.Helper()
	o := opened{url: pgtest.URL(t)}
	o.proxy = newProxy(t, o.url)
	o.db = pgtest.OpenURL(t, o.proxy.through(o.url))
	o.record(t)
	return o
}

// openPooled opens a database through a PgBouncer, and that through a proxy.
func openPooled(t *testing.T) (opened, *pgtest.Bouncer) {
	t.Helper()
	o := opened{url: pgtest.URL(t)}
	b := pgtest.NewBouncer(t, 3)
	app := b.Login(t, o.url)
	pooled := b.URL(t, o.url, app)
	o.proxy = newProxy(t, pooled)
	var err error
	o.db, err = db.Open(t.Context(), db.Config{
		URL: b.URL(t, o.url, "halite"), AppURL: o.proxy.through(pooled), Pooled: true, Logger: pgtest.Quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.db.Close)
	o.record(t)
	return o, b
}

func (o *opened) record(t *testing.T) {
	o.recorder = audit.NewRecorder(o.db, audit.DefaultQueue, pgtest.Quiet)
	t.Cleanup(o.recorder.Stop)
}

// change makes a user of the entry's name in one transaction with the entry.
func (o opened) change(ctx context.Context, name string) (audit.Entry, error) {
	return o.db.Change(ctx, func(ctx context.Context) error {
		return o.db.CreateUser(ctx, directory.User{ID: uuid.New(), Username: name}, "none")
	}, func(error) audit.Entry { return entry(name) })
}

var cuts = []struct {
	name string
	at   point
	// What a change is told: it is not tried again, since it may have been anything.
	// A group of entries always is. duringCommit leaves both open.
	changed, refused bool
}{
	{"before the append", beforeStatement, false, true},
	{"before the answer of the append", statementAnswer, false, true},
	{"before COMMIT", beforeCommit, false, true},
	{"during COMMIT", duringCommit, true, true},
	{"before the answer of COMMIT", commitAnswer, true, false},
	{"after COMMIT", afterCommit, true, false},
}

// TestCut cuts the connection of one caller, to the database or to a pooler before it.
func TestCut(t *testing.T) {
	t.Parallel()
	t.Run("direct", func(t *testing.T) { cutOnce(t, open) })
	t.Run("pooled", func(t *testing.T) { cutOnce(t, pooledAlone) })
}

func pooledAlone(t *testing.T) opened {
	t.Helper()
	o, _ := openPooled(t)
	return o
}

func cutOnce(t *testing.T, open func(*testing.T) opened) {
	t.Parallel()
	for _, cut := range cuts {
		t.Run(cut.name, func(t *testing.T) {
			t.Parallel()
			o := open(t)
			l := newTold()
			record := func(name string) error {
				e, err := o.recorder.Record(entry(name))
				l.note(name, e.ID, err)
				return err
			}
			o.proxy.arm(cut.at)
			if err := record("recorded"); err != nil {
				t.Errorf("a group of one: %v", err)
			}
			receive(t, o.proxy.hit, "the cut")
			if err := record("recorded next"); err != nil {
				t.Errorf("the next one: %v", err)
			}

			o.proxy.arm(cut.at)
			e, err := o.change(t.Context(), "changed")
			l.note("changed", e.ID, err)
			receive(t, o.proxy.hit, "the cut")
			switch {
			case err == nil && !cut.changed:
				t.Error("a change that cannot have been done was answered")
			case err != nil && (!cut.refused || !errors.Is(err, audit.ErrUnavailable)):
				t.Errorf("a change: %v", err)
			}
			if there := hasUser(t, o.url, "changed"); there != (err == nil) {
				t.Errorf("the change is there: %v, and its caller was told %v", there, err)
			}
			if err := record("recorded last"); err != nil {
				t.Errorf("the last one: %v", err)
			}
			l.check(t, o.url, "action")
		})
	}
}

// TestCutUnderLoad cuts connections while many callers record and change.
func TestCutUnderLoad(t *testing.T) {
	t.Parallel()
	t.Run("direct", func(t *testing.T) { cutUnderLoad(t, open) })
	t.Run("pooled", func(t *testing.T) { cutUnderLoad(t, pooledAlone) })
}

// load has callers record and change until it is stopped.
func (o opened) load(t *testing.T) *load {
	return startLoad(t, 12, func(caller int, name string) (audit.Entry, error) {
		if caller%3 == 0 {
			return o.change(context.Background(), name)
		}
		return o.recorder.Record(entry(name))
	})
}

func cutUnderLoad(t *testing.T, open func(*testing.T) opened) {
	t.Parallel()
	for _, cut := range cuts {
		t.Run(cut.name, func(t *testing.T) {
			t.Parallel()
			o := open(t)
			l := o.load(t)
			for range 8 {
				l.await(t, 1)
				o.proxy.arm(cut.at)
				receive(t, o.proxy.hit, "the cut")
			}
			l.await(t, 2)
			l.stop(t)
			l.check(t, o.url, "action")
		})
	}
}

// TestOutcomeUnknown loses the answer of COMMIT and the database with it. What became
// of the entries is not claimed to be known, and the recorder works again afterwards.
func TestOutcomeUnknown(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup // each waits for seconds, without doing much
	defer wg.Wait()
	for _, cut := range cuts {
		if cut.at < beforeCommit || cut.at == afterCommit {
			continue
		}
		o := open(t)
		wg.Go(func() {
			l := newTold()
			record := func(name string, want error) {
				e, err := o.recorder.Record(entry(name))
				l.note(name, e.ID, err)
				if !errors.Is(err, want) {
					t.Errorf("%s: %s: the error is %v, want %v", cut.name, name, err, want)
				}
			}
			o.proxy.armFatal(cut.at)
			record("lost", audit.ErrOutcomeUnknown)
			receive(t, o.proxy.hit, "the cut")
			record("with the database gone", audit.ErrUnavailable)
			o.proxy.up()
			record("with the database back", nil)
			l.check(t, o.url, "action")
		})
	}
}

func hasUser(t *testing.T, url, name string) bool {
	t.Helper()
	var there bool
	c := pgtest.Conn(t, url, "halite")
	if err := c.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM users WHERE username = $1)", name).Scan(&there); err != nil {
		t.Fatal(err)
	}
	return there
}
