package graph_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	check "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/httpapi/apitest"
	"halite/internal/pgtest"
	"halite/internal/proof"
)

// What follows knows of the answers what a client does: JSON, base64, RFC 6962 and signed
// notes, each by code of others.

type checkpointAnswer struct {
	Origin   string
	TreeSize uint64
	RootHash []byte
	Note     string
	KeyIDs   []string
}

type entryAnswer struct {
	ID   string
	Leaf struct {
		Data, Hash []byte
	}
	InclusionProof *struct {
		LeafIndex, TreeSize uint64
		Hashes              [][]byte
		Checkpoint          checkpointAnswer
	}
}

type consistencyAnswer struct {
	From, To         uint64
	FromRoot, ToRoot []byte
	Hashes           [][]byte
	Checkpoint       checkpointAnswer
}

const (
	checkpointFields = `{ origin treeSize rootHash note keyIds }`
	provedFields     = `{ id leaf { data hash } inclusionProof { leafIndex treeSize hashes checkpoint ` + checkpointFields + ` } }`
)

// askProofs reads the data of an answer that has the errors with these codes and paths.
func askProofs(t *testing.T, s *apitest.Server, query string, into any, errs ...string) {
	t.Helper()
	r := s.Query(t, s.Cookie(t, "operator"), query, nil)
	if err := json.Unmarshal(r.Data, into); err != nil {
		t.Fatalf("%s: %v, %.1000s", query, err, r.Body)
	}
	var answer struct {
		Errors []struct {
			Message    string
			Path       []any
			Extensions struct{ Code, Field string }
		}
	}
	if err := json.Unmarshal([]byte(r.Body), &answer); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range answer.Errors {
		got = append(got, strings.Trim(fmt.Sprint(e.Path), "[]")+": "+e.Extensions.Code+" "+e.Message)
	}
	slices.Sort(got)
	if slices.Sort(errs); !slices.Equal(got, errs) {
		t.Errorf("%s: errors\n%q, want\n%q", query, got, errs)
	}
}

// verify checks a checkpoint by its note alone.
func (c checkpointAnswer) verify(t *testing.T, v note.Verifier) {
	t.Helper()
	n, err := note.Open([]byte(c.Note), note.VerifierList(v))
	want := fmt.Sprintf("%s\n%d\n%s\n", apitest.Origin, c.TreeSize, base64.StdEncoding.EncodeToString(c.RootHash))
	if err != nil || n.Text != want || c.Origin != apitest.Origin || !slices.Equal(c.KeyIDs, []string{fmt.Sprintf("%s+%08x", v.Name(), v.KeyHash())}) {
		t.Errorf("%+v: %v", c, err)
	}
}

// verify checks a proof against the checkpoint that comes with it.
func (e entryAnswer) verify(t *testing.T, v note.Verifier) {
	t.Helper()
	p := e.InclusionProof
	if p == nil {
		t.Fatalf("entry %s has no proof", e.ID)
	}
	p.Checkpoint.verify(t, v)
	leaf := rfc6962.DefaultHasher.HashLeaf(e.Leaf.Data)
	if !slices.Equal(leaf, e.Leaf.Hash) || fmt.Sprint(p.LeafIndex+1) != e.ID || p.TreeSize != p.Checkpoint.TreeSize {
		t.Errorf("entry %+v", e)
	}
	if !strings.Contains(string(e.Leaf.Data), `,"id":`+e.ID+`,`) {
		t.Errorf("entry %s has the leaf %q", e.ID, e.Leaf.Data)
	}
	if err := check.VerifyInclusion(rfc6962.DefaultHasher, p.LeafIndex, p.TreeSize, leaf, p.Hashes, p.Checkpoint.RootHash); err != nil {
		t.Errorf("entry %s: %v", e.ID, err)
	}
}

