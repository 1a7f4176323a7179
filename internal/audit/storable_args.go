package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

const (
	maxArgs      = 32 << 10 // bytes
	maxArgsDepth = 128      // objects and lists inside each other; PostgreSQL's parser recurses
	maxNumber    = 64       // characters kept of a number that becomes a string

	// A numeric has at most 16383 digits behind the point and 131072 before it, more
	// than fit into maxArgs. Only an exponent could ask for so many, and it would be a
	// few bytes on the way in and a hundred kilobytes on every way out, so the bound on
	// exponents is much lower. It lies beyond any 64-bit float.
	maxFraction = 16383
	maxExponent = 400
)

// storableArgs returns raw as Storable promises. It neither allocates nor copies if
// nothing in raw has to change.
func storableArgs(raw json.RawMessage) json.RawMessage {
	trimmed := bytes.Trim(raw, " \t\r\n")
	switch {
	case len(trimmed) == 0 || string(trimmed) == "null":
		return nil
	case len(raw) > maxArgs:
		return stub("_cut", raw)
	case !json.Valid(raw):
		return stub("_invalid", raw)
	}
	out := raw
	if trimmed[0] != '{' {
		out = append(append([]byte(`{"_value":`), trimmed...), '}')
	}
	out = fixJSON(out)
	if len(out) > maxArgs {
		return stub("_cut", raw)
	}
	return out
}

// stub returns what is stored in the place of raw: its length under name, and its hash.
func stub(name string, raw []byte) json.RawMessage {
	sum := sha256.Sum256(raw)
	return json.RawMessage(`{"` + name + `":` + strconv.Itoa(len(raw)) +
		`,"sha256":"` + hex.EncodeToString(sum[:]) + `"}`)
}

// fixJSON returns the valid JSON text src with whatever jsonb would refuse replaced.
func fixJSON(src []byte) []byte {
	f := fixer{src: src}
	depth, tooDeepAt := 0, 0
	for i := 0; i < len(src); {
		start := i
		switch c := src[i]; {
		case c == '"':
			i = f.fixString(i)
			continue
		case c == '-' || '0' <= c && c <= '9':
			for i < len(src) && isNumberByte(src[i]) {
				i++
			}
			if !fitsNumeric(src[start:i]) {
				f.replace(start, i, numberText(src[start:i]))
			}
			continue
		case c == '{' || c == '[':
			depth++
			if depth == maxArgsDepth+1 {
				tooDeepAt = i
				f.muted = true
			}
		case c == '}' || c == ']':
			depth--
			if depth == maxArgsDepth {
				f.muted = false
				f.replace(tooDeepAt, i+1, `"`+tooDeep+`"`)
			}
		}
		i++
	}
	return f.finish()
}

// fixer collects src with pieces of it replaced, from left to right.
type fixer struct {
	src, out []byte
	done     int  // how much of src is dealt with
	muted    bool // inside of what is going to be replaced as a whole
}

func (f *fixer) replace(lo, hi int, with string) {
	if !f.muted {
		f.out = append(append(f.out, f.src[f.done:lo]...), with...)
		f.done = hi
	}
}

func (f *fixer) finish() []byte {
	if f.done == 0 {
		return f.src
	}
	return append(f.out, f.src[f.done:]...)
}

// fixString deals with the string token at src[i] and returns the place behind it.
func (f *fixer) fixString(i int) int {
	for i++; f.src[i] != '"'; {
		c := f.src[i]
		switch {
		case c == '\\' && f.src[i+1] == 'u':
			n := 6
			switch r := escaped(f.src[i:]); {
			case r>>10 == 0xD800>>10 && escaped(f.src[i+6:])>>10 == 0xDC00>>10:
				n = 12
			case r == 0 || r>>11 == 0xD800>>11:
				f.replace(i, i+6, `\ufffd`)
			}
			i += n
		case c == '\\':
			i += 2
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(f.src[i:])
			if r == utf8.RuneError && n == 1 {
				f.replace(i, i+1, "\uFFFD")
			}
			i += n
		}
	}
	return i + 1
}

// escaped returns the code unit of the \u escape at the start of s, -1 if none is there.
func escaped(s []byte) int {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	unit := 0
	for _, c := range s[2:6] {
		switch {
		case c <= '9':
			unit = unit<<4 | int(c-'0')
		default:
			unit = unit<<4 | int(c|0x20-'a'+10)
		}
	}
	return unit
}

func isNumberByte(c byte) bool {
	return '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// fitsNumeric reports whether PostgreSQL's numeric can hold the JSON number.
func fitsNumeric(number []byte) bool {
	mantissa, exponent := number, 0
	if i := bytes.IndexAny(number, "eE"); i >= 0 {
		mantissa = number[:i]
		var err error
		if exponent, err = strconv.Atoi(string(number[i+1:])); err != nil {
			return false
		}
	}
	fraction := 0
	if i := bytes.IndexByte(mantissa, '.'); i >= 0 {
		fraction = len(mantissa) - i - 1
	}
	return -maxExponent <= exponent && exponent <= maxExponent && fraction-exponent <= maxFraction
}

// numberText returns the number as a JSON string, cut if it is long.
func numberText(number []byte) string {
	return strconv.Quote(storableText(string(number), maxNumber))
}
