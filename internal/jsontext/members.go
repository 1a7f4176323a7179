package jsontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"unicode/utf8"
)

// Members are the names and values of the JSON object in text, in its order. err says
// why there are none. encoding/json would check every value once more and make something
// of it, where what is wanted is the text as it stands.
func Members(text []byte, err *error) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		text = bytes.Trim(text, blanks)
		if !json.Valid(text) {
			var v any
			*err = json.Unmarshal(text, &v) // says where
			return
		}
		if text[0] != '{' {
			*err = errors.New("an object is wanted")
			return
		}
		for rest := trim(text[1:]); rest[0] == '"'; {
			n := tokenEnd(rest)
			name := Unquote(rest[:n])
			rest = trim(rest[n:])
			rest = trim(rest[len(":"):])
			n = tokenEnd(rest)
			if !yield(name, json.RawMessage(rest[:n])) {
				return
			}
			if rest = trim(rest[n:]); rest[0] == ',' {
				rest = trim(rest[1:])
			}
		}
	}
}

// Value is how long the JSON value is that s begins with, 0 if it begins with none.
func Value(s []byte) int {
	if len(s) == 0 {
		return 0
	}
	if s[0] == '"' { // mostly a plain string
		for i := 1; i < len(s) && s[i] >= ' ' && s[i] != '\\'; i++ {
			if s[i] == '"' {
				return i + 1
			}
		}
	}
	n := tokenEnd(s)
	if !json.Valid(s[:n]) {
		return 0
	}
	return n
}

const blanks = " \t\r\n"

// trim is s without the blanks at its beginning. s ends with something else.
func trim(s []byte) []byte {
	for s[0] == ' ' || s[0] == '\t' || s[0] == '\r' || s[0] == '\n' {
		s = s[1:]
	}
	return s
}

// tokenEnd is how long the JSON value is that s begins with, if it begins with one.
func tokenEnd(s []byte) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 { // of what a number or a word is in
				return i
			}
			depth--
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return min(i+1, len(s))
		}
	}
	return len(s)
}

// Unquote is what the valid JSON string s says.
func Unquote(s []byte) string {
	if inside := s[1 : len(s)-1]; bytes.IndexByte(inside, '\\') < 0 && utf8.Valid(inside) {
		return string(inside) // as it stands
	}
	var out string
	_ = json.Unmarshal(s, &out) // it is valid
	return out
}
