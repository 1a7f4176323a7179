package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"golang.org/x/mod/sumdb/tlog"

	"halite/graph"
	"halite/graph/internal/twoways"
	"halite/graph/internal/twoways/generated"
	"halite/graph/view"
	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/httpapi/apitest"
	"halite/internal/live"
	"halite/internal/merkle"
	"halite/internal/pgtest"
	"halite/internal/proof"
)

// twoWays answers with the newest entries of a log, by either way.
type twoWays struct {
	log    audit.Reader
	proofs func([]audit.Entry) []view.Proof
}

func (r twoWays) Query() generated.QueryResolver { return r }

func (r twoWays) Generated(ctx context.Context, limit int64) (*twoways.Generated, error) {
	page, err := r.log.List(ctx, audit.Query{Limit: int(limit)})
	return twoways.NewGenerated(page.Entries, r.proofs(page.Entries)), err
}

func (r twoWays) Written(ctx context.Context, limit int64) (*twoways.Written, error) {
	page, err := r.log.List(ctx, audit.Query{Limit: int(limit)})
	return twoways.NewWritten(page.Entries, r.proofs(page.Entries)), err
}

// somehow are proofs of entries, of different lengths; none is of the entry that is unproved.
func somehow(entries []audit.Entry) []view.Proof {
	signed := &proof.Signed{Checkpoint: merkle.Checkpoint{Origin: "a/<&>é", Tree: merkle.Tree{N: 1 << 40}}, Note: []byte("a\n1\n\n— a x+/=\n")}
	out := make([]view.Proof, len(entries))
	for i, e := range entries {
		s := *signed
		s.Keys = []string{"a+00112233", "b+44556677"}[:i%3]
		if i == 0 {
			s.Keys = nil
		}
		out[i] = view.Proof{Inclusion: proof.Inclusion{ID: e.ID, Hashes: make([]tlog.Hash, i)}, Signed: &s}
		if e.ID == unproved {
			out[i] = view.Proof{Err: fault.New(fault.NotSealed, "Not yet")}
		}
	}
	return out
}

const unproved = 1000

// unasked are no proofs.
func unasked([]audit.Entry) []view.Proof { return nil }

func twoWaysHandler(log audit.Reader, proofs func([]audit.Entry) []view.Proof) http.Handler {
	return graph.NewServer(generated.NewExecutableSchema(generated.Config{Resolvers: twoWays{log, proofs}}), live.New(live.Config{}), pgtest.Quiet)
}

// kept is a log of given entries.
type kept struct {
	audit.Reader
	all []audit.Entry
}

func (k kept) List(_ context.Context, q audit.Query) (audit.Page, error) {
	return audit.Page{Entries: k.all[:min(q.Limit, len(k.all))]}, nil
}

// strange are entries of whatever a row can hold and of every field's absence.
func strange() []audit.Entry {
	texts := []string{
		"", "plain", `"quoted" \back/slash`, "\b\t\n\f\r", "\x01\x1f\x7f", "<script>&amp;</script>", "Ключ é 鍵 😀",
		"\u2028\u2029\uFEFF\uFFFD", "\u0080\u00a0\u200d", strings.Repeat("long\n", 12),
	}
	args := []json.RawMessage{
		nil, json.RawMessage(`{}`), json.RawMessage(`null`), json.RawMessage(`{"a": [1, 2.50, -1e3, "é<&>` + "\u2028" + `", null, true], "b": {}}`),
		json.RawMessage(`{"n": 123456789012345678901234567890.5, "s": "\u0001\"\\"}`), json.RawMessage(`{"big": "` + strings.Repeat("x", 32_000) + `"}`),
	}
	var out []audit.Entry
	for i, s := range texts {
		id := uuid.NullUUID{UUID: uuid.UUID{15: byte(i), 0: 0xAB}, Valid: i%3 > 0}
		out = append(out, audit.Entry{
			ID: int64(i) + 1, At: time.Date(2026, 1, 2, 3, 4, 5, i*100_000_000, time.UTC), UserID: id, Action: s, Resource: s, Args: args[i%len(args)],
			SaltJID: s, Decision: audit.Allow, ResultCode: 200 + i, DurationMS: i, Username: s, Verb: s, Reason: s, RequestID: s, SourceIP: s, UserAgent: s,
		})
	}
	out[2].Decision, out[3].Decision = audit.Deny, audit.Deny
	out[4].ID, out[4].ResultCode, out[4].DurationMS = math.MaxInt64, math.MaxInt32, math.MaxInt32
	out[5].At = time.Date(2026, 12, 31, 23, 59, 59, 999_999_000, time.FixedZone("", 3600))
	out[6].At = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	return out
}

