package httpapi

import (
	"fmt"
	"math/big"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// maxDigits is how long a number may be before it is refused unread.
const maxDigits = 4300

// paramInt reads a whole number from lo to hi. White space around it, a sign, single
// underscores between digits and a fraction of zeros are let through.
func paramInt(raw string, lo, hi int64) (int64, *fieldError) {
	s := strings.TrimFunc(raw, unicode.IsSpace)
	if len(s) > maxDigits {
		return 0, &fieldError{Type: "int_parsing_size", Msg: "Unable to parse input string as an integer, exceeded maximum size"}
	}
	if whole, fraction, ok := strings.Cut(s, "."); ok && strings.Trim(fraction, "0") == "" {
		s = whole
	}
	digits := strings.TrimPrefix(s, "-")
	if len(digits) == len(s) {
		digits = strings.TrimPrefix(s, "+")
	}
	plain := strings.ReplaceAll(digits, "_", "")
	if plain == "" || strings.Trim(plain, "0123456789") != "" || strings.HasPrefix(digits, "_") || strings.HasSuffix(digits, "_") || strings.Contains(digits, "__") {
		return 0, &fieldError{Type: "int_parsing", Msg: "Input should be a valid integer, unable to parse string as an integer"}
	}
	n, _ := new(big.Int).SetString(plain, 10)
	if strings.HasPrefix(s, "-") {
		n.Neg(n)
	}
	switch {
	case n.Cmp(big.NewInt(lo)) < 0:
		return 0, &fieldError{
			Type: "greater_than_equal", Ctx: map[string]any{"ge": lo},
			Msg: fmt.Sprintf("Input should be greater than or equal to %d", lo),
		}
	case n.Cmp(big.NewInt(hi)) > 0:
		return 0, &fieldError{
			Type: "less_than_equal", Ctx: map[string]any{"le": hi},
			Msg: fmt.Sprintf("Input should be less than or equal to %d", hi),
		}
	}
	return n.Int64(), nil
}

// paramUUID reads a UUID with hyphens, as 32 digits, in braces or as a URN, in either
// case. fault says what is wrong, in the words that clients know.
func paramUUID(raw string) (id uuid.UUID, fault string) {
	body, offset, simple := raw, 0, true
	switch {
	case len(raw) >= 2 && raw[0] == '{' && raw[len(raw)-1] == '}':
		body, offset, simple = raw[1:len(raw)-1], 1, false
	case strings.HasPrefix(raw, "urn:uuid:"):
		body, offset, simple = raw[len("urn:uuid:"):], len("urn:uuid:"), false
	}
	var hyphens []int
	for i, r := range body {
		switch {
		case r == '-':
			hyphens = append(hyphens, i)
		case r >= utf8.RuneSelf || hexDigit(byte(r)) < 0:
			return id, fmt.Sprintf("invalid character: found `%c` at %d", r, i+offset+1)
		}
	}
	if len(hyphens) == 0 && simple {
		if len(body) != 32 {
			return id, fmt.Sprintf("invalid length: expected length 32 for simple format, found %d", len(raw))
		}
		id, _ = uuid.Parse(body)
		return id, ""
	}
	if len(hyphens) != 4 {
		return id, fmt.Sprintf("invalid group count: expected 5, found %d", len(hyphens)+1)
	}
	start := 0
	for group, want := range []int{8, 4, 4, 4, 12} {
		end := len(body)
		if group < 4 {
			end = hyphens[group]
		}
		if end-start != want {
			return id, fmt.Sprintf("invalid group length in group %d: expected %d, found %d", group, want, end-start)
		}
		start = end + 1
	}
	id, _ = uuid.Parse(body)
	return id, ""
}
