package main

import (
	"bytes"
	"encoding/json"
	"testing"
)

// like is the JSON want, with what is in got in the place of $any.
func (w *world) like(t *testing.T, want string, got json.RawMessage) any {
	t.Helper()
	return fill(value(t, json.RawMessage(w.named(want))), value(t, got))
}

// encode writes JSON as apitest compacts the arguments of rows.
func encode(t *testing.T, v any) json.RawMessage {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

func fill(want, got any) any {
	switch want := want.(type) {
	case string:
		if want == "$any" && got != nil {
			return got
		}
	case map[string]any:
		got, _ := got.(map[string]any)
		for name := range want {
			want[name] = fill(want[name], got[name])
		}
	case []any:
		got, _ := got.([]any)
		for i := range min(len(want), len(got)) {
			want[i] = fill(want[i], got[i])
		}
	}
	return want
}

func value(t *testing.T, raw json.RawMessage) any {
	t.Helper()
	var v any
	if raw == nil {
		return nil
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return v
}
