package db_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
)

func entry(action string) audit.Entry {
	return audit.Entry{Action: action, Resource: "test:x", Decision: audit.Allow, ResultCode: 200}
}

// TestSequencer is law 3: many writers in two servers on one database, in groups and
// in transactions of their own, a part of which roll back.
func TestSequencer(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	servers := []*db.DB{pgtest.OpenURL(t, url), pgtest.OpenURL(t, url)}
	var recorders []*audit.Recorder
	for _, s := range servers {
		r := audit.NewRecorder(s, audit.DefaultQueue, pgtest.Quiet)
		t.Cleanup(r.Stop)
		recorders = append(recorders, r)
	}
	const writers, each = 24, 30
	var mu sync.Mutex
	written := map[int64]string{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 1))
			for i := range each {
				name := fmt.Sprintf("w%d.n%d", w, i)
				var got audit.Entry
				var err error
				switch rnd.IntN(4) {
				case 0: // a change with its row
					got, err = servers[w%2].Change(t.Context(), func(context.Context) error { return nil },
						func(error) audit.Entry { return entry(name) })
				case 1: // a change that fails: its row is still written
					got, err = servers[w%2].Change(t.Context(), func(context.Context) error { return errors.New("conflict") },
						func(error) audit.Entry { return entry(name) })
				case 2: // a transaction that takes ids and rolls back
					if h := servers[w%2].CheckHealth(t.Context()); h.Writable != nil {
						t.Errorf("probe: %v", h.Writable)
					}
					continue
				default:
					got, err = recorders[w%2].Record(entry(name))
				}
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				mu.Lock()
				if other, dup := written[got.ID]; dup {
					t.Errorf("id %d given to %s and %s", got.ID, other, name)
				}
				written[got.ID] = name
				mu.Unlock()
			}
		})
	}
	wg.Wait()

	page, err := servers[0].List(t.Context(), audit.Query{Limit: 500, Counted: true})
	if err != nil {
		t.Fatal(err)
	}
	if page.Total != int64(len(written)) {
		t.Errorf("total %d, %d were answered", page.Total, len(written))
	}
	c := pgtest.Conn(t, url, "halite")
	rows, err := c.Query(t.Context(), "SELECT id, action, coalesce(at < lag(at) OVER (ORDER BY id), false) FROM audit_log ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	var want int64
	for rows.Next() {
		var id int64
		var action string
		var inverted bool
		if err := rows.Scan(&id, &action, &inverted); err != nil {
			t.Fatal(err)
		}
		want++
		if id != want {
			t.Fatalf("id %d where %d was due: a hole or a duplicate", id, want)
		}
		if inverted {
			t.Errorf("id %d has an earlier `at` than the row before", id)
		}
		if written[id] != action {
			t.Errorf("id %d holds %q, the caller was told %q", id, action, written[id])
		}
	}
	if want != int64(len(written)) {
		t.Errorf("%d rows, %d were answered", want, len(written))
	}
}
