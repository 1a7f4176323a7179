package httpapi

import (
	"strings"
	"unicode/utf8"
)

// paramValues returns the last value of each parameter in a raw query, decoded: `&`
// separates, `+` is a space, an escape that is none is text, and a parameter without
// `=` is empty. Escaped bytes are UTF-8, with U+FFFD for what is not valid; bytes
// beyond ASCII that are not escaped are ISO 8859-1.
func paramValues(rawQuery string) map[string]string {
	values := make(map[string]string)
	for pair := range strings.SplitSeq(rawQuery, "&") {
		if pair != "" {
			name, value, _ := strings.Cut(pair, "=")
			values[paramUnescape(name)] = paramUnescape(value)
		}
	}
	return values
}

func paramUnescape(s string) string {
	var out []byte
	for i := 0; i < len(s); {
		if s[i] >= utf8.RuneSelf {
			out = utf8.AppendRune(out, rune(s[i]))
			i++
			continue
		}
		// A character never spans bytes that are escaped and bytes that are not ASCII.
		run := make([]byte, 0, len(s)-i)
		for ; i < len(s) && s[i] < utf8.RuneSelf; i++ {
			switch {
			case s[i] == '+':
				run = append(run, ' ')
			case s[i] == '%' && i+2 < len(s) && paramHex(s[i+1]) >= 0 && paramHex(s[i+2]) >= 0:
				run = append(run, byte(paramHex(s[i+1])<<4|paramHex(s[i+2])))
				i += 2
			default:
				run = append(run, s[i])
			}
		}
		out = paramAppendUTF8(out, run)
	}
	return string(out)
}

func paramHex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// paramAppendUTF8 appends b with one U+FFFD for each longest piece that starts a
// character and does not finish it, and for each byte that starts none.
func paramAppendUTF8(dst, b []byte) []byte {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			for size < len(b) && !utf8.FullRune(b[:size]) && paramContinues(b[:size], b[size]) {
				size++
			}
		}
		dst = utf8.AppendRune(dst, r)
		b = b[size:]
	}
	return dst
}

// paramContinues reports whether next can follow the unfinished character start.
func paramContinues(start []byte, next byte) bool {
	for _, c := range [][]byte{{next}, {next, 0x80}, {next, 0x80, 0x80}} {
		if utf8.Valid(append(append(make([]byte, 0, utf8.UTFMax), start...), c...)) {
			return true
		}
	}
	return false
}
