package jsontext_test

import (
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
