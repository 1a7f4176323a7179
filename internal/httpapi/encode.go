package httpapi

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"halite/internal/audit"
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
	b = append(b, `,"at":"`...)
	b = appendTime(b, e.At)
	b = append(b, `","user_id":`...)
	if e.UserID.Valid {
		b = append(append(append(b, '"'), e.UserID.UUID.String()...), '"')
	} else {
		b = append(b, "null"...)
	}
	b = appendString(append(b, `,"action":`...), e.Action)
	b = appendString(append(b, `,"resource":`...), e.Resource)
	b = append(b, `,"args_json":`...)
	if e.Args == nil {
		b = append(b, "null"...)
	} else {
		buf := bytes.NewBuffer(b)
		if err := json.Compact(buf, e.Args); err != nil {
			buf.WriteString("null") // the database returns valid JSON
		}
		b = buf.Bytes()
	}
	b = append(b, `,"salt_jid":`...)
	if e.SaltJID != "" {
		b = appendString(b, e.SaltJID)
	} else {
		b = append(b, "null"...)
	}
	b = appendString(append(b, `,"decision":`...), string(e.Decision))
	b = strconv.AppendInt(append(b, `,"result_code":`...), int64(e.ResultCode), 10)
	b = strconv.AppendInt(append(b, `,"duration_ms":`...), int64(e.DurationMS), 10)
	return append(b, '}')
}

// appendTime writes UTC; the fraction has six digits, or is left out if it is zero.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	if t.Nanosecond() < int(time.Microsecond) {
		return t.AppendFormat(b, "2006-01-02T15:04:05Z")
	}
	return t.AppendFormat(b, "2006-01-02T15:04:05.000000Z")
}

// appendString escapes the quote, the backslash and control characters, nothing else.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
			continue
		}
		i++
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			if c < 0x20 {
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			} else {
				b = append(b, c)
			}
		}
	}
	return append(b, '"')
}
