package jsontext_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"halite/internal/jsontext"
)

func TestAppendString(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"":                               `""`,
		"plain":                          `"plain"`,
		`a"b\c`:                          `"a\"b\\c"`,
		"\b\f\n\r\t":                     `"\b\f\n\r\t"`,
		"\x00\x1f\x7f/":                  `"\u0000\u001f` + "\x7f/" + `"`,
		"<&>é\u2028\u2029\uFFFD😀":        `"` + "<&>é\u2028\u2029\uFFFD😀" + `"`,
		"\"é\xffa\xe2\x80\"\xed\xa0\x80": `"\"é` + "\uFFFDa\uFFFD\uFFFD" + `\"` + strings.Repeat("\uFFFD", 3) + `"`,
	} {
		if got := string(jsontext.AppendString([]byte("x"), s)); got != "x"+want {
			t.Errorf("%q: %s, want %s", s, got[1:], want)
		}
	}
}

func TestAppendOptional(t *testing.T) {
	t.Parallel()
	if got := string(jsontext.AppendOptional(jsontext.AppendOptional(nil, ""), "a\"")); got != `null"a\""` {
		t.Error(got)
	}
}

func TestAppendUUID(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("550E8400-E29B-41D4-A716-44665544000F")
	if got := string(jsontext.AppendUUID([]byte("x"), id)); got != `x"550e8400-e29b-41d4-a716-44665544000f"` {
		t.Error(got)
	}
}

func TestAppendTime(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("", 7200)
	for want, at := range map[string]time.Time{
		`"2026-01-02T03:04:05.000000Z"`: time.Date(2026, 1, 2, 5, 4, 5, 999, east),
		`"0001-01-01T00:00:00.000001Z"`: time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC),
		`"9999-12-31T23:59:59.100000Z"`: time.Date(9999, 12, 31, 23, 59, 59, 100_000_999, time.UTC),
		`"2026-01-02T03:04:05.678901Z"`: time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC),
	} {
		if got := string(jsontext.AppendTime(nil, at)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// FuzzAppendString: what is read back is what was written, each byte that is not UTF-8
// as one U+FFFD.
func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\x00\u2028\xff😀")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(jsontext.AppendString(nil, s), &got); err != nil || got != string([]rune(s)) {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	})
}

// FuzzAppendCompact: what is valid becomes what encoding/json makes of it.
func FuzzAppendCompact(f *testing.F) {
	f.Add([]byte(`{"a b": [1, 2.50, -1e3], "c\\": "\" \\", "d" : { } , "": null}`))
	f.Add([]byte("[\n\t\"a\\\\\" , true\r]"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want bytes.Buffer
		if json.Compact(&want, raw) != nil {
			t.Skip()
		}
		if got := jsontext.AppendCompact([]byte("x"), raw); string(got) != "x"+want.String() {
			t.Errorf("%s, want %s", got[1:], want.Bytes())
		}
	})
}
