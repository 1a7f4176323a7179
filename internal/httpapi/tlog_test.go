package httpapi_test

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/audit"
	"halite/internal/httpapi/apitest"
	"halite/internal/merkle"
	"halite/internal/pgtest"
	"halite/internal/tree"
)

// signer makes a key for the log of a server.
func signer(t *testing.T) *merkle.Key {
	t.Helper()
	secret, err := merkle.GenerateKey(rand.Reader, "example.org/log")
	if err != nil {
		t.Fatal(err)
	}
	k, err := merkle.ParseKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sign seals and signs all that is in the log.
func sign(t *testing.T, s *apitest.Server, k *merkle.Key) {
	t.Helper()
	keeper := tree.New(tree.Config{Store: s.DB, Gate: s.Guard, Logger: pgtest.Quiet, Keys: []*merkle.Key{k}})
	keeper.Start(t.Context())
	keeper.Stop()
}

// TestTreeIsPublic: what witnesses read needs no session and leaves no row; the entries
// themselves do.
func TestTreeIsPublic(t *testing.T) {
	t.Parallel()
	s, k := apitest.Start(t, apitest.Options{}), signer(t)
	get := func(path string) apitest.Answer { return s.Do(t, "GET", path, "") }
	for _, path := range []string{"/tlog/checkpoint", "/api/audit/checkpoint", "/tlog/tile/0/000.p/1", "/api/audit/proof?id=1"} {
		if got := get(path); got.Status != http.StatusNotFound {
			t.Errorf("%s, before anything is signed: %d %s", path, got.Status, got.Body)
		}
	}
	const n = 300
	admin := s.Cookie(t, "admin")
	for range n {
		s.Do(t, "GET", "/api/audit?limit=1", "", "Cookie", admin)
	}
	sign(t, s, k)

	note := get("/tlog/checkpoint")
	cp, err := merkle.OpenCheckpoint([]byte(note.Body), k.Verifier())
	if err != nil || cp.N != n || note.Header.Get("Content-Type") != "text/plain; charset=utf-8" || note.Header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("%+v, %v, %v", cp, err, note)
	}
	if again := get("/api/audit/checkpoint"); again.Body != note.Body {
		t.Errorf("it is not the same at both places: %s", again.Body)
	}
	full, part := get("/tlog/tile/0/000"), get("/tlog/tile/0/001.p/44")
	if len(full.Body) != 256*32 || len(part.Body) != 44*32 || full.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || full.Header.Get("Content-Type") != "application/octet-stream" {
		t.Fatalf("%d and %d bytes, %v", len(full.Body), len(part.Body), full.Header)
	}
	if shorter := get("/tlog/tile/0/001.p/7"); shorter.Body != part.Body[:7*32] {
		t.Errorf("a shorter tile: %d bytes", len(shorter.Body))
	}
	for _, path := range []string{
		"/tlog/", "/tlog/x", "/tlog/tile/", "/tlog/tile/0/001", "/tlog/tile/0/001.p/45", "/tlog/tile/0/002", "/tlog/tile/3/000", "/tlog/tile/0/1", "/tlog/tile/8/0/000",
		"/tlog/tile/0/x999999999/000", "/tlog/tile/0/../0/000", "/tlog/tile/0/000.p/256",
	} {
		if got := get(path); got.Status != http.StatusNotFound && got.Status != http.StatusTemporaryRedirect {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
	if got := s.Do(t, "POST", "/tlog/checkpoint", ""); got.Status != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "GET" {
		t.Errorf("POST: %d %v", got.Status, got.Header)
	}
	var in struct {
		LeafIndex  uint64      `json:"leaf_index"`
		LeafHash   tlog.Hash   `json:"leaf_hash"`
		TreeSize   uint64      `json:"tree_size"`
		Hashes     []tlog.Hash `json:"hashes"`
		Checkpoint string      `json:"checkpoint"`
	}
	for _, id := range []uint64{1, 256, 257, n} {
		got := get(fmt.Sprint("/api/audit/proof?id=", id))
		if err := json.Unmarshal([]byte(got.Body), &in); err != nil || got.Status != http.StatusOK {
			t.Fatal(got, err)
		}
		var path [][]byte
		for _, h := range in.Hashes {
			path = append(path, h[:])
		}
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, id-1, n, in.LeafHash[:], path, cp.Hash[:]); err != nil || in.LeafIndex != id-1 || in.TreeSize != n || in.Checkpoint != note.Body {
			t.Errorf("entry %d: %v, %+v", id, err, in)
		}
	}
	for query, want := range map[string]string{
		"":       `{"detail":[{"type":"missing","loc":["query","id"],"msg":"Field required"}]}`,
		"?id=x":  `{"detail":[{"type":"int_parsing","loc":["query","id"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"x"}]}`,
		"?id=0":  `{"detail":[{"type":"greater_than_equal","loc":["query","id"],"msg":"Input should be greater than or equal to 1","input":"0","ctx":{"ge":1}}]}`,
		"?id=-1": `{"detail":[{"type":"greater_than_equal","loc":["query","id"],"msg":"Input should be greater than or equal to 1","input":"-1","ctx":{"ge":1}}]}`,
	} {
		if got := get("/api/audit/proof" + query); got.Status != http.StatusUnprocessableEntity || got.Body != want {
			t.Errorf("%q: %d %s", query, got.Status, got.Body)
		}
	}
	if got := get("/api/audit/proof?id=301"); got.Status != http.StatusNotFound || got.Body != `{"detail":"Entry 301 is not in a signed checkpoint yet: the latest one ends with 300"}` {
		t.Errorf("not signed yet: %d %s", got.Status, got.Body)
	}
	if rows := s.Rows(t); len(rows) != n {
		t.Errorf("%d rows were left", len(rows)-n)
	}

	entries := "/tlog/tile/entries/001.p/44"
	for user, status := range map[string]int{"": 401, "operator": 403, "admin": 200} {
		got := s.Do(t, "GET", entries, "", "Cookie", s.Cookie(t, user))
		if got.Status != status || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("entries, for %q: %d %v", user, got.Status, got.Header)
		}
		if status != 200 {
			continue
		}
		data := []byte(got.Body)
		for i := range 44 {
			size := int(binary.BigEndian.Uint16(data))
			if h := tlog.RecordHash(data[2 : 2+size]); string(h[:]) != part.Body[32*i:32*(i+1)] {
				t.Errorf("leaf %d is not that of the tile", 256+i)
			}
			data = data[2+size:]
		}
		if len(data) != 0 {
			t.Errorf("%d bytes are left", len(data))
		}
	}
	for _, row := range s.Rows(t)[n:] {
		if row.Action != "audit.leaves" || row.Verb != "export" || string(row.Args) != `{"tile":"tile/entries/001.p/44"}` {
			t.Errorf("%+v", row)
		}
	}
	if got := s.Do(t, "GET", "/tlog/tile/entries/001.p/45", "", "Cookie", admin); got.Status != http.StatusNotFound {
		t.Errorf("entries that are not signed: %d", got.Status)
	}
}

