package intake

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
)

// The columns of a log, by their names everywhere: the ten of the contract, and those
// that only this program's logs have.
const (
	colID = iota
	colAt
	colUserID
	colAction
	colResource
	colArgs
	colSaltJID
	colDecision
	colResultCode
	colDurationMS
	colUsername
	colVerb
	colReason
	colRequestID
	colSourceIP
	colUserAgent
	columns
)

var columnNames = [columns]string{
	"id", "at", "user_id", "action", "resource", "args_json", "salt_jid", "decision", "result_code", "duration_ms",
	"username", "verb", "reason", "request_id", "source_ip", "user_agent",
}

// required are those without which a row says too little.
var required = []int{colAt, colAction, colResource, colDecision, colResultCode}

// row is a row as its source has it: every value as text, or nothing.
type row struct {
	line, nth int64 // where it is in NDJSON: the line, and the entry of a page on it; 0 = elsewhere
	values    [columns]sql.NullString
	text      string // of a line of which the values are not taken yet, or of one that is no row, and then
	problem   string // what is wrong with it
}

// where says where the row is in its source, as people would look for it.
func (r *row) where() string {
	switch {
	case r.nth > 0:
		return fmt.Sprintf("line %d, entry %d", r.line, r.nth)
	case r.line > 0:
		return fmt.Sprintf("line %d", r.line)
	case r.values[colID].Valid:
		return "id " + r.values[colID].String
	}
	return "a row without an id"
}

// reject writes a row of which no entry was made, and what is wrong with it, as a line of
// JSON. Nothing is redacted: the point is to have it.
func reject(w io.Writer, m *made) error {
	line := struct {
		Where  string            `json:"where"`
		Reason string            `json:"reason"`
		Text   string            `json:"text,omitempty"`
		Row    map[string]string `json:"row,omitempty"`
	}{Where: m.row.where(), Reason: m.bad.Reason, Text: m.row.text, Row: map[string]string{}}
	for i, v := range m.row.values {
		if v.Valid {
			line.Row[columnNames[i]] = v.String
		}
	}
	b, err := json.Marshal(line)
	if err == nil {
		_, err = w.Write(append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write the rejected rows: %w", err)
	}
	return nil
}
