package export

import (
	"strconv"
	"strings"

	"halite/internal/audit"
)

// appendHeader appends the names of the columns. Lines end with CRLF.
func appendHeader(b []byte) []byte {
	return append(append(b, strings.Join(columns, ",")...), '\r', '\n')
}

// appendRow appends e as a row.
func appendRow(b []byte, e *audit.Entry) []byte {
	b = append(strconv.AppendInt(b, e.ID, 10), ',')
	b = append(e.At.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00"), ',')
	if e.UserID.Valid {
		b = append(b, e.UserID.UUID.String()...)
	}
	for _, s := range []string{e.Action, e.Resource, string(e.Args), e.SaltJID, string(e.Decision)} {
		b = appendCell(append(b, ','), s)
	}
	b = strconv.AppendInt(append(b, ','), int64(e.ResultCode), 10)
	b = strconv.AppendInt(append(b, ','), int64(e.DurationMS), 10)
	for _, s := range []string{e.Username, e.Verb, e.Reason, e.RequestID, e.SourceIP, e.UserAgent} {
		b = appendCell(append(b, ','), s)
	}
	return append(b, '\r', '\n')
}

// appendCell appends s as a cell. What a spreadsheet would take for a formula gets an
// apostrophe before it: who fills the log must not run code where it is read.
func appendCell(b []byte, s string) []byte {
	formula := s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0]))
	if !formula && !strings.ContainsAny(s, "\",\r\n") {
		return append(b, s...)
	}
	b = append(b, '"')
	if formula {
		b = append(b, '\'')
	}
	return append(append(b, strings.ReplaceAll(s, `"`, `""`)...), '"')
}
