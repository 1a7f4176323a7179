package graph_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/google/uuid"

	"halite/internal/audit"
	"halite/internal/httpapi/apitest"
)

// TestFieldsAlone: each field of an entry is what it is beside all others, however it is
// selected and whatever the page is found by. Not all columns are read for each.
func TestFieldsAlone(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	cookie := s.Cookie(t, "admin")
	user := uuid.NullUUID{UUID: uuid.New(), Valid: true}
	full := func(action string) *audit.Entry {
		return &audit.Entry{
			UserID: user, Action: action, Resource: "test:x", Args: json.RawMessage(`{"a": 1}`), SaltJID: "20260101000000000000",
			Decision: audit.Deny, ResultCode: 403, DurationMS: 5, Username: "ann", Verb: "view", Reason: "nothing allows it",
			RequestID: "r-1", SourceIP: "192.0.2.1", UserAgent: "curl",
		}
	}
	if err := s.DB.Append(t.Context(), []*audit.Entry{full("test.full"), full("test.full"), full("test.other"), full("test.full")}); err != nil {
		t.Fatal(err)
	}
	const all = "id at userId action resource argsJson saltJid decision resultCode durationMs username verb reason requestId sourceIp userAgent leaf { data }"
	ask := func(selection string) (entry map[string]any) {
		t.Helper()
		for _, q := range []string{
			`{ auditEntries(filter: {action: "test.full"}) { total entries { %s } } }`,
			`{ auditEntries(filter: {action: "test.full"}, limit: 2) { entries { ... { %s } } } }`,
			`{ auditEntries(filter: {actionIn: ["test.full", "no.such"]}) { total entries { ...f } } } fragment f on AuditEntry { %s }`,
			`{ auditEntries(filter: {requestId: "r-1", action: "test.full"}) { entries { %s } } }`,
			`{ auditLog(filter: {action: "test.full"}, first: 2) { edges { node { id } ...f } } } fragment f on AuditEntryEdge { node { %s } }`,
			`{ auditLog(filter: {action: "test.full"}, last: 3) { edges { node { %s } } } }`,
		} {
			r := s.Query(t, cookie, fmt.Sprintf(q, selection), nil)
			var data struct {
				AuditEntries struct{ Entries []map[string]any }
				AuditLog     struct {
					Edges []struct{ Node map[string]any }
				}
			}
			if err := json.Unmarshal(r.Data, &data); err != nil || len(r.Errors) > 0 {
				t.Fatalf("%s: %v, %s", q, err, r.Body)
			}
			entries := data.AuditEntries.Entries
			for _, e := range data.AuditLog.Edges {
				entries = append(entries, e.Node)
			}
			got := entries[0]
			if entry == nil {
				entry = got
			}
			for name := range entry {
				if !reflect.DeepEqual(got[name], entry[name]) {
					t.Errorf("%s of %s: %v, want %v", q, selection, got[name], entry[name])
				}
			}
		}
		return entry
	}
	want := ask(all)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		selection := name
		if name == "leaf" {
			selection = "leaf { data }"
		}
		if want[name] == nil {
			t.Errorf("%s: nothing is said of it", name)
		}
		if got := ask(selection)[name]; !reflect.DeepEqual(got, want[name]) {
			t.Errorf("%s: %v alone, %v beside the others", name, got, want[name])
		}
	}
}
