package faults

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"halite/internal/audit"
)

// patience bounds every wait: what takes longer hangs.
const patience = 90 * time.Second

// told is what callers were told of their entries, by the entry's name. It is safe
// for concurrent use.
type told struct {
	mu       sync.Mutex
	answered map[string]int64 // durable, with this id
	refused  map[string]error // nothing was written
	unknown  map[string]bool
}

func newTold() *told {
	return &told{answered: map[string]int64{}, refused: map[string]error{}, unknown: map[string]bool{}}
}

func (l *told) note(name string, id int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.answered[name] = id
	case errors.Is(err, audit.ErrOutcomeUnknown):
		l.unknown[name] = true
	default:
		l.refused[name] = err
	}
}

// check holds the log of url against what was told. names is the column that holds
// the names; rows with another name than one of those told must only have their place.
func (l *told) check(t *testing.T, url, names string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close(t.Context())
	rows, err := c.Query(t.Context(), "SELECT id, coalesce("+names+", ''), at < lag(at) OVER (ORDER BY id) IS TRUE FROM audit_log ORDER BY id")
	if err != nil {
		t.Error(err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	due, seen := int64(1), map[string]int64{}
	for rows.Next() {
		var id int64
		var name string
		var inverted bool
		if err := rows.Scan(&id, &name, &inverted); err != nil {
			t.Error(err)
			return
		}
		if id != due {
			t.Errorf("id %d where %d was due: a hole or a duplicate", id, due)
			return
		}
		due++
		if inverted {
			t.Errorf("id %d has an earlier `at` than the row before", id)
		}
		want, answered := l.answered[name]
		first, twice := seen[name]
		switch {
		case twice && (answered || l.unknown[name]):
			t.Errorf("%s is in the log twice: %d and %d", name, first, id)
		case answered && want != id:
			t.Errorf("%s is row %d, its caller was told %d", name, id, want)
		}
		if err, ok := l.refused[name]; ok {
			t.Errorf("%s is row %d, its caller was told that nothing was written: %v", name, id, err)
		}
		seen[name] = id
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
		return
	}
	for name, id := range l.answered {
		if _, ok := seen[name]; !ok {
			t.Errorf("%s was answered as row %d and is not in the log", name, id)
		}
	}
	t.Logf("%d rows; %d answered, %d refused, %d unknown", due-1, len(l.answered), len(l.refused), len(l.unknown))
}

// load is callers who record without a pause until they are stopped.
type load struct {
	*told
	quit chan struct{}
	wg   sync.WaitGroup

	changed *sync.Cond // on mu of told
	count   []int      // durable entries of each caller
	late    bool
}

// startLoad has callers record by means of record, which gets the caller's number and
// the name of the entry. It is stopped with the test at the latest.
func startLoad(t *testing.T, callers int, record func(caller int, name string) (audit.Entry, error)) *load {
	l := &load{told: newTold(), quit: make(chan struct{}), count: make([]int, callers)}
	l.changed = sync.NewCond(&l.mu)
	for c := range callers {
		l.wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.quit:
					return
				default:
				}
				name := fmt.Sprintf("load.c%d.n%d", c, n)
				e, err := record(c, name)
				l.note(name, e.ID, err)
				if err != nil {
					time.Sleep(2 * time.Millisecond) // as a caller who was refused does; bounds what is to be remembered
					continue
				}
				l.mu.Lock()
				l.count[c]++
				l.changed.Broadcast()
				l.mu.Unlock()
			}
		})
	}
	t.Cleanup(func() { l.stop(t) })
	return l
}

// await returns when each caller has got n more entries into the log.
func (l *load) await(t *testing.T, n int) {
	t.Helper()
	timer := time.AfterFunc(patience, func() {
		l.mu.Lock()
		l.late = true
		l.changed.Broadcast()
		l.mu.Unlock()
	})
	defer timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	want := make([]int, len(l.count))
	for c := range want {
		want[c] = l.count[c] + n
	}
	for c := 0; c < len(want); {
		switch {
		case l.count[c] >= want[c]:
			c++
		case l.late:
			t.Fatalf("caller %d hangs or is refused for good", c)
		default:
			l.changed.Wait()
		}
	}
}

// stop ends the load and returns when every caller has been released.
func (l *load) stop(t *testing.T) {
	t.Helper()
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
	done := make(chan struct{})
	go func() { l.wg.Wait(); close(done) }()
	receive(t, done, "callers to be released")
}

// receive waits for something that must happen.
func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		panic("waited in vain for " + what) // with the stack of whoever hangs
	}
}

func entry(name string) audit.Entry {
	return audit.Entry{Action: name, Resource: "test:x", Decision: audit.Allow, ResultCode: 200}
}
