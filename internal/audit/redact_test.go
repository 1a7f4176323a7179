package audit

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRedact(t *testing.T) {
	type object = map[string]any
	type list = []any
	const hidden = Redacted
	for _, tt := range []struct {
		name     string
		in, want any
	}{
		{"nothing", nil, nil},
		{"scalars", list{true, 1, int64(2), 3.5, json.Number("1e400"), "x"}, list{true, 1, int64(2), 3.5, json.Number("1e400"), "x"}},
		{"empty", list{object{}, list{}}, list{object{}, list{}}},
		{"nil map and list", list{object(nil), list(nil)}, list{nil, nil}},
		{
			"any type of value",
			object{"password": nil, "PassWord": 1, "token": list{"x"}, "secret": object{"a": "b"}, "passwd": ""},
			object{"password": hidden, "PassWord": hidden, "token": hidden, "secret": hidden, "passwd": hidden},
		},
		{
			"spellings",
			object{
				"api-key": "x", "apiKey": "x", "X-Api-Key": "x", "new_password": "x", "salt_api_password": "x", "private_key": "x",
				"Set-Cookie": "x", "access_token2": "x", "PassPhrase": "x", "credentials": "x", "Authorization": "x", "pa\u017fsword": "x",
				"pass\u0000word": "x", "pass\xffword": "x",
			},
			object{
				"api-key": hidden, "apiKey": hidden, "X-Api-Key": hidden, "new_password": hidden, "salt_api_password": hidden, "private_key": hidden,
				"Set-Cookie": hidden, "access_token2": hidden, "PassPhrase": hidden, "credentials": hidden, "Authorization": hidden, "pa\u017fsword": hidden,
				"pass\u0000word": hidden, "pass\xffword": hidden,
			},
		},
		{
			"pw and pwd are whole names",
			object{"pw": "x", "PWD": "x", "_pw_": "x", "pwx": "x", "pass": "x", "key": "x", "": "x"},
			object{"pw": hidden, "PWD": hidden, "_pw_": hidden, "pwx": "x", "pass": "x", "key": "x", "": "x"},
		},
		{
			"through lists",
			object{"kwargs": list{list{object{"token": "x", "a": "b"}}}},
			object{"kwargs": list{list{object{"token": hidden, "a": "b"}}}},
		},
		{
			"strings anywhere",
			object{"args": list{"mysql --password=abc", "http://u:p@h"}, "note": "token: x", "url=http://u:p@h": 1},
			object{"args": list{"mysql --password=<redacted>", "http://u:<redacted>@h"}, "note": "token: <redacted>", "url=http://u:<redacted>@h": 1},
		},
		{
			"a flag and its value as list elements",
			list{"mysql", "--password", "abc", "--token", "--host", "h", "-Api-Key", 5, "x"},
			list{"mysql", "--password", hidden, "--token", "--host", "h", "-Api-Key", 5, "x"},
		},
		{
			"keys that differ only in a secret",
			object{"pw=a": 1, "pw=b": 1},
			object{"pw=<redacted>": 1, "pw=<redacted>'": 1},
		},
		{
			"other types by way of their JSON",
			struct {
				Token string            `json:"token"`
				Args  []string          `json:"args"`
				Env   map[string]string `json:"env"`
				N     uint64            `json:"n"`
				Raw   json.RawMessage   `json:"raw"`
			}{"x", []string{"pw=x"}, map[string]string{"PASSWORD": "x"}, math.MaxUint64, json.RawMessage(`{"cookie":1}`)},
			object{
				"token": hidden, "args": list{"pw=<redacted>"}, "env": object{"PASSWORD": hidden},
				"n": json.Number("18446744073709551615"), "raw": object{"cookie": hidden},
			},
		},
		{
			"what JSON cannot say",
			list{math.NaN(), math.Inf(-1), json.Number("abc"), make(chan int), json.RawMessage("{")},
			list{"NaN", "-Inf", "abc", unreadable, unreadable},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Redact(tt.in)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if _, err := json.Marshal(got); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRedactDepth(t *testing.T) {
	nested := func(levels int) any {
		v := any("pw=x")
		for range levels {
			v = []any{v}
		}
		return v
	}
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got, want := text(Redact(nested(64))), strings.Repeat("[", 64)+`"pw=\u003credacted\u003e"`+strings.Repeat("]", 64); got != want {
		t.Errorf("64 levels: %s", got)
	}
	if got, want := text(Redact(nested(65))), strings.Repeat("[", 64)+`"\u003ctoo deep\u003e"`+strings.Repeat("]", 64); got != want {
		t.Errorf("65 levels: %s", got)
	}
	if got := text(Redact(nested(1_000_000))); len(got) > 1000 {
		t.Errorf("a million levels: %d bytes", len(got))
	}
	circle := map[string]any{}
	circle["again"] = circle
	if got := text(Redact(circle)); strings.Count(got, "again") != 64 {
		t.Errorf("circle: %s", got)
	}
}

// secretShapes hide a secret in a text. None but the ones marked quoted can hold white
// space or quotes.
var secretShapes = []struct {
	name   string
	quoted bool
	hide   func(secret string) string
}{
	{"url", false, func(s string) string { return "see https://user:" + noAt(s) + "@host/path?a=b" }},
	{"url without a user", false, func(s string) string { return "redis://:" + noAt(s) + "@host" }},
	{"assignment", false, func(s string) string { return "run PASSWORD=" + s + " cmd" }},
	{"flag with equals", false, func(s string) string { return "mysql -u x --db-password=" + s + " host" }},
	{"flag with a word", false, func(s string) string { return "gh --token x" + s + " list" }},
	{"header", false, func(s string) string { return "curl -H Authorization:Bearer " + s }},
	{"several", false, func(s string) string { return "pw=" + s + " x; X_TOKEN=" + s + " cookie: a=b " + s }},
	{"dotted", false, func(s string) string { return "set db.passwd = " + s + " now" }},
	{"index", false, func(s string) string { return "a user[password]=" + s + " b" }},
	{"keyword argument", false, func(s string) string { return "password=my " + s }},
	{"quoted header", false, func(s string) string { return `curl -H "X-Api-Key: my ` + s + `" https://host` }},
	{"quoted", true, func(s string) string { return "cmd --password=" + marshal(s) + " host" }},
	{"json", true, func(s string) string { return marshal(map[string]any{"a": 1, "client_secret": s, "z": "y"}) }},
	{"json object", true, func(s string) string { return marshal(map[string]any{"credentials": []any{map[string]any{"a": s}}}) }},
	{"json in json", true, func(s string) string {
		return marshal(map[string]any{"pillar": marshal(map[string]any{"token": s})})
	}},
	{"json in json in json", true, func(s string) string {
		return marshal([]any{marshal(map[string]any{"x": marshal(map[string]any{"passphrase": s, "b": 1})})})
	}},
}

// noAt drops what makes the end of a password in a URL a matter of taste if there is a
// slash in it too.
func noAt(s string) string {
	return strings.ReplaceAll(s, "@", "")
}

func marshal(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// plain returns s with only those characters left that may stand in any shape.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || strings.ContainsRune(`"'\`, r) {
			return -1
		}
		return r
	}, s)
}

