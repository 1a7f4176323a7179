package audit

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestStorableText(t *testing.T) {
	for _, tt := range []struct {
		in    string
		limit int
		want  string
	}{
		{"", 4, ""},
		{"abcd", 4, "abcd"},
		{"abcde", 4, "abc…"},
		{"äöü😀", 4, "äöü😀"},
		{"äöü😀x", 4, "äöü…"},
		{"a\x00b", 4, "a\ufffdb"},
		{"\x00\x00\x00\x00\x00", 4, "\ufffd\ufffd\ufffd…"},
		{"a\xffb", 4, "a\ufffdb"},
		{"\xed\xa0\x80", 4, "\ufffd\ufffd\ufffd"},
		{"\xc0\x80", 4, "\ufffd\ufffd"},
		{"ab\xe2\x82", 4, "ab\ufffd\ufffd"},
		{"\ufffe\U0010ffff\x7f\n", 4, "\ufffe\U0010ffff\x7f\n"},
	} {
		if got := storableText(tt.in, tt.limit); got != tt.want {
			t.Errorf("storableText(%q, %d) = %q, want %q", tt.in, tt.limit, got, tt.want)
		}
	}
}

func TestStorable(t *testing.T) {
	long := strings.Repeat("é", 600)
	cut := func(limit int) string { return strings.Repeat("é", limit-1) + "…" }
	e := Entry{
		ID: 7, UserID: uuid.NullUUID{UUID: uuid.Max, Valid: true},
		Action: long, Resource: long, SaltJID: long, Username: long, Verb: long,
		Reason: long, RequestID: long, SourceIP: long, UserAgent: long,
		Decision: "maybe", ResultCode: math.MaxInt, DurationMS: -1,
		Args: json.RawMessage("null"),
	}
	want := Entry{
		ID: 7, UserID: uuid.NullUUID{UUID: uuid.Max, Valid: true},
		Action: cut(128), Resource: cut(255), SaltJID: cut(64), Username: cut(255), Verb: cut(64),
		Reason: cut(512), RequestID: cut(128), SourceIP: cut(64), UserAgent: cut(512),
		Decision: Deny, ResultCode: math.MaxInt32, DurationMS: 0,
	}
	if diff := cmp.Diff(want, Storable(e)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	fine := Entry{Action: "a", Decision: Allow, ResultCode: -1, DurationMS: math.MaxInt, Args: json.RawMessage(`{"a": 1}`)}
	got := Storable(fine)
	fine.DurationMS = math.MaxInt32
	if diff := cmp.Diff(fine, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := Storable(Entry{ResultCode: math.MinInt}).ResultCode; got != math.MinInt32 {
		t.Errorf("ResultCode = %d", got)
	}
}

func TestStorableArgs(t *testing.T) {
	nest := func(levels int) string {
		return strings.Repeat(`{"a":`, levels) + "1" + strings.Repeat("}", levels)
	}
	digits := strings.Repeat("7", 20_000)
	for _, tt := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"white space", " \r\n\t", ""},
		{"null", " null ", ""},
		{"object", ` {"a": [1, "x", null]} `, ` {"a": [1, "x", null]} `},
		{"empty object", "{}", "{}"},
		{"list", "[1, 2]", `{"_value":[1, 2]}`},
		{"text", ` "x"`, `{"_value":"x"}`},
		{"false", "false", `{"_value":false}`},
		{"escapes that stay", `{"\n\\u0000":"\"\u0001\ud83d\ude00\uD83D\uDE00\u00e9\\ud800"}`, `{"\n\\u0000":"\"\u0001\ud83d\ude00\uD83D\uDE00\u00e9\\ud800"}`},
		{"NUL", `{"a\u0000":"\u0000b"}`, `{"a\ufffd":"\ufffdb"}`},
		{
			"lone surrogates", `{"a":"\ud800","b":"\uDFFFx","c":"\ud800\ud83d\ude00","d":"\ud83dA\ude00","e":"\ud800\n"}`,
			`{"a":"\ufffd","b":"\ufffdx","c":"\ufffd\ud83d\ude00","d":"\ufffdA\ufffd","e":"\ufffd\n"}`,
		},
		{"invalid UTF-8", "{\"a\xff\":\"\xed\xa0\x80é\xe2\x82\"}", "{\"a\ufffd\":\"\ufffd\ufffd\ufffdé\ufffd\ufffd\"}"},
		{
			"numbers that stay", `{"a":[0,-0,1.5e+10,1E-7,1.7976931348623157e308,5e-324,12345678901234567890123]}`,
			`{"a":[0,-0,1.5e+10,1E-7,1.7976931348623157e308,5e-324,12345678901234567890123]}`,
		},
		{"numbers outside", `{"a":[1e200000,-1E-20000,1e99999999999999999999,0e-401]}`, `{"a":["1e200000","-1E-20000","1e99999999999999999999","0e-401"]}`},
		{"number before a brace", `{"a":1e401}`, `{"a":"1e401"}`},
		{"only a number", "1e999", `{"_value":"1e999"}`},
		{"many digits before the point", `{"a":` + digits + `}`, `{"a":` + digits + `}`},
		{"many digits behind it", `{"a":0.` + digits + `}`, `{"a":"0.` + digits[:61] + `…"}`},
		{"deep enough", nest(128), nest(128)},
		{"too deep", nest(129), strings.Repeat(`{"a":`, 128) + `"<too deep>"` + strings.Repeat("}", 128)},
		{
			"too deep with more behind", `{"z":` + strings.Repeat("[", 128) + `"]",1e999,"\u0000"` + strings.Repeat("]", 128) + `,"y":"\u0000"}`,
			`{"z":` + strings.Repeat("[", 127) + `"<too deep>"` + strings.Repeat("]", 127) + `,"y":"\ufffd"}`,
		},
		{"not JSON", `{"password": "x"`, `{"_invalid":16,"sha256":"b4b4c8a4680acdaea79838a824af890c667773aba54703769c03585f59c58f50"}`},
		{"raw control character", "{\"a\":\"\x00\"}", `{"_invalid":9,"sha256":"9a2f4cf56dc34833b5da618c36e2c26638bf608575beca6a802438ff4ce21f8b"}`},
		{"as long as may be", `{"a":"` + strings.Repeat("x", 32<<10-8) + `"}`, `{"a":"` + strings.Repeat("x", 32<<10-8) + `"}`},
		{"too long", `{"a":"` + strings.Repeat("x", 32<<10-7) + `"}`, `{"_cut":32769,"sha256":"b48bd35a4c7585e51031542adf2eb048eb541993bf2e9e990ce581ec5ac90e44"}`},
		{"too long once it is fixed", `{"a":"` + strings.Repeat("\xff", 32<<10-8) + `"}`, `{"_cut":32768,"sha256":"f1ad789182974d83c05dad106dcddd2b11a08023eaefe1f29aa9336a880343a0"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := strings.Clone(tt.in)
			in := json.RawMessage(tt.in)
			got := Storable(Entry{Args: in}).Args
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if string(in) != before {
				t.Error("the argument was altered")
			}
			if len(tt.want) == 0 && got != nil {
				t.Error("empty, but not nil")
			}
		})
	}
}

func TestStorableDoesNotAllocate(t *testing.T) {
	e := Entry{
		Action: "salt.run", Resource: "salt:test.ping", Decision: Allow, Username: "zoë", SaltJID: "20250601123456789012",
		Args: json.RawMessage(`{"target":"web-*","fun":"test.ping","args":[1.5e3,"\u00e9 é"],"kwargs":{}}`),
	}
	if allocs := testing.AllocsPerRun(100, func() { e = Storable(e) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

var (
	pairedEscapes  = regexp.MustCompile(`(?i)\\u(d[89ab])[0-9a-f]{2}\\u(d[c-f])[0-9a-f]{2}`)
	refusedEscapes = regexp.MustCompile(`(?i)\\u(0000|d[89a-f][0-9a-f]{2})`)
)

// FuzzStorable checks the result against what PostgreSQL refuses, written down apart
// from the code that sees to it.
func FuzzStorable(f *testing.F) {
	f.Add("salt.run", "salt:test.ping", []byte(`{"a":[1e5,"\u00e9\ud83d\ude00"]}`), 200, 3, "allow")
	f.Add("a\x00\xff", strings.Repeat("é", 300), []byte(`[{"\u0000":"\ud800\\u0000"},1e500,0.1e-500]`), -1, math.MaxInt, "")
	f.Add("", "\xed\xa0\x80", []byte(strings.Repeat("[", 200)+strings.Repeat("]", 200)), math.MinInt, math.MinInt, "deny")
	f.Add("", "", []byte("\"\xe2\x82\\\\ud800\""), 0, 0, "Allow")
	f.Add("", "", []byte(` {"a":"\\`+"\xff"+`"}`), 0, 0, "allow")
	f.Fuzz(func(t *testing.T, short, long string, args []byte, code, ms int, decision string) {
		in := string(args)
		e := Storable(Entry{
			Action: short, Resource: long, SaltJID: long, Username: short, Verb: long, Reason: long,
			RequestID: long, SourceIP: long, UserAgent: long + short,
			Args: args, ResultCode: code, DurationMS: ms, Decision: Decision(decision),
		})
		if string(args) != in {
			t.Error("the argument was altered")
		}
		for _, column := range []struct {
			name, value string
			limit       int
		}{
			{"action", e.Action, 128},
			{"resource", e.Resource, 255},
			{"salt_jid", e.SaltJID, 64},
			{"username", e.Username, 255},
			{"verb", e.Verb, 64},
			{"reason", e.Reason, 512},
			{"request_id", e.RequestID, 128},
			{"source_ip", e.SourceIP, 64},
			{"user_agent", e.UserAgent, 512},
		} {
			if utf8.RuneCountInString(column.value) > column.limit || !utf8.ValidString(column.value) || strings.Contains(column.value, "\x00") {
				t.Errorf("%s: %q", column.name, column.value)
			}
		}
		if e.Decision != Allow && e.Decision != Deny || (e.Decision == Allow) != (decision == "allow") {
			t.Errorf("decision %q of %q", e.Decision, decision)
		}
		if e.ResultCode != int(int32(e.ResultCode)) || e.DurationMS != int(int32(e.DurationMS)) || e.DurationMS < 0 {
			t.Errorf("result code %d, %d ms", e.ResultCode, e.DurationMS)
		}
		if diff := cmp.Diff(e, Storable(e)); diff != "" {
			t.Errorf("not stable:\n%s", diff)
		}
		if e.Args != nil {
			checkArgs(t, e.Args)
		}
	})
}

func checkArgs(t *testing.T, args json.RawMessage) {
	t.Helper()
	text := strings.ReplaceAll(string(args), `\\`, "")
	text = pairedEscapes.ReplaceAllString(text, "")
	switch {
	case len(args) > 32<<10:
		t.Errorf("%d bytes", len(args))
	case !utf8.Valid(args):
		t.Errorf("not UTF-8: %q", args)
	case refusedEscapes.MatchString(text):
		t.Errorf("an escape that jsonb refuses: %s", args)
	}
	decoder := json.NewDecoder(strings.NewReader(string(args)))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		t.Fatalf("%v: %s", err, args)
	}
	var check func(v any, depth int)
	check = func(v any, depth int) {
		if depth > 129 {
			t.Fatalf("too deep: %s", args)
		}
		switch v := v.(type) {
		case map[string]any:
			for _, v := range v {
				check(v, depth+1)
			}
		case []any:
			for _, v := range v {
				check(v, depth+1)
			}
		case json.Number:
			text := strings.ToLower(v.String())
			mantissa, exponent, _ := strings.Cut(text, "e")
			_, fraction, _ := strings.Cut(mantissa, ".")
			shift := 0
			if exponent != "" {
				var err error
				if shift, err = strconv.Atoi(exponent); err != nil {
					t.Fatalf("%v: %s", err, v)
				}
			}
			if len(fraction)-shift > 16383 || len(mantissa)+shift > 131072 {
				t.Errorf("outside numeric: %s", v)
			}
		}
	}
	check(object, 0)
}

func BenchmarkStorable(b *testing.B) {
	e := Entry{
		Action: "salt.run", Resource: "salt:test.ping", Decision: Allow, Username: "alice",
		Args: json.RawMessage(`{"target":"web-*","target_type":"glob","fun":"test.ping","args":[],"kwargs":{}}`),
	}
	b.ReportAllocs()
	for b.Loop() {
		e = Storable(e)
	}
}
