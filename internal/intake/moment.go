package intake

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// millis is from where on a number of a time counts milliseconds, not seconds.
const millis = 20_000_000_000

var errNoTime = errors.New("no time")

// parseTime reads a time as a source may write it: a date and a time of day with a `T`, a
// `t` or a blank between them, up to nine digits of a fraction, of which six count, and
// an offset in hours or hours and minutes, `Z`, or none for UTC; or a number of seconds
// since 1970, or of milliseconds from 20,000,000,000 on. The result is in UTC.
func parseTime(s string) (time.Time, error) {
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return parseNumber(s, n)
	}
	const date = len("2006-01-02")
	if len(s) <= date || !strings.ContainsRune("Tt _", rune(s[date])) {
		return time.Time{}, errNoTime
	}
	text := s[:date] + "T" + strings.ReplaceAll(s[date+1:], "z", "Z")
	for _, layout := range []string{
		"2006-01-02T15:04:05", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07",
	} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Truncate(time.Microsecond), nil
		}
	}
	return time.Time{}, errNoTime
}

// parseNumber reads s, whose value is about n. Whole numbers are not put through a float,
// which has no room for microseconds beside them.
func parseNumber(s string, n float64) (time.Time, error) {
	if n < 0 || n > 1e15 || strings.ContainsAny(s, "xXpP_") { // not NaN either
		return time.Time{}, errNoTime
	}
	whole, fraction, _ := strings.Cut(s, ".")
	units, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || len(fraction) > 0 && strings.Trim(fraction, "0123456789") != "" {
		return time.Time{}, errNoTime
	}
	nanos, _ := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	t := time.Unix(units, nanos)
	if n > millis {
		t = time.UnixMilli(units).Add(time.Duration(nanos / 1000))
	}
	return t.UTC().Truncate(time.Microsecond), nil
}
