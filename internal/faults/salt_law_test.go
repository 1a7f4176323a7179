package faults

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"halite/internal/fault"
)

// effectRow is the row of an effect.
type effectRow struct {
	ID     int64
	Name   string
	Action string
	JID    string
	Code   int
	Late   bool // it says that it was settled late
}

// rows returns the rows of effects that are allowed, by the names of the effects.
func (w *world) rows(t *testing.T) map[string][]effectRow {
	t.Helper()
	rows, err := w.look.Query(t.Context(), `SELECT id, coalesce(request_id, ''), action, coalesce(salt_jid, ''), result_code,
		reason LIKE '%; settled late: %' FROM audit_log WHERE decision = 'allow' AND verb IN ('execute', 'accept', 'reject', 'delete', 'kill') ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[effectRow])
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string][]effectRow{}
	for _, r := range all {
		byName[r.Name] = append(byName[r.Name], r)
	}
	return byName
}

// check holds the master, the log and what callers were told against each other, when no
// intent is open. repeats is how often salt-api may have refused with a 401, after which
// alone a job is sent again.
func (w *world) check(t *testing.T, repeats int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	log := newTold()
	for name, r := range w.replies {
		switch {
		case r.row != 0:
			log.answered[name] = r.row
		default: // the row is written later, if there is an intent
			log.unknown[name] = true
		}
	}
	log.check(t, w.url, "request_id")

	rows, jids := w.rows(t), map[string]string{}
	sent := w.dispatched()
	for name, d := range sent {
		runs := w.Runs(d.jid)
		if d.sent > 1 {
			repeats -= d.sent - 1
		}
		if runs > 1 {
			t.Errorf("%s was run %d times", name, runs)
		}
		if _, ok := w.replies[name]; !ok {
			t.Errorf("%s was sent and never asked for", name)
		}
		if runs == 1 && len(rows[name]) != 1 {
			t.Errorf("%s ran as %s and has %d rows", name, d.jid, len(rows[name]))
		}
	}
	if repeats < 0 {
		t.Errorf("%d jobs were sent again though they may have reached Salt", -repeats)
	}
	for name, all := range rows {
		r, said := all[0], w.replies[name]
		if r.Action != "salt.run" {
			continue
		}
		if other, twice := jids[r.JID]; twice && r.JID != "" {
			t.Errorf("%s and %s have the jid %s", name, other, r.JID)
		}
		jids[r.JID] = name
		ran := w.Runs(sent[name].jid) == 1
		switch {
		case ran != (r.Code == 202):
			t.Errorf("%s: it was run: %t, and its row says %d", name, ran, r.Code)
		case ran && r.JID != sent[name].jid:
			t.Errorf("%s ran as %s, and its row says %q", name, sent[name].jid, r.JID)
		case r.Late && r.Code != 202 && r.Code != 504:
			t.Errorf("%s: settled as %d", name, r.Code)
		}
		switch {
		case said.unknown:
		case said.err == nil && (!ran || said.jid != r.JID):
			t.Errorf("%s: its caller was told of the job %q; it was run: %t, as %q", name, said.jid, ran, r.JID)
		case said.err != nil && ran:
			t.Errorf("%s ran, and its caller was told that it did not: %v", name, said.err)
		}
	}
	for name, r := range w.replies {
		if !r.unknown && len(rows[name]) == 0 && (r.err == nil || r.err.Code != fault.AuditUnavailable) {
			t.Errorf("%s has no row; its caller was told %v", name, r.err)
		}
	}
}
