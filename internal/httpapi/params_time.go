package httpapi

import (
	"math/big"
	"strings"
	"time"
)

// What can be wrong with a moment, in the words that clients know. They are those of
// the date alone: the text is tried as a date last.
const (
	timeTooShort  = "input is too short"
	timeExtra     = "unexpected extra characters at the end of the input"
	timeSeparator = "invalid date separator, expected `-`"
	timeYear      = "invalid character in year"
	timeMonth     = "invalid character in month"
	timeDay       = "invalid character in day"
	timeMonthOut  = "month value is outside expected range of 1-12"
	timeDayOut    = "day value is outside expected range"
	timeYearOut   = "year value is outside expected range of 1-9999"
	timeBefore    = "dates before 1600 are not supported as unix timestamps"
	timeAfter     = "dates after 9999 are not supported as unix timestamps"
)

// Seconds above this are taken for milliseconds.
const timeWatershed = 20_000_000_000

// paramTime reads a date, a date and time (UTC where it has no offset), or a number of
// seconds or milliseconds since 1970. Digits beyond the microsecond are cut.
func paramTime(raw string) (t time.Time, fault string) {
	date, fault := paramDate(raw)
	if fault == "" {
		if len(raw) == 10 {
			return date, ""
		}
		if t, ok := paramClock(date, raw[10:]); ok {
			return t, ""
		}
		fault = timeExtra
	}
	if t, f, ok := paramUnix(raw); ok {
		return t, f
	}
	return t, fault
}

// paramDate reads the ten characters of a date; what follows is not looked at.
func paramDate(s string) (t time.Time, fault string) {
	if len(s) < 10 {
		return t, timeTooShort
	}
	year, ok := paramDigits(s[:4])
	if !ok {
		return t, timeYear
	}
	if s[4] != '-' {
		return t, timeSeparator
	}
	month, ok := paramDigits(s[5:7])
	if !ok {
		return t, timeMonth
	}
	if s[7] != '-' {
		return t, timeSeparator
	}
	day, ok := paramDigits(s[8:10])
	if !ok {
		return t, timeDay
	}
	switch t = time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC); {
	case month < 1 || month > 12:
		return t, timeMonthOut
	case t.Day() != day:
		return t, timeDayOut
	case year == 0:
		return t, timeYearOut
	}
	return t, ""
}

// paramClock reads what follows a date: THH:MM[:SS[.digits]][offset].
func paramClock(date time.Time, s string) (t time.Time, ok bool) {
	if !strings.ContainsAny(s[:1], "Tt _") || len(s) < 6 || s[3] != ':' {
		return t, false
	}
	hour, ok1 := paramDigits(s[1:3])
	minute, ok2 := paramDigits(s[4:6])
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return t, false
	}
	t, s = date.Add(time.Duration(hour)*time.Hour+time.Duration(minute)*time.Minute), s[6:]
	if strings.HasPrefix(s, ":") {
		if len(s) < 3 {
			return t, false
		}
		second, ok := paramDigits(s[1:3])
		if !ok || second > 59 {
			return t, false
		}
		t, s = t.Add(time.Duration(second)*time.Second), s[3:]
		if s != "" && (s[0] == '.' || s[0] == ',') {
			n := len(s) - 1 - len(strings.TrimLeft(s[1:], "0123456789"))
			if n == 0 {
				return t, false
			}
			micros, _ := paramDigits((s[1:1+n] + "00000")[:6])
			t, s = t.Add(time.Duration(micros)*time.Microsecond), s[1+n:]
		}
	}
	offset, ok := paramOffset(s)
	return t.Add(-offset), ok
}

// paramOffset reads nothing, Z, +HH:MM or +HHMM.
func paramOffset(s string) (time.Duration, bool) {
	if s == "" || s == "Z" || s == "z" {
		return 0, true
	}
	sign := time.Duration(1)
	if s[0] == '-' {
		sign = -1
	} else if s[0] != '+' {
		return 0, false
	}
	s = s[1:]
	if len(s) == 5 && s[2] == ':' {
		s = s[:2] + s[3:]
	}
	if len(s) != 4 {
		return 0, false
	}
	hours, ok1 := paramDigits(s[:2])
	minutes, ok2 := paramDigits(s[2:])
	if !ok1 || !ok2 || hours > 23 || minutes > 59 {
		return 0, false
	}
	return sign * (time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute), true
}

// paramUnix reads a decimal number of seconds, or of milliseconds if it is large.
func paramUnix(s string) (t time.Time, fault string, ok bool) {
	plain := strings.TrimLeft(s, "+-")
	whole, fraction, dot := strings.Cut(plain, ".")
	if len(s)-len(plain) > 1 || len(s) > 64 || whole == "" || strings.Trim(whole+fraction, "0123456789") != "" || dot && fraction == "" {
		return t, "", false
	}
	n, _ := new(big.Rat).SetString(s)
	unit := big.NewRat(1_000_000, 1)
	if new(big.Rat).Abs(n).Cmp(big.NewRat(timeWatershed, 1)) > 0 {
		unit = big.NewRat(1_000, 1)
	}
	n.Mul(n, unit)
	micros := new(big.Int).Div(n.Num(), n.Denom()) // rounds down
	first := time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	last := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() - 1
	switch {
	case micros.Cmp(big.NewInt(first)) < 0:
		return t, timeBefore, true
	case micros.Cmp(big.NewInt(last)) > 0:
		return t, timeAfter, true
	}
	return time.UnixMicro(micros.Int64()).UTC(), "", true
}

// paramDigits reads ASCII digits only.
func paramDigits(s string) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}
