package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"halite/internal/fault"
)

// detail writes an error as the REST contract has it.
func detail(w http.ResponseWriter, status int, message string) {
	sendJSON(w, status, struct {
		Detail string `json:"detail"`
	}{message})
}

// fail writes err with its status. What is internal is plain text without a cause.
func fail(w http.ResponseWriter, err error) {
	f := fault.From(err)
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
	}
	switch {
	case f.Code == fault.Internal:
		internalError(w)
	case f.OutcomeUnknown:
		sendJSON(w, f.Code.HTTPStatus(), struct {
			Detail         string `json:"detail"`
			OutcomeUnknown bool   `json:"outcomeUnknown"`
		}{f.Message, true})
	default:
		detail(w, f.Code.HTTPStatus(), f.Message)
	}
}

func internalError(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write([]byte("Internal Server Error"))
}

// sendJSON writes compact JSON without escaping for HTML, as the contract has it.
func sendJSON(w http.ResponseWriter, status int, v any) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		internalError(w)
		return
	}
	sendBytes(w, status, bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
}

func sendBytes(w http.ResponseWriter, status int, b []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