// TestTwoWays: lists that write themselves are the generated way's to the byte.
func TestTwoWays(t *testing.T) {
	t.Parallel()
	schema := mainSchema(t)
	node := everything(schema, "AuditEntry") + " __typename"
	for name, log := range map[string][]audit.Entry{"strange": strange(), "one": strange()[3:4], "none": {}} {
		h := twoWaysHandler(kept{all: log}, somehow)
		for _, sel := range []string{
			"entries { " + node + " }",
			"edges { cursor node { " + node + " } __typename }",
			"edges { node { id } } entries { id }",
			"edges { __typename }",
			"e: entries { a: id b: id id t: __typename x: argsJson } entries { at }",
			"entries { id } entries { id at } edges { node { id } } edges { c: cursor node { verb id } }",
			"entries { inclusionProof { hashes } leaf { h: hash ...L } p: inclusionProof { ...P } inclusionProof { i: leafIndex } }",
			"edges { node { inclusionProof @skip(if: $yes) { hashes } leaf @include(if: $yes) { hash } p: inclusionProof { ...P __typename } } }",
			"entries { ...F ... on AuditEntry { action ... { resource } } } edges { ...E }",
			"entries { id @skip(if: $yes) at @include(if: $yes) verb @include(if: $no) ...F @skip(if: $yes) ... @include(if: $yes) { reason } }",
			"entries { id @skip(if: $yes) } edges @skip(if: $no) { node @skip(if: $yes) { id } cursor @include(if: $no) }",
		} {
			query := func(way string) string {
				return "query($yes: Boolean! = true, $no: Boolean! = false) { way: " + way + "(limit: 500) { " + sel + ` } ...U @include(if: $no) ...All @include(if: $no) }
					fragment U on Query { generated { entries { ...F } edges { ...E } } v: written { entries { id @skip(if: $yes) at @skip(if: $no) } } }
					fragment F on AuditEntry { username ...G } fragment G on AuditEntry { userAgent id }
					fragment E on AuditEntryEdge { c: cursor node { ...G } }
					fragment L on Leaf { data @skip(if: $no) __typename }
					fragment P on InclusionProof { n: treeSize checkpoint { note } checkpoint { root: rootHash keyIds @skip(if: $yes) ... on Checkpoint { __typename } } }
					fragment All on Query { written { entries { leaf { ...L } inclusionProof { ...P } } } }`
			}
			want, got := askDirectly(t, h, query("generated")), askDirectly(t, h, query("written"))
			if want != got || strings.Contains(want, `"errors"`) || !json.Valid([]byte(got)) {
				t.Errorf("%s entries, %s:\n%s", name, sel, cmp.Diff(want, got))
			}
		}
	}
}

