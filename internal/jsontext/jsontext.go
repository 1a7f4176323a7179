// Package jsontext appends JSON to a buffer: what both edges write by hand, where
// encoding/json costs more than reading the log. Nothing is escaped that JSON does not
// ask for. The package is pure.
package jsontext

import (
	"encoding/hex"
	"time"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendString appends s as a string. It escapes the quote, the backslash and control
// characters, by a letter where there is one; what is not UTF-8 becomes U+FFFD.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0 // of what is not appended yet
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = appendEscaped(append(b, s[start:i]...), c)
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscaped(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// AppendOptional appends s as a string, or null if it is empty.
func AppendOptional(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return AppendString(b, s)
}

// AppendUUID appends a UUID as a string, in lower case with hyphens.
func AppendUUID(b []byte, id [16]byte) []byte {
	b = hex.AppendEncode(append(b, '"'), id[:4])
	b = hex.AppendEncode(append(b, '-'), id[4:6])
	b = hex.AppendEncode(append(b, '-'), id[6:8])
	b = hex.AppendEncode(append(b, '-'), id[8:10])
	return append(hex.AppendEncode(append(b, '-'), id[10:]), '"')
}

// AppendTime appends t as a string: RFC 3339 in UTC, the fraction always of six digits.
func AppendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	b = t.AppendFormat(append(b, '"'), time.RFC3339) // the layout that package time is fast with
	b[len(b)-1] = '.'                                // was Z
	micros := t.Nanosecond() / int(time.Microsecond)
	for scale := 100_000; scale > 0; scale /= 10 {
		b = append(b, '0'+byte(micros/scale%10))
	}
	return append(b, 'Z', '"')
}

// AppendCompact appends raw without the white space between its parts. raw is one JSON
// value, as PostgreSQL returns jsonb: it is not looked at for mistakes.
func AppendCompact(b, raw []byte) []byte {
	start, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && (c == ' ' || c == '\n' || c == '\r' || c == '\t'):
			b = append(b, raw[start:i]...)
			start = i + 1
		}
	}
	return append(b, raw[start:]...)
}