// TestProofs: what is answered proves itself to who knows the key, and all of an answer
// against one checkpoint.
func TestProofs(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	fillLog(t, s, 300)
	v := s.Sign(t)
	var kept struct{ Checkpoint checkpointAnswer }
	askProofs(t, s, `{ checkpoint `+checkpointFields+` }`, &kept)
	kept.Checkpoint.verify(t, v)
	fillLog(t, s, 400)
	s.Sign(t)

	var got struct {
		AuditEntries struct{ Entries []entryAnswer }
		Denials      struct{ Edges []struct{ Node entryAnswer } }
		One          entryAnswer
		Checkpoint   checkpointAnswer
		Consistency  consistencyAnswer
		Latest       consistencyAnswer
	}
	askProofs(t, s, fmt.Sprintf(`{ checkpoint %s auditEntries(limit: 500) { entries %s }
		denials: auditLog(last: 100, filter: {decision: DENY}) { edges { node %s } } one: auditEntry(id: 257) %s
		consistency: consistencyProof(from: %d, to: 700) { ...C } latest: consistencyProof(from: 257) { ...C } }
		fragment C on ConsistencyProof { from to fromRoot toRoot hashes checkpoint %s }`,
		checkpointFields, provedFields, provedFields, provedFields, kept.Checkpoint.TreeSize, checkpointFields), &got)
	all := append([]entryAnswer{got.One}, got.AuditEntries.Entries...)
	for _, e := range got.Denials.Edges {
		all = append(all, e.Node)
	}
	if len(all) != 601 || got.One.ID != "257" || all[1].ID != "700" || all[501].ID != "300" {
		t.Fatal(len(all))
	}
	got.Checkpoint.verify(t, v)
	for _, e := range all {
		e.verify(t, v)
		if e.InclusionProof.Checkpoint.Note != got.Checkpoint.Note {
			t.Errorf("entry %s is proved against another checkpoint", e.ID)
		}
	}
	if c := got.Consistency; c.From != 300 || c.To != 700 || !slices.Equal(c.FromRoot, kept.Checkpoint.RootHash) || !slices.Equal(c.ToRoot, got.Checkpoint.RootHash) {
		t.Errorf("consistency %+v", c)
	}
	for _, c := range []consistencyAnswer{got.Consistency, got.Latest} {
		if err := check.VerifyConsistency(rfc6962.DefaultHasher, c.From, c.To, c.Hashes, c.FromRoot, c.ToRoot); err != nil || c.To != 700 {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// growing is a tree that is signed anew whenever it is asked for its checkpoint.
type growing struct {
	proof.Source
	grow  func()
	mu    sync.Mutex
	reads int
}

func (g *growing) LatestCheckpoint(ctx context.Context) ([]byte, error) {
	g.grow()
	return g.Source.LatestCheckpoint(ctx)
}

func (g *growing) ReadTiles(ctx context.Context, tiles []tlog.Tile) ([][]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reads++
	return g.Source.ReadTiles(ctx, tiles)
}

// TestOneCheckpoint: all of an answer is proved against one checkpoint though the log goes
// on, and the next answer against the next; hashes are read once for a list.
func TestOneCheckpoint(t *testing.T) {
	t.Parallel()
	g := &growing{}
	s := apitest.Start(t, apitest.Options{SilentReads: true, Tree: func(s proof.Source) proof.Source { g.Source = s; return g }})
	g.grow = func() { fillLog(t, s, 1); s.Sign(t) }
	fillLog(t, s, 600)
	before := ""
	for range 2 {
		g.reads = 0
		var got struct {
			A            struct{ Entries []entryAnswer }
			B            struct{ Edges []struct{ Node entryAnswer } }
			One          entryAnswer
			C            checkpointAnswer
			Consistency  consistencyAnswer
			Consistency2 consistencyAnswer
		}
		askProofs(t, s, `{ a: auditEntries(limit: 500, offset: 50) { entries `+provedFields+` } b: auditLog(last: 500) { edges { node `+provedFields+` } }
			one: auditEntry(id: 3) `+provedFields+` c: checkpoint `+checkpointFields+`
			consistency: consistencyProof(from: 4) { checkpoint { note } } consistency2: consistencyProof(from: 5) { checkpoint { note } } }`, &got)
		notes := map[string]bool{got.C.Note: true, got.Consistency.Checkpoint.Note: true, got.Consistency2.Checkpoint.Note: true}
		all := append([]entryAnswer{got.One}, got.A.Entries...)
		for _, e := range got.B.Edges {
			all = append(all, e.Node)
		}
		for _, e := range all {
			if e.InclusionProof == nil {
				t.Fatalf("entry %s has no proof", e.ID)
			}
			notes[e.InclusionProof.Checkpoint.Note] = true
		}
		if len(notes) != 1 || len(all) != 1001 || notes[before] {
			t.Errorf("%d entries, checkpoints %q", len(all), slices.Collect(maps.Keys(notes)))
		}
		if g.reads != 5 {
			t.Errorf("hashes were read %d times", g.reads)
		}
		before = got.C.Note
	}
}

// TestOneCheckpointOverSSE: the same over SSE, where queries are served too.
func TestOneCheckpointOverSSE(t *testing.T) {
	t.Parallel()
	g := &growing{}
	s := apitest.Start(t, apitest.Options{SilentReads: true, Tree: func(s proof.Source) proof.Source { g.Source = s; return g }})
	g.grow = func() { fillLog(t, s, 1); s.Sign(t) }
	fillLog(t, s, 3)
	st := overSSE(t, s, s.Cookie(t, "operator"), object{"query": `{ checkpoint { note } auditEntry(id: 3) { inclusionProof { checkpoint { note } } } }`})
	var got struct {
		Data struct {
			Checkpoint struct{ Note string }
			AuditEntry entryAnswer
		}
	}
	answer := strings.TrimPrefix(st.next(t), "next ")
	if err := json.Unmarshal([]byte(answer), &got); err != nil || got.Data.AuditEntry.InclusionProof == nil {
		t.Fatalf("%v: %s", err, answer)
	}
	if a, b := got.Data.Checkpoint.Note, got.Data.AuditEntry.InclusionProof.Checkpoint.Note; a == "" || a != b {
		t.Errorf("two checkpoints: %q, %q", a, b)
	}
}

// TestNotSealed: what is not signed yet has no proof and says so where it is missing; all
// else answers.
func TestNotSealed(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	fillLog(t, s, 2)
	const query = `{ checkpoint { note } auditEntries { entries ` + provedFields + ` } one: auditEntry(id: 2) ` + provedFields + ` }`
	type answer struct {
		Checkpoint   *checkpointAnswer
		AuditEntries struct{ Entries []entryAnswer }
		One          entryAnswer
	}
	var got answer
	const nothing = "inclusionProof: NOT_SEALED No checkpoint was signed yet"
	askProofs(t, s, query, &got, "auditEntries entries 0 "+nothing, "auditEntries entries 1 "+nothing, "one "+nothing)
	if got.Checkpoint != nil || len(got.AuditEntries.Entries) != 2 || got.One.Leaf.Hash == nil {
		t.Errorf("%+v", got)
	}
	v := s.Sign(t)
	fillLog(t, s, 1)
	got = answer{}
	askProofs(t, s, query, &got, "auditEntries entries 0 inclusionProof: NOT_SEALED Entry 3 is not in a signed checkpoint yet: the latest one ends with 2")
	for _, e := range append(got.AuditEntries.Entries[1:], got.One) {
		e.verify(t, v)
	}
	if got.AuditEntries.Entries[0].InclusionProof != nil {
		t.Error("what is not sealed is proved")
	}
}

// TestTamperedEntry: a row that is not the one that was sealed is shown as it is, but not
// proved; nor is what hangs from a tile that is not the tree's.
func TestTamperedEntry(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	fillLog(t, s, 4)
	v := s.Sign(t)
	c := pgtest.Conn(t, s.DBURL, "postgres")
	exec := func(sql string) {
		t.Helper()
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("SET session_replication_role = replica")
	exec(`DO $$ DECLARE p regclass; BEGIN
		FOR p IN SELECT 'audit_log'::regclass UNION SELECT inhrelid FROM pg_inherits WHERE inhparent = 'audit_log'::regclass LOOP
			EXECUTE format('ALTER TABLE %s DISABLE TRIGGER ALL', p);
		END LOOP; END $$`)
	exec("UPDATE audit_log SET result_code = 201 WHERE id = 2")
	var got struct {
		AuditEntries struct{ Entries []entryAnswer }
		One          *entryAnswer
	}
	const query = `{ auditEntries { entries ` + provedFields + ` } one: auditEntry(id: 2) ` + provedFields + ` }`
	askProofs(t, s, query, &got, "auditEntries entries 2 inclusionProof: LOG_MISMATCH Entry 2 is not the one that was sealed",
		"one inclusionProof: LOG_MISMATCH Entry 2 is not the one that was sealed")
	for i, e := range got.AuditEntries.Entries {
		if i != 2 {
			e.verify(t, v)
		} else if e.InclusionProof != nil || e.ID != "2" || !strings.Contains(string(e.Leaf.Data), `"result_code":201`) {
			t.Errorf("%+v", e)
		}
	}

	exec("ALTER TABLE tree_tile DISABLE TRIGGER ALL")
	exec("UPDATE tree_tile SET hashes = set_byte(hashes, 0, 255 - get_byte(hashes, 0))")
	var errs []string
	for _, at := range []string{"auditEntries entries 0", "auditEntries entries 1", "auditEntries entries 2", "auditEntries entries 3", "one"} {
		errs = append(errs, at+" inclusionProof: LOG_MISMATCH The tree is not the one that was signed")
	}
	askProofs(t, s, query, &got, errs...)
	var none struct{ ConsistencyProof *consistencyAnswer }
	askProofs(t, s, `{ consistencyProof(from: 3) { hashes } }`, &none, "consistencyProof: LOG_MISMATCH The tree is not the one that was signed")
	if none.ConsistencyProof != nil {
		t.Errorf("%+v", none)
	}
}

// TestProofsUnasked: nothing of the tree is read unless a proof is selected.
func TestProofsUnasked(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	fillLog(t, s, 2)
	c := pgtest.Conn(t, s.DBURL, "postgres")
	for _, table := range []string{"tree_tile", "checkpoint"} {
		if _, err := c.Exec(t.Context(), "ALTER TABLE "+table+" RENAME TO "+table+"_away"); err != nil {
			t.Fatal(err)
		}
	}
	const without = `{ id leaf { hash } inclusionProof @skip(if: true) { hashes } }`
	askProofs(t, s, `{ auditEntries { entries `+without+` } auditLog { edges { node `+without+` } } auditEntry(id: 1) `+without+` }`, &struct{}{})
	const one = `{ ...F } } fragment F on AuditEntry { p: inclusionProof { hashes } }`
	var got struct{ AuditEntry *entryAnswer }
	askProofs(t, s, `{ auditEntry(id: 1) `+one, &got, "auditEntry: INTERNAL_SERVER_ERROR Internal server error")
	if got.AuditEntry != nil {
		t.Errorf("%+v", got)
	}
}
