package faults

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"halite/internal/fault"
)

// effectRow is the row of an effect.
type effectRow struct {
	ID      int64
	Name    string
	Action  string
	JID     string
	Code    int
	Settled string // what it says of having been settled late; empty: it was not
}

// What a row that was settled late says.
const (
	itWasDone    = "it was done"
	itWasNotDone = "it was not done"
	neverKnown   = "the outcome is unknown"
)

// inTime is the row of a job that was written when the job was answered.
func inTime(name string, code int) effectRow {
	return effectRow{Name: name, Action: "salt.run", Code: code}
}

// settledLate is the row of a job whose intent was left open.
func settledLate(name string, ran bool) effectRow {
	if ran {
		return effectRow{Name: name, Action: "salt.run", Code: 202, Settled: itWasDone}
	}
	return effectRow{Name: name, Action: "salt.run", Code: 504, Settled: itWasNotDone}
}

// rows returns the rows of effects that are allowed, by the names of the effects.
func (w *world) rows(t *testing.T) map[string][]effectRow {
	t.Helper()
	rows, err := w.look.Query(t.Context(), `SELECT id, coalesce(request_id, ''), action, coalesce(salt_jid, ''), result_code,
		coalesce(substring(reason from '; settled late: (.*)'), '') FROM audit_log WHERE decision = 'allow' AND verb IN ('execute', 'accept', 'reject', 'delete', 'kill') ORDER BY id`)
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

// wantRow checks that there is one row of the name, and that it is as wanted. Whether its
// jid is that of the job check says.
func (w *world) wantRow(t *testing.T, want effectRow) {
	t.Helper()
	got := w.rows(t)[want.Name]
	for i := range got {
		got[i].ID, got[i].JID = 0, ""
	}
	if diff := cmp.Diff([]effectRow{want}, got); diff != "" {
		t.Errorf("rows of %s, -want +got\n%s", want.Name, diff)
	}
}

// check holds the master, the log and what callers were told against each other, when no
// intent is open. repeats is how many jobs salt-api has refused with a 401, after which
// alone a job is sent again.
func (w *world) check(t *testing.T, repeats int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	log := newTold()
	for name, said := range w.replies {
		if said.row != 0 {
			log.answered[name] = said.row
		} else {
			log.unknown[name] = true // there may be a row: the settler's
		}
	}
	log.check(t, w.url, "request_id")

	sent, rows := w.dispatched(), w.rows(t)
	for name, d := range sent {
		if repeats -= d.sent - 1; d.sent > 1 && repeats < 0 {
			t.Errorf("%s was sent %d times though it may have reached Salt", name, d.sent)
		}
		if _, ok := w.replies[name]; !ok {
			t.Errorf("%s was sent, and nobody asked for it", name)
		}
	}
	jids := map[string]string{}
	for name, all := range rows {
		if all[0].Action != "salt.run" {
			continue
		}
		if other, twice := jids[all[0].JID]; twice && all[0].JID != "" {
			t.Errorf("%s and %s have the jid %s", name, other, all[0].JID)
		}
		jids[all[0].JID] = name
	}
	for name, said := range w.replies {
		if all := rows[name]; len(all) == 0 || all[0].Action == "salt.run" {
			w.checkJob(t, name, said, sent[name], all)
		}
	}
}

// checkJob checks one job: what the master got, its rows, and what its caller was told.
func (w *world) checkJob(t *testing.T, name string, said reply, d dispatched, rows []effectRow) {
	t.Helper()
	runs := w.Runs(d.jid)
	noAnswer := said.err == nil && said.unknown
	rowless := noAnswer || said.err != nil && said.err.Code == fault.AuditUnavailable && !said.unknown // perhaps
	switch {
	case runs > 1 || len(rows) > 1:
		t.Errorf("%s was run %d times and has %d rows", name, runs, len(rows))
		return
	case len(rows) == 0 && (d.sent > 0 || !rowless):
		t.Errorf("%s has no row; it was sent %d times, and its caller was told %v", name, d.sent, said.err)
		return
	case len(rows) == 0:
		return
	}
	ran, r := runs == 1, rows[0]
	switch {
	case ran != (r.Code == 202):
		t.Errorf("%s: it was run: %t, and its row says %d", name, ran, r.Code)
	case ran && r.JID != d.jid:
		t.Errorf("%s ran as %s, and its row says %q", name, d.jid, r.JID)
	case r.Settled != "" && !ran && r.Code != 504:
		t.Errorf("%s was settled as %d", name, r.Code)
	case said.unknown:
	case said.err == nil && (!ran || said.jid != r.JID):
		t.Errorf("%s: its caller was told of the job %q; it was run: %t, as %q", name, said.jid, ran, r.JID)
	case said.err != nil && ran:
		t.Errorf("%s ran, and its caller was told that it did not: %v", name, said.err)
	}
}