// FuzzRedact plants a secret and looks for it in what Redact returns.
func FuzzRedact(f *testing.F) {
	f.Add("s3cr3t", "db", "args", uint8(3), uint8(0))
	f.Add(`it's a "long" one\`, "X-", "kw", uint8(60), uint8(13))
	f.Add("@/?#:=&,;|{}[]()", "новый ", "\xff", uint8(7), uint8(1))
	f.Add("-x", "", "a=b", uint8(1), uint8(14))
	f.Fuzz(func(t *testing.T, secret, prefix, key string, depth, shape uint8) {
		// Marked, so that it cannot occur in what stands around it by chance.
		secret = "q7Z" + secret + "9Kx"
		word := plain(secret)
		s := secretShapes[int(shape)%len(secretShapes)]
		text := s.hide(word)
		if s.quoted {
			text = s.hide(secret)
		}
		v := any([]any{text, map[string]any{prefix + secretWords[int(depth)%len(secretWords)]: secret}, "--passwd", secret})
		for i := range depth % 70 {
			if i%2 == 0 {
				v = map[string]any{key: v, "other": 1.5}
			} else {
				v = []any{"x", v, nil}
			}
		}
		before := fmt.Sprintf("%#v", v)
		got := Redact(v)
		if after := fmt.Sprintf("%#v", v); before != after {
			t.Fatalf("the value was altered:\n%s\n%s", before, after)
		}
		out, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(out), "q7Z") || strings.Contains(string(out), "9Kx") {
			t.Errorf("%s: %q survived in %s", s.name, secret, out)
		}
	})
}