// everything selects all fields of a type, and all of theirs.
func everything(s *ast.Schema, typ string) string {
	var all []string
	for _, f := range s.Types[typ].Fields {
		name := f.Name
		if inner := s.Types[f.Type.Name()]; inner.Kind == ast.Object {
			name += " { " + everything(s, inner.Name) + " }"
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

// TestTwoWaysUnproved: where there is no proof, the null and its error are the generated
// way's, under whichever names.
func TestTwoWaysUnproved(t *testing.T) {
	t.Parallel()
	log := strange()[:4]
	log[1].ID, log[3].ID = unproved, unproved
	h := twoWaysHandler(kept{all: log}, somehow)
	for _, sel := range []string{
		"entries { id inclusionProof { treeSize } }",
		"all: entries { a: inclusionProof { treeSize } inclusionProof { leafIndex } }",
		"edges { node { inclusionProof { treeSize } } n: node { p: inclusionProof { leafIndex } } }",
	} {
		type answer struct {
			Data   json.RawMessage
			Errors []json.RawMessage
		}
		var answers [2]answer
		for i, way := range []string{"generated", "written  "} { // as long: errors say where the field stands
			if err := json.Unmarshal([]byte(askDirectly(t, h, "{ way: "+way+"(limit: 500) { "+sel+" } }")), &answers[i]); err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(answers[i].Errors, func(a, b json.RawMessage) int { return bytes.Compare(a, b) })
		}
		if diff := cmp.Diff(answers[0], answers[1]); diff != "" || len(answers[0].Errors) < 2 || !strings.Contains(string(answers[0].Errors[0]), "NOT_SEALED") {
			t.Errorf("%s:\n%s\n%s", sel, diff, answers[0].Errors)
		}
	}
}

func askDirectly(t testing.TB, h http.Handler, query string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Body.String()
}

// TestTwoWaysSchema: the types that are compared are those that are served.
func TestTwoWaysSchema(t *testing.T) {
	t.Parallel()
	served := mainSchema(t)
	compared := generated.NewExecutableSchema(generated.Config{Resolvers: twoWays{}}).Schema()
	for _, name := range []string{"AuditEntry", "AuditEntryEdge", "Leaf", "InclusionProof", "Checkpoint"} {
		if diff := cmp.Diff(signature(served.Types[name]), signature(compared.Types[name])); diff != "" {
			t.Errorf("%s, -served +compared\n%s", name, diff)
		}
	}
}

func signature(t *ast.Definition) (out []string) {
	for _, f := range t.Fields {
		out = append(out, fmt.Sprintf("%s(%d): %s", f.Name, len(f.Arguments), f.Type))
	}
	return out
}

// TestCheckSchema: what a list that writes itself does not do is refused at the start.
func TestCheckSchema(t *testing.T) {
	t.Parallel()
	const text = `directive @guarded on FIELD_DEFINITION
		type Query { entries: [AuditEntry!]! edges: [AuditEntryEdge!]! }
		type AuditEntryEdge { cursor: String! node: AuditEntry! %s }
		type AuditEntry { id: ID! %s }`
	for _, c := range []struct{ edge, entry, want string }{
		{"", "", ""},
		{"", "verb: String @deprecated reason: String", ""},
		{"", "verb: String @guarded", "AuditEntry.verb: @guarded would not be asked"},
		{"", "at(zone: String): String", "AuditEntry.at: its arguments would not be read"},
		{"", "more: String", "AuditEntry.more: nothing writes it"},
		{"more: Int", "", "AuditEntryEdge.more: nothing writes it"},
	} {
		s, err := gqlparser.LoadSchema(&ast.Source{Input: fmt.Sprintf(text, c.edge, c.entry)})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := view.CheckSchema(s); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s %s: %q, want %q", c.edge, c.entry, got, c.want)
		}
	}
}

// TestPageOfStrangeValues: an entry of a page is what auditEntry answers, to the byte,
// as PostgreSQL returns it.
func TestPageOfStrangeValues(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	var batch []*audit.Entry
	for _, e := range strange() {
		e.SaltJID, e.ResultCode = string([]rune(e.SaltJID)[:min(len([]rune(e.SaltJID)), 5)]), e.ResultCode%1000
		if string(e.Args) == "null" {
			e.Args = nil
		}
		batch = append(batch, &e)
	}
	if err := s.DB.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	s.Sign(t)
	admin, all := s.Cookie(t, "admin"), everything(mainSchema(t), "AuditEntry")
	page := s.Query(t, admin, "{ auditEntries(limit: 500) { entries { "+all+" } } }", nil)
	var entries []string
	for _, e := range slices.Backward(batch) {
		one := s.Query(t, admin, fmt.Sprintf("{ auditEntry(id: %d) { %s } }", e.ID, all), nil)
		entries = append(entries, strings.TrimSuffix(strings.TrimPrefix(string(one.Data), `{"auditEntry":`), "}"))
	}
	want := `{"auditEntries":{"entries":[` + strings.Join(entries, ",") + "]}}"
	if diff := cmp.Diff(want, string(page.Data)); diff != "" || len(page.Errors) > 0 {
		t.Errorf("%v, -entry +page\n%s", page.Errors, diff)
	}
}
