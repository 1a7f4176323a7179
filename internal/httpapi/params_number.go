package httpapi

import (
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// paramMaxDigits is how many digits an integer may have; more are an error of their own.
const paramMaxDigits = 4300

// paramInt parses an integer from low to high: decimal digits, with single underscores
// between them, behind an optional sign, in front of an optional fraction of zeros,
// with white space around.
func paramInt(value string, low, high int64) (int64, *fieldError) {
	notInt := &fieldError{
		Type: "int_parsing",
		Msg:  "Input should be a valid integer, unable to parse string as an integer",
	}
	s := strings.TrimSpace(value)
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = s[:1], s[1:]
	}
	s, fraction, dotted := strings.Cut(s, ".")
	if dotted && (fraction == "" || strings.Trim(fraction, "0") != "") {
		return 0, notInt
	}
	for i := range len(s) {
		between := 0 < i && i < len(s)-1 && s[i-1] != '_'
		switch {
		case s[i] >= '0' && s[i] <= '9', s[i] == '_' && between:
		default:
			return 0, notInt
		}
	}
	if s == "" {
		return 0, notInt
	}
	digits := strings.TrimLeft(strings.ReplaceAll(s, "_", ""), "0")
	if len(digits) > paramMaxDigits {
		return 0, &fieldError{
			Type: "int_parsing_size",
			Msg:  "Unable to parse input string as an integer, exceeded maximum size",
		}
	}
	n, err := strconv.ParseInt(sign+"0"+digits, 10, 64)
	switch {
	case n < low:
		return 0, &fieldError{
			Type: "greater_than_equal", Ctx: map[string]any{"ge": low},
			Msg: "Input should be greater than or equal to " + strconv.FormatInt(low, 10),
		}
	case n > high || err != nil: // err: beyond 64 bits, and n the nearest that is not
		return 0, &fieldError{
			Type: "less_than_equal", Ctx: map[string]any{"le": high},
			Msg: "Input should be less than or equal to " + strconv.FormatInt(high, 10),
		}
	}
	return n, nil
}

// paramUUID parses a UUID: 32 hexadecimal digits, bare or in the usual five groups,
// and the groups also in braces or behind `urn:uuid:`.
func paramUUID(value string) (uuid.UUID, *fieldError) {
	fault := func(detail string) (uuid.UUID, *fieldError) {
		return uuid.UUID{}, paramFault("uuid_parsing", "Input should be a valid UUID", detail)
	}
	s, bare := value, true
	if inner, ok := strings.CutPrefix(value, "urn:uuid:"); ok {
		s, bare = inner, false
	} else if len(value) > 1 && value[0] == '{' && value[len(value)-1] == '}' {
		s, bare = value[1:len(value)-1], false
	}
	before := strings.Index(value, s)
	for i, r := range s {
		if r != '-' && (r > 'f' || paramHex(byte(r)) < 0) {
			return fault("invalid character: found `" + string(r) + "` at " + strconv.Itoa(before+i+1))
		}
	}
	groups := strings.Split(s, "-")
	if bare && len(groups) == 1 {
		if len(s) != 32 {
			return fault("invalid length: expected length 32 for simple format, found " + strconv.Itoa(len(s)))
		}
		return uuid.MustParse(s), nil
	}
	if len(groups) != 5 {
		return fault("invalid group count: expected 5, found " + strconv.Itoa(len(groups)))
	}
	for i, want := range [5]int{8, 4, 4, 4, 12} {
		if len(groups[i]) != want {
			return fault("invalid group length in group " + strconv.Itoa(i) +
				": expected " + strconv.Itoa(want) + ", found " + strconv.Itoa(len(groups[i])))
		}
	}
	return uuid.MustParse(s), nil
}
