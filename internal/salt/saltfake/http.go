package saltfake

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// ServeHTTP answers one request to salt-api.
func (m *Master) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	req := Request{Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone(), Body: body}
	if r.URL.Path == "/" {
		if chunks, _ := lowstate(r.Header, body); len(chunks) > 0 {
			_ = json.Unmarshal(compact(chunks[0]), &req.Chunk)
		}
	}
	m.mu.Lock()
	m.requests = append(m.requests, req)
	before, after := m.before, m.after
	m.mu.Unlock()

	token := r.Header.Get("X-Auth-Token")
	known := m.knows(token)
	var answer *Response
	if before != nil {
		answer = before(r.Context(), req)
	}
	if answer == nil {
		answer, token = m.answer(r, body, token)
		if answer.Status == http.StatusOK && !acceptsJSON(r) {
			answer = Page(http.StatusNotAcceptable, "Your client sent this Accept header: "+r.Header.Get("Accept")+
				". But this resource only emits these media types: application/json, application/x-yaml.")
		}
		if after != nil {
			if other := after(r.Context(), req); other != nil {
				answer = other
			}
		}
	}
	if answer == Cut {
		panic(http.ErrAbortHandler)
	}
	head(w.Header(), r, answer, token, known)
	w.WriteHeader(answer.Status)
	_, _ = io.WriteString(w, answer.Body)
}

// answer does what r asks for. The token is that of the session which the answer names.
func (m *Master) answer(r *http.Request, body []byte, token string) (*Response, string) {
	switch {
	case r.URL.Path == "/login" && r.Method == http.MethodGet:
		return answered(dict{{"status", nil}, {"return", "Please log in"}}), token
	case r.URL.Path == "/login" && r.Method == http.MethodPost:
		return m.logIn(r.Context(), r.Header, body)
	case r.URL.Path == "/logout" && r.Method == http.MethodPost:
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.sessions[token] == nil {
			return Page(http.StatusUnauthorized, noSession), token
		}
		delete(m.sessions, token)
		return answered(dict{{"return", "Your token has been cleared"}}), token
	case r.URL.Path == "/" && r.Method == http.MethodGet:
		return answered(dict{{"return", "Welcome"}, {"clients", clients}}), token
	case r.URL.Path == "/" && r.Method == http.MethodPost:
		return m.lowstates(r, body, token), token
	case r.URL.Path == "/":
		return Page(http.StatusMethodNotAllowed, "Specified method is invalid for this resource"), token
	}
	return Page(http.StatusNotFound, "The path '"+r.URL.Path+"' was not found."), token
}

const noSession = "No permission -- see authorization schemes"

// lowstates makes the calls of a request. What they do is done even if a later call turns
// out to be wrong, or the client to accept no JSON.
func (m *Master) lowstates(r *http.Request, body []byte, token string) *Response {
	m.mu.Lock()
	s := m.sessions[token]
	m.mu.Unlock()
	if s == nil {
		return Page(http.StatusUnauthorized, noSession)
	}
	chunks, refused := lowstate(r.Header, body)
	if refused != nil {
		return refused
	}
	if chunks == nil {
		return Page(http.StatusBadRequest, "Lowstates must be a list")
	}
	results := []any{}
	for _, c := range chunks {
		result, refused := m.call(r.Context(), s, c)
		if refused != nil {
			return refused
		}
		results = append(results, result)
	}
	return answered(dict{{"return", results}})
}

// head sets the headers that CherryPy sets. The token is that of a login or, where known is
// set, of the request; every other answer begins a session for nobody.
func head(h http.Header, r *http.Request, a *Response, token string, known bool) {
	granted := r.URL.Path == "/login" && token != ""
	if !known && !granted {
		token = newToken()
	}
	h.Set("Server", "CherryPy/18.8.0")
	h.Set("Content-Type", a.ContentType)
	h.Set("Access-Control-Allow-Origin", "*")
	if a.Status == http.StatusNotFound {
		return
	}
	h.Set("Allow", "GET, HEAD, POST")
	h.Set("Vary", "Accept-Encoding")
	if r.Method != http.MethodGet || r.URL.Path != "/" {
		h.Set("Set-Cookie", "session_id="+token+"; Max-Age=36000; Path=/")
	}
	if granted && r.Method == http.MethodPost {
		h.Set("X-Auth-Token", token)
	}
	if known && r.Method == http.MethodPost {
		h.Set("Cache-Control", "private")
	}
}

// acceptsJSON is asked when all is done, as salt-api asks it.
func acceptsJSON(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return accept == "" || strings.Contains(accept, "json") || strings.Contains(accept, "*/*")
}

// wait waits for d, or until the client has gone.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
