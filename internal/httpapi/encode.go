package httpapi

import (
	"strconv"
	"time"

	"halite/internal/audit"
	"halite/internal/jsontext"
)

// encodePage writes a page as the REST contract has it, to the byte: ten keys in
// order, no white space, nothing escaped that JSON does not ask for.
func encodePage(p audit.Page) []byte {
	b := make([]byte, 0, 64+512*len(p.Entries))
	b = append(b, `{"total":`...)
	b = strconv.AppendInt(b, p.Total, 10)
	b = append(b, `,"entries":[`...)
	for i := range p.Entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendEntry(b, &p.Entries[i])
	}
	return append(b, "]}"...)
}

func appendEntry(b []byte, e *audit.Entry) []byte {
	b = append(b, `{"id":`...)
	b = strconv.AppendInt(b, e.ID, 10)
	b = appendTime(append(b, `,"at":`...), e.At)
	b = append(b, `,"user_id":`...)
	if e.UserID.Valid {
		b = jsontext.AppendUUID(b, e.UserID.UUID)
	} else {
		b = append(b, "null"...)
	}
	b = jsontext.AppendString(append(b, `,"action":`...), e.Action)
	b = jsontext.AppendString(append(b, `,"resource":`...), e.Resource)
	b = append(b, `,"args_json":`...)
	if e.Args == nil {
		b = append(b, "null"...)
	} else {
		b = jsontext.AppendCompact(b, e.Args)
	}
	b = jsontext.AppendOptional(append(b, `,"salt_jid":`...), e.SaltJID)
	b = jsontext.AppendString(append(b, `,"decision":`...), string(e.Decision))
	b = strconv.AppendInt(append(b, `,"result_code":`...), int64(e.ResultCode), 10)
	b = strconv.AppendInt(append(b, `,"duration_ms":`...), int64(e.DurationMS), 10)
	return append(b, '}')
}

// appendTime writes UTC; the fraction has six digits, or is left out if it is zero.
func appendTime(b []byte, t time.Time) []byte {
	if t.Nanosecond() < int(time.Microsecond) {
		return append(t.UTC().AppendFormat(append(b, '"'), time.RFC3339), '"')
	}
	return jsontext.AppendTime(b, t)
}
