package saltfake

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
)

// chunk is one call of a lowstate.
type chunk map[string]json.RawMessage

// lowstate reads the calls of a body; nil if it holds something else.
func lowstate(header http.Header, body []byte) ([]chunk, *Response) {
	switch kind, _, _ := mime.ParseMediaType(header.Get("Content-Type")); kind {
	case "application/json", "text/plain":
	case "application/x-www-form-urlencoded":
		form, _ := url.ParseQuery(string(body))
		c := chunk{}
		for name, values := range form {
			c[name] = compact(values[0])
		}
		return []chunk{c}, nil
	default:
		return nil, Page(http.StatusNotAcceptable, "Content type not supported")
	}
	if len(body) == 0 {
		return nil, nil
	}
	if !json.Valid(body) {
		return nil, Page(http.StatusBadRequest, "Invalid JSON document")
	}
	var one chunk
	if json.Unmarshal(body, &one) == nil && one != nil {
		return []chunk{one}, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(body, &list) != nil || list == nil {
		return nil, nil
	}
	chunks := make([]chunk, len(list))
	for i, raw := range list {
		if json.Unmarshal(raw, &chunks[i]) != nil {
			return nil, Unexpected
		}
	}
	return chunks, nil
}

// text is the member name if it is a text, else "".
func (c chunk) text(name string) string {
	var s string
	_ = json.Unmarshal(c[name], &s)
	return s
}

// argument is an argument of a runner function: by its name, among the keyword arguments, or
// the first one.
func (c chunk) argument(name string) (value string, given bool) {
	var kwarg chunk
	var arg []string
	_, _ = json.Unmarshal(c["kwarg"], &kwarg), json.Unmarshal(c["arg"], &arg)
	switch {
	case c[name] != nil:
		return c.text(name), true
	case kwarg[name] != nil:
		return kwarg.text(name), true
	case len(arg) > 0:
		return arg[0], true
	}
	return "", false
}
