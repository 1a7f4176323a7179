package merkle_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/audit"
	"halite/internal/merkle"
)

// golden are vectors that another program made, in another language.
type golden struct {
	Leaves []struct {
		Name  string
		Entry struct {
			ID         int64
			At         time.Time
			UserID     *uuid.UUID `json:"user_id"`
			Action     string
			Resource   string
			Args       *string
			SaltJID    string `json:"salt_jid"`
			Decision   audit.Decision
			ResultCode int `json:"result_code"`
			DurationMS int `json:"duration_ms"`
			Username   string
			Verb       string
			Reason     string
			RequestID  string `json:"request_id"`
			SourceIP   string `json:"source_ip"`
			UserAgent  string `json:"user_agent"`
		}
		Leaf, Hash string
	}
	Trees []struct {
		Size int64
		Root tlog.Hash
	}
}

func readGolden(t *testing.T) (g golden) {
	t.Helper()
	b, err := os.ReadFile("testdata/golden.json")
	if err == nil {
		err = json.Unmarshal(b, &g)
	}
	if err != nil || len(g.Leaves) == 0 || len(g.Trees) == 0 {
		t.Fatal(err, g)
	}
	return g
}

func TestLeafGolden(t *testing.T) {
	t.Parallel()
	for _, v := range readGolden(t).Leaves {
		e := audit.Entry{
			ID: v.Entry.ID, At: v.Entry.At, Action: v.Entry.Action, Resource: v.Entry.Resource, SaltJID: v.Entry.SaltJID,
			Decision: v.Entry.Decision, ResultCode: v.Entry.ResultCode, DurationMS: v.Entry.DurationMS, Username: v.Entry.Username,
			Verb: v.Entry.Verb, Reason: v.Entry.Reason, RequestID: v.Entry.RequestID, SourceIP: v.Entry.SourceIP, UserAgent: v.Entry.UserAgent,
		}
		if v.Entry.UserID != nil {
			e.UserID = uuid.NullUUID{UUID: *v.Entry.UserID, Valid: true}
		}
		if v.Entry.Args != nil {
			e.Args = json.RawMessage(*v.Entry.Args)
		}
		if got := merkle.AppendLeaf(nil, &e); string(got) != "\x01"+v.Leaf {
			t.Errorf("%s:\n got %q\nwant %q", v.Name, got, "\x01"+v.Leaf)
		}
		var h merkle.Hasher
		for range 2 { // the buffer is used again
			if got := h.Leaf(&e); hex.EncodeToString(got[:]) != v.Hash {
				t.Errorf("%s: hash %x, want %s", v.Name, got, v.Hash)
			}
		}
	}
}

// plainLeaf is the specification by other means: encoding/json, which sorts the keys.
func plainLeaf(t *testing.T, e *audit.Entry) []byte {
	t.Helper()
	optional := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	var user, args any
	if e.UserID.Valid {
		user = e.UserID.UUID.String()
	}
	if e.Args != nil {
		sum := sha256.Sum256(e.Args)
		args = hex.EncodeToString(sum[:])
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(map[string]any{
		"id": e.ID, "at": e.At.UTC().Format("2006-01-02T15:04:05.000000Z"), "user_id": user, "action": e.Action, "resource": e.Resource,
		"args_sha256": args, "salt_jid": optional(e.SaltJID), "decision": e.Decision, "result_code": e.ResultCode, "duration_ms": e.DurationMS,
		"username": optional(e.Username), "verb": optional(e.Verb), "reason": optional(e.Reason), "request_id": optional(e.RequestID),
		"source_ip": optional(e.SourceIP), "user_agent": optional(e.UserAgent),
	}); err != nil {
		t.Fatal(err)
	}
	// The one thing that encoding/json escapes all the same.
	out := strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(strings.TrimSuffix(b.String(), "\n"))
	return append([]byte{1}, out...)
}

func FuzzLeaf(f *testing.F) {
	f.Add(int64(1), int64(0), true, "auth.login", "auth:login", []byte(`{"a": 1}`), true, "", "allow", 200, 3, "zoë", "view", "\"\\\u2028\\u2028", "r", "::1", "a\x00b\x1f\x7f")
	f.Add(int64(-5), int64(1<<52), false, "", "", []byte(nil), false, "x", "deny", -1, 0, "\b\f\n\r\t", "", "<&>", "\\u2029", "\u2029", "\\\\u2028")
	f.Fuzz(func(t *testing.T, id, micros int64, signed bool, action, resource string, args []byte, withArgs bool, jid, decision string, code, ms int,
		username, verb, reason, request, ip, agent string,
	) {
		for _, s := range []string{action, resource, jid, decision, username, verb, reason, request, ip, agent} {
			if !utf8.ValidString(s) {
				t.Skip("no column holds it")
			}
		}
		at := time.UnixMicro(micros)
		if y := at.UTC().Year(); y < 0 || y > 9999 {
			t.Skip("no entry is of that time")
		}
		e := audit.Entry{
			ID: id, At: at, Action: action, Resource: resource, SaltJID: jid, Decision: audit.Decision(decision), ResultCode: code,
			DurationMS: ms, Username: username, Verb: verb, Reason: reason, RequestID: request, SourceIP: ip, UserAgent: agent,
		}
		if signed {
			e.UserID = uuid.NullUUID{UUID: uuid.NewSHA1(uuid.Nil, args), Valid: true}
		}
		if withArgs {
			e.Args = append(json.RawMessage{}, args...)
		}
		if got, want := merkle.AppendLeaf(nil, &e), plainLeaf(t, &e); !bytes.Equal(got, want) {
			t.Errorf("\n got %q\nwant %q", got, want)
		}
	})
}

func BenchmarkLeaf(b *testing.B) {
	e := audit.Entry{
		ID: 1234567, At: time.Date(2026, 11, 3, 9, 15, 0, 123456000, time.UTC), UserID: uuid.NullUUID{UUID: uuid.Max, Valid: true},
		Action: "audit.list", Resource: "audit:*", Args: []byte(`{"limit": 50, "filter": {"action": "auth.login"}, "offset": 0}`),
		Decision: audit.Allow, ResultCode: 200, DurationMS: 3, Username: "alice", Verb: "view",
		Reason: "allowed by role operator: view *", RequestID: "6298b3a3-c36a-47bd-ab25-a18366048b64", SourceIP: "10.1.2.3",
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
	}
	var h merkle.Hasher
	for b.Loop() {
		h.Leaf(&e)
	}
}

// BenchmarkTree is a leaf and its place in the tree.
func BenchmarkTree(b *testing.B) {
	e := audit.Entry{ID: 1, At: time.Unix(0, 0), Action: "audit.list", Resource: "audit:*", Decision: audit.Allow, Username: "alice"}
	var h merkle.Hasher
	var edge merkle.Edge
	n := 0
	for b.Loop() {
		edge.Append(h.Leaf(&e))
		if n++; n%10_000 == 0 {
			edge.Take()
		}
	}
}
