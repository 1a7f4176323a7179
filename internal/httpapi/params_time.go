package httpapi

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// paramTime parses a point in time, in microseconds; what is finer is cut off. It is
// one of
//   - a date and a time, `2025-01-01T12:30:45.123456+02:00`: T may be t, `_` or a
//     space, seconds and fraction may be missing, the point may be a comma, and the
//     zone may be Z, z, have no colon or be missing, which means UTC;
//   - a date alone, midnight UTC;
//   - a number, with a point or without: seconds since 1970, or milliseconds if it is
//     beyond 20,000,000,000 on either side.
//
// The message of an error always speaks of the date, even if the time is at fault.
func paramTime(value string) (time.Time, *fieldError) {
	day, problem := paramDate(value)
	if problem == "" {
		sinceMidnight, ok := time.Duration(0), true
		if len(value) > paramDateLen {
			sinceMidnight, ok = paramClock(value[paramDateLen:])
		}
		switch {
		case !ok:
			problem = "unexpected extra characters at the end of the input"
		case day.Year() == 0:
			return time.Time{}, paramYearZero()
		default:
			return day.Add(sinceMidnight), nil
		}
	} else if t, ok, outside := paramUnix(value); ok {
		if t.Year() == 0 {
			return time.Time{}, paramYearZero()
		}
		return t, nil
	} else if outside != "" {
		problem = outside
	}
	return time.Time{}, paramFault("datetime_from_date_parsing", "Input should be a valid datetime or date", problem)
}

func paramYearZero() *fieldError {
	return paramFault("datetime_parsing", "Input should be a valid datetime", "year 0 is out of range")
}

// paramDateLen is how long a date is: YYYY-MM-DD.
const paramDateLen = 10

// paramDate returns the day that s starts with, or what is wrong with it.
func paramDate(s string) (day time.Time, problem string) {
	if len(s) < paramDateLen {
		return day, "input is too short"
	}
	year, ok := paramDigits(s[:4])
	if !ok {
		return day, "invalid character in year"
	}
	if s[4] != '-' {
		return day, "invalid date separator, expected `-`"
	}
	month, ok := paramDigits(s[5:7])
	if !ok {
		return day, "invalid character in month"
	}
	if s[7] != '-' {
		return day, "invalid date separator, expected `-`"
	}
	dom, ok := paramDigits(s[8:10])
	if !ok {
		return day, "invalid character in day"
	}
	if month < 1 || month > 12 {
		return day, "month value is outside expected range of 1-12"
	}
	day = time.Date(year, time.Month(month), dom, 0, 0, 0, 0, time.UTC)
	if day.Day() != dom {
		return day, "day value is outside expected range"
	}
	return day, ""
}

// paramClock returns the time of day that s is, a separator first, less the offset of
// its zone.
func paramClock(s string) (time.Duration, bool) {
	if len(s) < len("T00:00") || strings.IndexByte("Tt _", s[0]) < 0 || s[3] != ':' {
		return 0, false
	}
	hour, ok1 := paramDigits(s[1:3])
	minute, ok2 := paramDigits(s[4:6])
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return 0, false
	}
	d := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
	s = s[6:]
	if strings.HasPrefix(s, ":") {
		if len(s) < 3 {
			return 0, false
		}
		second, ok := paramDigits(s[1:3])
		if !ok || second > 59 {
			return 0, false
		}
		d += time.Duration(second) * time.Second
		s = s[3:]
		if s != "" && (s[0] == '.' || s[0] == ',') {
			rest := strings.TrimLeft(s[1:], "0123456789")
			digits := s[1 : len(s)-len(rest)]
			if digits == "" {
				return 0, false
			}
			micros, _ := paramDigits((digits + "00000")[:6])
			d += time.Duration(micros) * time.Microsecond
			s = rest
		}
	}
	offset, ok := paramZone(s)
	return d - offset, ok
}

// paramZone returns the offset from UTC that s stands for.
func paramZone(s string) (time.Duration, bool) {
	if s == "" || s == "Z" || s == "z" {
		return 0, true
	}
	sign := time.Duration(1)
	rest, ok := strings.CutPrefix(s, "+")
	for _, minus := range []string{"-", "\u2212"} {
		if !ok {
			rest, ok = strings.CutPrefix(s, minus)
			sign = -1
		}
	}
	if len(rest) == len("00:00") && rest[2] == ':' {
		rest = rest[:2] + rest[3:]
	}
	if !ok || len(rest) != len("0000") {
		return 0, false
	}
	hour, ok1 := paramDigits(rest[:2])
	minute, ok2 := paramDigits(rest[2:])
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return 0, false
	}
	return sign * (time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute), true
}

// paramDigits returns the number that s is if it holds nothing but ASCII digits.
func paramDigits(s string) (int, bool) {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// Bounds of numbers as points in time, in seconds.
const (
	paramMillisecondsFrom = 20_000_000_000
	paramUnixMin          = -62_167_219_200 // the start of the year 0
	paramUnixMax          = 253_402_300_799 // the end of the year 9999
)

// paramUnix returns the point in time that s is as a number. If s is a whole number
// beyond all years, outside says so.
func paramUnix(s string) (t time.Time, ok bool, outside string) {
	if strings.Contains(s, ".") {
		seconds, ok := paramDecimal(s)
		if !ok {
			return t, false, ""
		}
		if math.Abs(seconds) > paramMillisecondsFrom {
			seconds /= 1000
		}
		whole := math.Floor(seconds)
		if whole < math.MinInt64 || whole >= math.MaxInt64 {
			return t, false, ""
		}
		t, outside = paramFromUnix(int64(whole))
		return t.Add(time.Duration(math.Round((seconds-whole)*1e6)) * time.Microsecond), outside == "", ""
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n == math.MinInt64 {
		return t, false, ""
	}
	t, outside = paramFromUnix(n)
	return t, outside == "", outside
}

// paramFromUnix returns the point in time of n seconds, or milliseconds if they are many.
func paramFromUnix(n int64) (t time.Time, outside string) {
	t = time.Unix(n, 0)
	if n > paramMillisecondsFrom || n < -paramMillisecondsFrom {
		t = time.UnixMilli(n)
	}
	switch {
	case t.Unix() < paramUnixMin:
		return time.Time{}, "dates before 0000 are not supported as unix timestamps"
	case t.Unix() > paramUnixMax:
		return time.Time{}, "dates after 9999 are not supported as unix timestamps"
	}
	return t.UTC(), ""
}

// paramDecimal parses digits around a point with an optional sign and exponent.
func paramDecimal(s string) (float64, bool) {
	if strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, false // no names, underscores or hexadecimal digits
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}
