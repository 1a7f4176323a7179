package intake

import (
	"bytes"
	"encoding/json"
	"slices"

	"halite/internal/audit"
)

// marks are what may stand in the place of a secret already.
var marks = []string{"[REDACTED]", "**********", audit.Redacted}

// redactArgs returns raw with audit.Redacted in the place of every secret, and whether
// one was found: a mark in its place is none. Where nothing changes it returns raw
// itself, so that numbers stay as they are written. What is no JSON is left to
// audit.Storable, which keeps none of its text.
func redactArgs(raw []byte) (_ json.RawMessage, found bool) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var before any
	if !json.Valid(raw) || decoder.Decode(&before) != nil {
		return raw, false
	}
	after := audit.Redact(before)
	changed, found := compare(before, after)
	if !changed {
		return raw, false
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)                  // it would make the marks, and much else, longer
	if err := encoder.Encode(after); err != nil { // Redact returns what can be marshalled
		return json.RawMessage(`{"_unreadable": true}`), found
	}
	return bytes.TrimSpace(out.Bytes()), found
}

// compare reports whether audit.Redact changed anything from before to after, and
// whether that was more than to word a mark anew.
func compare(before, after any) (changed, found bool) {
	add := func(b, a any) {
		c, f := compare(b, a)
		changed, found = changed || c, found || f
	}
	switch b := before.(type) {
	case map[string]any:
		a, ok := after.(map[string]any)
		if !ok {
			return true, true
		}
		for name, value := range b {
			if same, ok := a[name]; ok {
				add(value, same)
			} else { // the name itself held one
				changed, found = true, true
			}
		}
		return changed, found
	case []any:
		a, ok := after.([]any)
		if !ok {
			return true, true
		}
		for i := range b {
			add(b[i], a[i])
		}
		return changed, found
	case string:
		return b != after, b != after && !slices.Contains(marks, b)
	}
	return before != after, before != after
}
