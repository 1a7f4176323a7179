package saltfake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
)

// Response is an answer of salt-api.
type Response struct {
	Status      int
	ContentType string
	Body        string
}

// Cut is the answer of a connection that is cut.
var Cut = &Response{}

// Unexpected is how salt-api answers when something in it has failed.
var Unexpected = &Response{http.StatusInternalServerError, "application/json", `{"status": 500, "return": "An unexpected error occurred"}`}

// Page returns an error as CherryPy shows it: as a page, whatever was asked for.
func Page(status int, text string) *Response {
	title := strconv.Itoa(status) + " " + http.StatusText(status)
	text = strings.NewReplacer("&#39;", "'", "&#34;", `"`).Replace(html.EscapeString(text))
	return &Response{status, "text/html;charset=utf-8", fmt.Sprintf(page, title, title, text)}
}

const page = `<!DOCTYPE html PUBLIC
"-//W3C//DTD XHTML 1.0 Transitional//EN"
"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html>
<head>
    <meta http-equiv="Content-Type" content="text/html; charset=utf-8"></meta>
    <title>%s</title>
    <style type="text/css">
    #powered_by {
        margin-top: 20px;
        border-top: 2px solid black;
        font-style: italic;
    }

    #traceback {
        color: red;
    }
    </style>
</head>
    <body>
        <h2>%s</h2>
        <p>%s</p>
        <pre id="traceback"></pre>
    <div id="powered_by">
      <span>
        Powered by <a href="http://www.cherrypy.dev">CherryPy 18.8.0</a>
      </span>
    </div>
    </body>
</html>
`

// dict is a Python dict: an object whose members keep their order.
type dict []member

type member struct {
	key   string
	value any
}

// MarshalJSON writes d with its members in order.
func (d dict) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range d {
		if i > 0 {
			b.WriteByte(',')
		}
		key, value := compact(m.key), compact(m.value)
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// answered is the answer 200 with v as Python's json module writes it.
func answered(v any) *Response {
	var b strings.Builder
	inText, escaped := false, false
	for _, r := range string(compact(v)) {
		switch {
		case r > 0xFFFF:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		case r > 0x7E:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		switch {
		case escaped:
			escaped = false
		case inText && r == '\\':
			escaped = true
		case r == '"':
			inText = !inText
		case !inText && (r == ',' || r == ':'):
			b.WriteByte(' ')
		}
	}
	return &Response{http.StatusOK, "application/json", b.String()}
}

// compact is v as JSON without white space. Every v is made here, and can be written.
func compact(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
