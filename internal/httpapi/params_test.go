package httpapi

import (
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"halite/internal/audit"
)

// TestParamVectors holds the parameters to the recorded answers of the original.
func TestParamVectors(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/query_param_vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Param, Raw string
		OK         bool
		Value      any
		Detail     any
	}
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 30 {
		t.Fatalf("only %d vectors", len(vectors))
	}
	for _, v := range vectors {
		q, bad := parseAuditQuery(url.Values{v.Param: {v.Raw}}.Encode())
		if ok := len(bad) == 0; ok != v.OK {
			t.Errorf("%s=%q: ok %v, want %v (%+v)", v.Param, v.Raw, ok, v.OK, bad)
			continue
		}
		if !v.OK {
			b, _ := json.Marshal(bad[0])
			var got any
			_ = json.Unmarshal(b, &got)
			if diff := cmp.Diff(v.Detail, got); diff != "" {
				t.Errorf("%s=%q: detail differs (-want +got):\n%s", v.Param, v.Raw, diff)
			}
			continue
		}
		var got any
		switch v.Param {
		case "limit":
			got = float64(q.Limit)
		case "offset":
			got = float64(q.Offset)
		case "user_id":
			got = q.UserID.String()
		case "since":
			want := v.Value.(string)
			w, err := time.Parse(time.RFC3339, want)
			if err != nil { // naive: UTC
				if w, err = time.Parse("2006-01-02T15:04:05.999999", want); err != nil {
					t.Fatal(err)
				}
			}
			if !q.Since.Equal(w) {
				t.Errorf("since=%q: %v, want %v", v.Raw, q.Since, w)
			}
			continue
		}
		if got != v.Value {
			t.Errorf("%s=%q: %v, want %v", v.Param, v.Raw, got, v.Value)
		}
	}
}

func TestParamRules(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string][]string{
		"":                  nil,
		"unknown=1&&x":      nil,
		"limit=0&offset=-1": {"limit", "offset"},
		"offset=x&user_id=&limit=0&until=&since=x": {"user_id", "since", "until", "limit", "offset"},
		"limit=0&limit=7":                          nil, // the last counts
		"limit=7&limit=0":                          {"limit"},
		"action=&decision=foo":                     nil,
		"offset=9223372036854775807":               nil,
		"offset=9223372036854775808":               {"offset"},
		"since=2025-01-01T00:00:00+02:00":          {"since"}, // the plus is a space
		"since=2025-01-01T00:00:00%2B02":           {"since"},
		"since=2025-1-1":                           {"since"}, "since=20250101T000000Z": {"since"}, "since=2025-01-01T24:00": {"since"},
		"since=12025-01-01": {"since"}, "since=%202025-01-01": {"since"}, "since=1e9": {"since"},
		"since=999999999999999999": {"since"}, "since=0000-01-01": {"since"}, "since=.5": nil, "limit=5.": {"limit"},
		"since=2025-01-01T00:00:00%E2%88%9202:00": nil, "since=-99999999999999999": {"since"},
		"user_id=URN:UUID:3f4b2c1a-0000-0000-0000-000000000001": {"user_id"},
		"user_id=urn:uuid:3f4b2c1a-0000-0000-0000-000000000001": nil,
		"user_id=3F4B2C1A000000000000000000000001":              nil,
		"user_id=null": {"user_id"},
	} {
		_, bad := parseAuditQuery(raw)
		var got []string
		for _, b := range bad {
			got = append(got, b.Loc[1].(string))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: errors about %v, want %v", raw, got, want)
		}
	}
	q, _ := parseAuditQuery("action=a%2")
	if *q.Action != "a%2" {
		t.Errorf("a broken escape was not kept: %q", *q.Action)
	}
	if q, _ := parseAuditQuery("action=%ff"); *q.Action != "\uFFFD" {
		t.Errorf("bad UTF-8 became %q", *q.Action)
	}
	if q.Limit != audit.DefaultLimit || q.Offset != 0 || q.Decision != nil {
		t.Errorf("defaults: %+v", q)
	}
}

func FuzzParseAuditQuery(f *testing.F) {
	for _, s := range []string{
		"", "limit=1_0&offset=+5", "since=2025-01-01T00:00:00,1234567-00:00", "until=1735689600.5", "user_id={}",
		"limit=%D9%A5", "since=0001-01-01", "since=-0", "user_id=urn:uuid:", "offset=00000000000000000000001.000", "since=2025-02-29",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, bad := parseAuditQuery(raw)
		for _, b := range bad {
			if name, _ := b.Loc[1].(string); !slices.Contains([]string{"user_id", "since", "until", "limit", "offset"}, name) {
				t.Errorf("error about %v", b.Loc)
			}
			if b.Type == "" || b.Msg == "" || b.Input == nil {
				t.Errorf("incomplete error %+v", b)
			}
		}
		if len(bad) == 0 && (q.Limit < 1 || q.Limit > audit.MaxLimit || q.Offset < 0) {
			t.Errorf("out of range: %+v", q)
		}
		for _, at := range []*time.Time{q.Since, q.Until} {
			if at != nil && (at.Year() < 0 || at.Year() > 10000) {
				t.Errorf("year %d", at.Year())
			}
		}
		if _, err := json.Marshal(bad); err != nil {
			t.Error(err)
		}
	})
}
