package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// answer is a page as all servers mean it.
type answer struct {
	Total   *int64
	Entries []entry
}

type entry struct {
	ID, At, User, Action, Resource, Args, JID, Decision string
	Code, Duration                                      int64
}

// readAnswer reads a server's answer.
func readAnswer(server string, body []byte) (a answer, err error) {
	var doc map[string]any
	if err := json.Unmarshal(body, &doc); err != nil {
		return a, err
	}
	if doc["errors"] != nil {
		return a, fmt.Errorf("%s: %.300s", server, body)
	}
	page, total, list := doc, "total", "entries"
	if server != haliteREST {
		data, _ := doc["data"].(map[string]any)
		page, _ = data["auditEntries"].(map[string]any)
		if server == postGraphile {
			page, _ = data["allAuditLogs"].(map[string]any)
			total, list = "totalCount", "nodes"
		}
	}
	if n, ok := page[total].(float64); ok {
		sum := int64(n)
		a.Total = &sum
	}
	items, ok := page[list].([]any)
	if !ok {
		return a, fmt.Errorf("%s: no page: %.300s", server, body)
	}
	for _, item := range items {
		m, _ := item.(map[string]any)
		e, err := readEntry(m)
		if err != nil {
			return a, fmt.Errorf("%s: %w: %v", server, err, m)
		}
		a.Entries = append(a.Entries, e)
	}
	return a, nil
}

// readEntry takes an entry by the names of either contract. All ten fields must be there.
func readEntry(m map[string]any) (e entry, err error) {
	if len(m) != 10 {
		return e, fmt.Errorf("%d fields", len(m))
	}
	text := func(names ...string) string {
		for _, n := range names {
			if v, ok := m[n]; ok && v != nil {
				return fmt.Sprint(v)
			}
		}
		return ""
	}
	number := func(names ...string) int64 {
		n, perr := strconv.ParseFloat(text(names...), 64)
		if perr != nil && err == nil {
			err = perr
		}
		return int64(n)
	}
	e = entry{
		ID: strconv.FormatInt(number("id", "rowId"), 10), User: text("userId", "user_id"), Action: text("action"), Resource: text("resource"),
		JID: text("saltJid", "salt_jid"), Decision: strings.ToLower(text("decision")),
		Code: number("resultCode", "result_code"), Duration: number("durationMs", "duration_ms"),
	}
	args := m["argsJson"]
	if args == nil {
		args = m["args_json"]
	}
	if s, ok := args.(string); ok {
		if jerr := json.Unmarshal([]byte(s), &args); jerr != nil {
			return e, jerr
		}
	}
	b, jerr := json.Marshal(args)
	if jerr != nil {
		return e, jerr
	}
	e.Args = string(b)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999Z07"} {
		if at, terr := time.Parse(layout, text("at")); terr == nil {
			e.At = at.UTC().Format(time.RFC3339Nano)
			return e, err
		}
	}
	return e, fmt.Errorf("at: %q is no time", text("at"))
}
