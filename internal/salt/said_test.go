package salt_test

import (
	"strings"
	"testing"

	"halite/internal/fault"
	"halite/internal/salt"
	"halite/internal/salt/saltfake"
)

func TestMessages(t *testing.T) {
	t.Parallel()
	fits := strings.Repeat("ä", 500)
	for body, message := range map[string]string{
		`{"detail": "a", "message": "b", "error": "c"}`:         "a",
		`{"detail": " ", "message": "b", "error": "c"}`:         "b",
		`{"detail": 1, "error": "c"}`:                           "c",
		`{"status": 400, "return": "An unexpected  \n\terror"}`: "An unexpected error",
		`{"detail": ""}`: "Bad Request",
		`["a"]`:          "Bad Request",
		``:               "Bad Request",
		"<P class=\"x\">One <b>two</b>\n  three &lt;p&gt; &amp;c.</P><p>four</p>": "One two three <p> &c.",
		`<pre>no paragraph</pre>`:   "Bad Request",
		`<p>   </p>`:                "Bad Request",
		"<p>" + fits + "</p>":       fits,
		"<p>" + fits + "ä" + "</p>": fits[:len(fits)-2] + "…",
	} {
		w := start(t)
		w.OnRequest(on("key.list_all", answer(&saltfake.Response{Status: 400, ContentType: "text/html", Body: body})))
		_, err := w.Keys(t.Context())
		wantFault(t, err, fault.SaltError, false, "salt-api: 400 "+message)
	}
}

// Whatever shows a secret of ours, in whatever form, does not get into a message.
func TestSecretsAreHidden(t *testing.T) {
	t.Parallel()
	const password = `p&"w  é/+1`
	for name, shown := range map[string]string{
		"plain":     password,
		"page":      `p&amp;&quot;w  é/+1`,
		"collapsed": `p&amp;"w é/+1`,
		"query":     `p%26%22w++%C3%A9%2F%2B1`,
		"path":      `p&%22w%20%20%C3%A9%2F+1`,
		"JSON":      `p\u0026\"w  é/+1`,
		"of URL":    "ur1-secret",
	} {
		m := seeded()
		m.OnRequest(answer(saltfake.Page(500, "x")))
		url := serve(t, m.ServeHTTP)
		m.OnRequest(answer(&saltfake.Response{Status: 500, ContentType: "text/html", Body: "<p>the password " + shown + " and " + shown + "</p>"}))
		c := connect(t, strings.Replace(url, "http://", "http://proxy:ur1-secret@", 1), func(s *salt.Settings) { s.Password = password })
		_, err := c.Keys(t.Context())
		t.Run(name, func(t *testing.T) {
			wantFault(t, err, fault.SaltError, false, "salt-api: 500 the password <redacted> and <redacted>")
		})
	}
}

// A secret at the end of what fits is not cut into something that no longer looks like one.
func TestSecretsAreHiddenBeforeTheCut(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.OnRequest(on("/login", answer(saltfake.Page(500, strings.Repeat("x", 490)+" "+saltfake.AdminPassword))))
	_, err := w.Keys(t.Context())
	wantFault(t, err, fault.SaltError, false, "salt-api: 500 "+strings.Repeat("x", 490)+" <redacte…")
}

func TestTokenIsHidden(t *testing.T) {
	t.Parallel()
	w := start(t)
	must[[]salt.Key](t)(w.Keys(t.Context()))
	token := w.Requests()[1].Header.Get("X-Auth-Token")
	for _, r := range []*saltfake.Response{
		saltfake.Page(500, "token "+token),
		{Status: 200, ContentType: "application/json", Body: `{"return": [{"data": {"success": false, "return": "token ` + token + `"}}]}`},
		saltfake.Page(401, "token "+token+" occurred for user x"),
	} {
		w.OnRequest(on("key.list_all", answer(r)))
		_, err := w.Keys(t.Context())
		if err == nil || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "token <redacted>") {
			t.Errorf("%v", err)
		}
	}
}

// Neither a password nor an answer that is no UTF-8 does any harm.
func TestNoUTF8(t *testing.T) {
	t.Parallel()
	w := start(t, func(s *salt.Settings) { s.Password = "a\xffb" })
	w.OnRequest(answer(saltfake.Page(400, "c\xffd")))
	_, err := w.Keys(t.Context())
	wantFault(t, err, fault.SaltError, false, "salt-api: 400 c\uFFFDd")
}
