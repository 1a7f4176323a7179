package db_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
)

// history is a log with months in the past, and what is in it.
type history struct {
	*db.DB
	owner   *pgx.Conn
	rnd     *rand.Rand
	kept    []audit.Entry // what is still there, in order
	dropped int           // months whose partitions are gone
	retains bool          // what is old is dropped as retention does it, or else plainly: a sealed log is not to be mixed up
}

// historyStart is the first month of every history.
var historyStart = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func newHistory(t *testing.T) *history {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	u := pgtest.URL(t)
	h := &history{DB: pgtest.OpenURL(t, u), owner: pgtest.Conn(t, u, "halite"), rnd: rand.New(rand.NewPCG(seed, 0))}
	db.SetBounds(h.DB, 1_000_000, h.rnd.Int64N(10), h.rnd.Int64N(10))
	h.retains = h.rnd.IntN(2) == 0
	return h
}

// write appends n random entries, in a month of the past (counted from historyStart), or
// now if month is negative. Some share their time.
func (h *history) write(t *testing.T, n, month int) {
	t.Helper()
	batch := make([]*audit.Entry, n)
	for i := range batch {
		e := randomEntry(h.rnd)
		batch[i] = &e
	}
	if month < 0 {
		if err := h.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	} else {
		h.writeAt(t, batch, historyStart.AddDate(0, month, 0))
	}
	for _, e := range batch {
		h.kept = append(h.kept, *e)
	}
}

// writeAt appends a batch in one of many steps of time from a month's start on.
func (h *history) writeAt(t *testing.T, batch []*audit.Entry, at time.Time) {
	t.Helper()
	if err := h.EnsurePartitions(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	err := pgx.BeginFunc(t.Context(), h.owner, func(tx pgx.Tx) error {
		var base int64
		var lastAt time.Time
		if err := tx.QueryRow(t.Context(), "SELECT last_id, last_at FROM audit_head FOR UPDATE").Scan(&base, &lastAt); err != nil {
			return err
		}
		if lastAt.After(at) {
			at = lastAt.UTC()
		}
		for i, e := range batch {
			at = at.Add(time.Duration(h.rnd.IntN(2)*h.rnd.IntN(1000)) * time.Microsecond)
			if h.rnd.IntN(10) == 0 {
				at = at.Add(time.Duration(h.rnd.Int64N(int64(6 * time.Hour)))).Truncate(time.Microsecond)
			}
			e.ID, e.At = base+int64(i)+1, at
			if _, err := tx.Exec(t.Context(), `INSERT INTO audit_log (id, at, user_id, action, resource, decision, result_code, duration_ms,
					reason, salt_jid, request_id, args_json) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, nullif($9, ''), nullif($10, ''), $11, $12::text::jsonb)`,
				e.ID, e.At, e.UserID, e.Action, e.Resource, e.Decision, e.ResultCode, e.DurationMS, e.Reason, e.SaltJID, e.RequestID, text(e.Args)); err != nil {
				return err
			}
		}
		_, err := tx.Exec(t.Context(), "UPDATE audit_head SET last_id = $1, last_at = $2", base+int64(len(batch)), at)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// text is nil for no arguments.
func text(args []byte) *string {
	if args == nil {
		return nil
	}
	s := string(args)
	return &s
}

// drop drops the first month's partition. Where a row may be written now, it is done as
// retention does it.
func (h *history) drop(t *testing.T, now bool) {
	t.Helper()
	end := historyStart.AddDate(0, h.dropped+1, 0)
	if now && h.retains {
		p, e := dropOldest(t, h.DB, nil)
		h.kept = append(h.kept, e)
		end = p.Month.AddDate(0, 1, 0)
		h.dropped = int(p.Month.Month()) - 1
	} else {
		exec(t, h.owner, "DROP TABLE audit_log_"+historyStart.AddDate(0, h.dropped, 0).Format("2006_01"))
	}
	h.dropped++
	h.kept = slices.DeleteFunc(h.kept, func(e audit.Entry) bool { return e.At.Before(end) })
}

// check asks n random questions of each kind and holds the answers against plain SQL
// and against what is kept.
func (h *history) check(t *testing.T, n int) {
	t.Helper()
	for range n {
		checkList(t, h.DB, h.owner, randomQuery(h.rnd, h.kept), func(id int64) audit.Entry { return h.kept[id-h.kept[0].ID] })
		h.checkWindow(t)
		h.checkAscend(t)
	}
	h.checkStats(t)
	h.checkFacets(t)
}
