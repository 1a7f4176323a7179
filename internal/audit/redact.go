package audit

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What takes the place of a value in the log. Redacted stands for a secret, tooDeep
// for what is nested deeper than is kept, and unreadable for a value that has no
// JSON form.
const (
	Redacted   = "<redacted>"
	tooDeep    = "<too deep>"
	unreadable = "<unreadable>"
)

// maxRedactDepth is how many objects and lists inside each other Redact enters.
const maxRedactDepth = 64

// secretWords make a name secret wherever they occur in it, secretNames only if
// they are all of it. Both are compared with the name as foldName leaves it.
var (
	secretWords = []string{
		"password", "passwd", "passphrase", "secret", "token", "apikey",
		"authorization", "credential", "privatekey", "cookie",
	}
	secretNames = []string{"pw", "pwd"}
)

// Redact returns a deep copy of v, a JSON-like value, in which Redacted stands in
// the place of every secret. v itself is never altered and shares nothing with the
// copy that could be written to.
//
// Maps with string keys, []any, strings, numbers, booleans and nil are taken as they
// are, anything else in the form that encoding/json gives it; what has no such form
// becomes a marker. The copy can always be marshalled.
//
// Secret is
//   - the value, of whatever type, under a key whose letters contain one of
//     secretWords or are one of secretNames: X-Api-Key, newPassword, db_passwd;
//   - what RedactText finds in any string, be it a value, a list element or a key;
//   - the string that follows a list element that is a flag with such a name, as in
//     ["mysql", "--password", "x"], unless that string starts with `-`.
//
// Objects and lists nested more than 64 deep are replaced by a marker.
func Redact(v any) any {
	return redactValue(v, 0)
}

func redactValue(v any, depth int) any {
	switch v := v.(type) {
	case nil, bool, int, int64:
		return v
	case string:
		return RedactText(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
		return v
	case json.Number:
		if _, err := json.Marshal(v); err != nil {
			return RedactText(v.String())
		}
		return v
	case map[string]any:
		return redactMap(v, depth+1)
	case []any:
		return redactList(v, depth+1)
	}
	plain, err := plainJSON(v)
	if err != nil {
		return unreadable
	}
	return redactValue(plain, depth)
}

func redactMap(m map[string]any, depth int) any {
	if depth > maxRedactDepth {
		return tooDeep
	}
	if m == nil {
		return nil
	}
	out := make(map[string]any, len(m))
	for name, value := range m {
		key := RedactText(name)
		for _, taken := out[key]; taken; _, taken = out[key] {
			key += "'" // two keys that differed only in a secret
		}
		if isSecretName(name) {
			out[key] = Redacted
		} else {
			out[key] = redactValue(value, depth)
		}
	}
	return out
}

func redactList(list []any, depth int) any {
	if depth > maxRedactDepth {
		return tooDeep
	}
	if list == nil {
		return nil
	}
	out := make([]any, len(list))
	afterFlag := false
	for i, value := range list {
		text, isText := value.(string)
		if afterFlag && isText && !strings.HasPrefix(text, "-") {
			out[i] = Redacted
		} else {
			out[i] = redactValue(value, depth)
		}
		afterFlag = isText && isSecretFlag(text)
	}
	return out
}

// isSecretFlag reports whether s is a command line flag without a value that is
// named like a secret.
func isSecretFlag(s string) bool {
	return strings.HasPrefix(s, "-") && nameStart(s, 0, len(s)) == 0 && isSecretName(s)
}

// isSecretName reports whether a value of this name is to be kept out of the log.
func isSecretName(name string) bool {
	var buf [64]byte
	folded := foldName(buf[:0], name)
	for _, word := range secretWords {
		if bytes.Contains(folded, []byte(word)) {
			return true
		}
	}
	for _, whole := range secretNames {
		if string(folded) == whole {
			return true
		}
	}
	return false
}

// foldName appends the letters of name to dst, without regard to case.
func foldName(dst []byte, name string) []byte {
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z':
			dst = append(dst, byte(r))
		case 'A' <= r && r <= 'Z':
			dst = append(dst, byte(r)+'a'-'A')
		case r >= utf8.RuneSelf && r != utf8.RuneError && unicode.IsLetter(r):
			// By way of the capital, so that the long s is an s.
			dst = utf8.AppendRune(dst, unicode.ToLower(unicode.ToUpper(r)))
		}
	}
	return dst
}

// plainJSON returns v as encoding/json writes it, decoded again.
func plainJSON(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var plain any
	err = decoder.Decode(&plain)
	return plain, err
}
