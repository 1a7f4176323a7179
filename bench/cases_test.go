package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDepths(t *testing.T) {
	t.Parallel()
	for rows, want := range map[int64][]int64{
		1_100:      {0, 1_000},
		5_000:      {0, 1_000, 2_500, 4_950},
		100_000:    {0, 1_000, 50_000, 99_950},
		1_000_007:  {0, 1_000, 100_000, 500_003, 999_957}, // a million is past the last page
		10_000_000: {0, 1_000, 100_000, 1_000_000, 5_000_000, 9_999_950},
	} {
		if diff := cmp.Diff(want, depths(rows)); diff != "" {
			t.Errorf("%d rows: %s", rows, diff)
		}
	}
}

// TestSameQuestion: every case has a name of its own, and is asked of every server with
// the page, the total and the values of the filter that it has.
func TestSameQuestion(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var names []string
	for _, c := range pageCases(1_000_000, from, from.AddDate(1, 0, 0)) {
		if name := c.Group + " " + c.name(); slices.Contains(names, name) {
			t.Errorf("two cases are called %q", name)
		} else {
			names = append(names, name)
		}
		for _, server := range []string{haliteGraphQL, postGraphile, mercurius} {
			var doc struct {
				Query     string
				Variables map[string]json.RawMessage
			}
			if err := json.Unmarshal([]byte(c.body(server)), &doc); err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(doc.Query, "total"); got != c.Total {
				t.Errorf("%s, %s: the total is asked for: %v", server, c.name(), got)
			}
			for _, v := range []string{c.Filter.User, c.Filter.Action, c.Filter.Since, c.Filter.Until} {
				if !strings.Contains(string(doc.Variables["f"]), v) || v != "" && !strings.Contains(c.path(), "=") {
					t.Errorf("%s, %s: %s lacks %q", server, c.name(), doc.Variables["f"], v)
				}
			}
			if (len(doc.Variables["f"]) > 0) != (c.Group != byDepth && c.Filter.Name != noFilter) {
				t.Errorf("%s, %s: filter %s", server, c.name(), doc.Variables["f"])
			}
		}
	}
}

// TestAnswers: the same page in the words of each server is the same answer, and one that
// lacks a field or has errors is none.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const (
		rest = `{"total":9,"entries":[{"id":7,"at":"2026-01-02T03:04:05.678901Z","user_id":null,"action":"a.b","resource":"r:1","args_json":{"x":[1]},"salt_jid":null,"decision":"deny","result_code":403,"duration_ms":2}]}`
		ours = `{"data":{"auditEntries":{"total":9,"entries":[{"id":"7","at":"2026-01-02T03:04:05.678901Z","userId":null,"action":"a.b","resource":"r:1","argsJson":{"x":[1]},"saltJid":null,"decision":"DENY","resultCode":403,"durationMs":2}]}}}`
		merc = `{"data":{"auditEntries":{"total":9,"entries":[{"id":"7","at":"2026-01-02 03:04:05.678901+00","userId":null,"action":"a.b","resource":"r:1","argsJson":"{\"x\": [1]}","saltJid":null,"decision":"deny","resultCode":403,"durationMs":2}]}}}`
		post = `{"data":{"allAuditLogs":{"totalCount":9,"nodes":[{"rowId":"7","at":"2026-01-02T03:04:05.678901+00:00","userId":null,"action":"a.b","resource":"r:1","argsJson":{"x":[1]},"saltJid":null,"decision":"deny","resultCode":403,"durationMs":2}]}}}`
	)
	total := int64(9)
	want := answer{&total, []entry{{ID: "7", At: "2026-01-02T03:04:05.678901Z", Action: "a.b", Resource: "r:1", Args: `{"x":[1]}`, Decision: "deny", Code: 403, Duration: 2}}}
	for server, body := range map[string]string{haliteREST: rest, haliteGraphQL: ours, mercurius: merc, postGraphile: post} {
		got, err := readAnswer(server, []byte(body))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", server, err, diff)
		}
		for _, bad := range []string{
			strings.Replace(body, `"action":"a.b",`, "", 1), strings.Replace(body, "2026-01-02", "soon", 1), `{"data":null,"errors":[{}]}`, `{}`, "",
		} {
			if _, err := readAnswer(server, []byte(bad)); err == nil {
				t.Errorf("%s: %s was taken for an answer", server, bad)
			}
		}
	}
}