// TestTreeIsPrivate: with PUBLIC_TREE=false it needs a permission, and leaves rows.
func TestTreeIsPrivate(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{PrivateTree: true})
	s.Do(t, "GET", "/api/audit", "", "Cookie", s.Cookie(t, "admin"))
	sign(t, s, signer(t))
	for _, c := range []struct{ path, action, args string }{
		{"/tlog/checkpoint", "audit.checkpoint", ""},
		{"/api/audit/checkpoint", "audit.checkpoint", ""},
		{"/tlog/tile/0/000.p/1", "audit.tile", `{"tile":"tile/0/000.p/1"}`},
		{"/api/audit/proof?id=1", "audit.proof", `{"id":"1"}`},
	} {
		for _, u := range []struct {
			user, reason string
			decision     audit.Decision
			status       int
		}{{"", "not authenticated", audit.Deny, 401}, {"viewer", reasonViewer, audit.Deny, 403}, {"operator", reasonOperator, audit.Allow, 200}} {
			before := s.Rows(t)
			got := s.Do(t, "GET", c.path, "", "Cookie", s.Cookie(t, u.user))
			row := s.Row(u.user, c.action, "view", "audit:*", u.decision, u.status, c.args, u.reason)
			row.ID = int64(len(before) + 1)
			if diff := apitest.Diff([]audit.Entry{row}, s.Rows(t)[len(before):]); diff != "" || got.Status != u.status || strings.HasPrefix(got.Header.Get("Cache-Control"), "public") {
				t.Errorf("%s for %q: %d %v, -want +got\n%s", c.path, u.user, got.Status, got.Header, diff)
			}
		}
	}
}
