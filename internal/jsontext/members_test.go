package jsontext_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"halite/internal/jsontext"
)

// FuzzMembers: what is found in an object is what encoding/json finds, each value as it
// is written; what is no object is an error.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a": -1.5e+7 , "b":"x\\\"y","c":{"d":[1,{"e":"}]"}]},"f":null,"g":true,"a":2}`, `{"\u0061\n":[]}`, `{"a":"\ud800"}`,
		`{"a":1}{}`, `{"a":1,}`, `[]`, `1`, `null`, ``, `"`, "{\"\xff\":\"\xff\"}", "\t{\"a\"\r\n:\n[ ]\t,\"b\" : { } }",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var err error
		got := map[string]json.RawMessage{}
		for name, value := range jsontext.Members(text, &err) {
			got[name] = value
		}
		var want map[string]json.RawMessage
		if werr := json.Unmarshal(text, &want); (werr == nil && want != nil) != (err == nil) {
			t.Fatalf("%q: error %v, encoding/json says %v", text, err, werr)
		}
		if diff := cmp.Diff(want, got); err == nil && diff != "" {
			t.Fatalf("%q: -want +got\n%s", text, diff)
		}
	})
}

// TestValue: the value ends where it ends, and what is none has no length.
func TestValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		``: 0, ` 1`: 0, `,`: 0, `}`: 0, `"`: 0, `"a`: 0, `"a\`: 0, `"a\"`: 0, `"\x"`: 0, "\"a\nb\"": 0, `{"a":1`: 0, `[1,]`: 0, `{"a"`: 0, `01,`: 0, `+1`: 0, `nul,`: 0,
		`1`: 1, `-12,"b":2`: 3, `1e5}`: 3, `null,`: 4, `""`: 2, `"a","b"`: 3, `"a\"b",`: 6, `"ü"}`: 4, `{}}`: 2, `{"a":[1,"]"],"b":"}"},`: 21, `[[],{}] `: 7,
	} {
		if n := jsontext.Value([]byte(text)); n != want {
			t.Errorf("%s: %d, want %d", text, n, want)
		}
	}
}

// FuzzValue holds Value against encoding/json.
func FuzzValue(f *testing.F) {
	for _, s := range []string{``, `"a\u00e9"`, `{"a":[1,"]"],"b":"}"},`, "\"\xff\"", `[[],{}] `, `"\`, `-1.5e+7}`, `tru`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n := jsontext.Value(text)
		var raw json.RawMessage
		err := json.NewDecoder(bytes.NewReader(text)).Decode(&raw)
		switch {
		case n > 0 && !json.Valid(text[:n]):
			t.Errorf("%q is no value", text[:n])
		case n > 0 && err == nil && !bytes.Equal(raw, text[:n]):
			t.Errorf("%q, want %q", text[:n], raw)
		case n == 0 && json.Valid(text) && bytes.Equal(bytes.TrimLeft(text, " \t\r\n"), text):
			t.Errorf("%q is not taken", text)
		}
	})
}
