package audit

import (
	"strings"
	"testing"
)

func TestRedactText(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"test.ping", "test.ping"},
		{"key:web-01", "key:web-01"},
		{"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101"},
		{"a=b c: d --host h password", "a=b c: d --host h password"},
		{"password=", "password="},
		{`password=""`, `password=""`},
		{"password: ", "password: "},

		// URLs.
		{"https://user:p@host:8080/x", "https://user:<redacted>@host:8080/x"},
		{"https://user@host/a:b@c", "https://user@host/a:b@c"},
		{"https://host:8080/x?mail=a@b", "https://host:8080/x?mail=a@b"},
		{"https://[::1]:80/a@b", "https://[::1]:80/a@b"},
		{"postgres://u:p/w?x#y@host/db", "postgres://u:<redacted>@host/db"},
		{"postgres://u:p@ss@host/db and redis://:x@h", "postgres://u:<redacted>@host/db and redis://:<redacted>@h"},
		{`{"url":"amqp://u:p@h"}`, `{"url":"amqp://u:<redacted>@h"}`},
		{"://", "://"},
		{"a://:@", "a://:@"},

		// Pairs that end with the word.
		{"PASSWORD=abc cmd", "PASSWORD=<redacted> cmd"},
		{"env A=1 DB_PASSWORD=abc TOKEN=d,e cmd", "env A=1 DB_PASSWORD=<redacted> TOKEN=<redacted> cmd"},
		{"mysql -u x --password=abc host", "mysql -u x --password=<redacted> host"},
		{"x pw := abc y", "x pw := <redacted> y"},
		{"x :token => abc y", "x :token => <redacted> y"},
		{"x pw = abc y", "x pw = <redacted> y"},
		{"x pw=a\\ b y", "x pw=<redacted> y"},
		{"GET /x?a=b&token=abc HTTP/1.1", "GET /x?a=b&token=<redacted> HTTP/1.1"},
		{"DB_PASSWORD=\nDB_HOST=x", "DB_PASSWORD=\nDB_HOST=x"},

		// Quotes and brackets.
		{`x --password="a b" y`, `x --password="<redacted>" y`},
		{`x --password='it'\''s' y`, `x --password=<redacted>' y`},
		{`x pw='it''s' y`, `x pw=<redacted> y`},
		{`x pw="open y`, `x pw="<redacted>`},
		{`sh -c "x --password=abc"`, `sh -c "x --password=<redacted>"`},
		{`sh -c "x --password='a b'" && echo "hi"`, `sh -c "x --password='<redacted>'" && echo "hi"`},
		{`bash -c "sh -c 'x PW=abc'" -- y`, `bash -c "sh -c 'x PW=<redacted>'" -- y`},
		{`{"password":"a\"b","user":"x"}`, `{"password":"<redacted>","user":"x"}`},
		{`{"password":"a\\","user":"x"}`, `{"password":"<redacted>","user":"x"}`},
		{`{'password': 'a', 'user': 'x'}`, `{'password': '<redacted>', 'user': 'x'}`},
		{`"{\"password\":\"a b\",\"user\":\"x\"}"`, `"{\"password\":\"<redacted>\",\"user\":\"x\"}"`},
		{`{"credentials":{"a":"}"},"user":"x"}`, `{"credentials":<redacted>,"user":"x"}`},
		{`{"credentials": [1, {"a": 2}], "b": 3}`, `{"credentials": <redacted>, "b": 3}`},
		{`x config['password'] = 'a'; y`, `x config['password'] = '<redacted>'; y`},
		{`mysql "--password=my pass" host`, `mysql "--password=<redacted>" host`},
		{`curl -H 'Authorization: Bearer abc' https://h`, `curl -H 'Authorization: <redacted>' https://h`},
		{`sh -c "curl -H \"X-Api-Key: a b\" h"`, `sh -c "curl -H \"X-Api-Key: <redacted>\" h"`},

		// More than the word.
		{"password=my pass phrase", "password=<redacted>"},
		{"db_password=a\nb", "db_password=<redacted>"},
		{"a: 1\npassword: my pass\nb: 2", "a: 1\npassword: <redacted>\nb: 2"},
		{"a = 1\npassword = my pass\nb = 2", "a = 1\npassword = <redacted>\nb = 2"},
		{"X-Api-Key: a b\r\nHost: h", "X-Api-Key: <redacted>\r\nHost: h"},
		{"GET / Cookie: a=b; c=d\nHost: h", "GET / Cookie: <redacted>\nHost: h"},
		{"x: 1\nprivate_key: |\n  a\n  b", "x: 1\nprivate_key: <redacted>"},
		{"x: 1\nsecrets:\n  a: b", "x: 1\nsecrets:\n  <redacted>"},
		{"X PRIVATE_KEY=-----BEGIN KEY-----\na\n-----END KEY-----", "X PRIVATE_KEY=<redacted>"},

		// Flags.
		{"gh --token abc list", "gh --token <redacted> list"},
		{"gh -token 'a b' list", "gh -token '<redacted>' list"},
		{"gh --token --password", "gh --token --password"},
		{"gh --private-key -----BEGIN a\nb", "gh --private-key <redacted>"},
		{"the token abc", "the token abc"},
		{"no-token abc", "no-token abc"},
	} {
		if got := RedactText(tt.in); got != tt.want {
			t.Errorf("RedactText(%q)\n got %q\nwant %q", tt.in, got, tt.want)
		}
		if got := RedactText(tt.want); got != tt.want {
			t.Errorf("redacted twice: %q became %q", tt.want, got)
		}
	}
}

// TestRedactTextLong would not end if the time grew with the square of the length.
func TestRedactTextLong(t *testing.T) {
	for _, piece := range []string{
		"a", " ", "=", "password=", `"password=`, `\"password: `, "--token ", "a://b:c@d ", "a://", `{"pw":{`, `'pw='`, "pw={", "cookie:a ",
	} {
		s := strings.Repeat(piece, 1<<20/len(piece))
		if got := RedactText(s); len(got) > 16*len(s) {
			t.Errorf("%q: %d bytes", piece, len(got))
		}
	}
}

func BenchmarkRedactText(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		RedactText("systemctl restart nginx && curl -s http://localhost:8080/healthz --max-time 5")
	}
}
