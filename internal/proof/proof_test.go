package proof_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"testing"

	check "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/merkle"
	"halite/internal/pgtest"
	"halite/internal/proof"
	"halite/internal/tree"
)

func TestMain(m *testing.M) { pgtest.Main(m, false) }

// log is a log that is sealed and signed when it is told so.
type log struct {
	*db.DB
	url string
	key *merkle.Key
}

func newLog(t *testing.T) *log {
	t.Helper()
	secret, err := merkle.GenerateKey(rand.Reader, "example.org/log")
	if err != nil {
		t.Fatal(err)
	}
	key, err := merkle.ParseKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	u := pgtest.URL(t)
	return &log{pgtest.OpenURL(t, u), u, key}
}

// write appends n entries.
func (l *log) write(t *testing.T, n int) {
	t.Helper()
	batch := make([]*audit.Entry, n)
	for i := range batch {
		batch[i] = &audit.Entry{Action: "test.write", Resource: fmt.Sprintf("test:%d", i), Decision: audit.Allow, ResultCode: 200}
	}
	if err := l.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

// sign seals and signs all that is there.
func (l *log) sign(t *testing.T) {
	t.Helper()
	r := audit.NewRecorder(l.DB, audit.DefaultQueue, pgtest.Quiet)
	defer r.Stop()
	g := guard.New(guard.Config{Recorder: r, Changer: l.DB, Logger: pgtest.Quiet, AuditReads: true, Refusals: 60})
	defer g.Stop()
	k := tree.New(tree.Config{Store: l.DB, Gate: g, Logger: pgtest.Quiet, Keys: []*merkle.Key{l.key}})
	k.Start(t.Context())
	k.Stop()
}

func (l *log) latest(t *testing.T) *proof.Signed {
	t.Helper()
	s, err := proof.Latest(t.Context(), l.DB)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func bytesOf(hashes []tlog.Hash) (out [][]byte) {
	for i := range hashes {
		out = append(out, hashes[i][:])
	}
	return out
}

// TestProofs verifies what is given out with an implementation that shares no code with
// the one that made it.
func TestProofs(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	if _, err := proof.Latest(t.Context(), l.DB); fault.From(err).Code != fault.NotSealed {
		t.Fatalf("of nothing: %v", err)
	}
	sizes := []int64{1, 2, 257, 700}
	var roots []merkle.Tree
	for n := int64(0); len(roots) < len(sizes); n = sizes[len(roots)-1] {
		l.write(t, int(sizes[len(roots)]-n))
		l.sign(t)
		s := l.latest(t)
		if s.N != sizes[len(roots)] || !slices.Equal(s.Keys, []string{l.key.ID()}) {
			t.Fatalf("checkpoint %+v", s)
		}
		if n, err := note.Open(s.Note, note.VerifierList(l.key.Verifier())); err != nil || n.Text != s.String() {
			t.Fatalf("%+v, %v", n, err)
		}
		roots = append(roots, s.Tree)
	}
	s := l.latest(t)

	ids := []int64{1, 700, 256, 257, 1, 513}
	for range 50 {
		ids = append(ids, mrand.Int64N(700)+1)
	}
	proofs, err := s.Inclusion(t.Context(), ids...)
	if err != nil || len(proofs) != len(ids) {
		t.Fatal(len(proofs), err)
	}
	for i, p := range proofs {
		e, err := l.Get(t.Context(), ids[i])
		if err != nil || p.ID != ids[i] {
			t.Fatal(p.ID, err)
		}
		leaf := rfc6962.DefaultHasher.HashLeaf(merkle.AppendLeaf(nil, &e))
		if err := check.VerifyInclusion(rfc6962.DefaultHasher, uint64(ids[i]-1), uint64(s.N), leaf, bytesOf(p.Hashes), s.Hash[:]); err != nil {
			t.Errorf("entry %d: %v", ids[i], err)
		}
		if err := p.Of(&e); err != nil {
			t.Errorf("entry %d: %v", ids[i], err)
		}
		e.ResultCode++
		if err := p.Of(&e); fault.From(err).Code != fault.LogMismatch {
			t.Errorf("another entry %d: %v", ids[i], err)
		}
	}

	for _, from := range roots {
		for _, to := range roots {
			if from.N > to.N {
				continue
			}
			c, err := s.Consistency(t.Context(), from.N, to.N)
			if err != nil || c.From != from || c.To != to {
				t.Errorf("%d to %d: %+v, %v", from.N, to.N, c, err)
				continue
			}
			if err := check.VerifyConsistency(rfc6962.DefaultHasher, uint64(from.N), uint64(to.N), bytesOf(c.Hashes), from.Hash[:], to.Hash[:]); err != nil {
				t.Errorf("%d to %d: %v", from.N, to.N, err)
			}
		}
	}
	if p, err := s.Inclusion(t.Context()); err != nil || len(p) != 0 {
		t.Errorf("of no entries: %v, %v", p, err)
	}
}

// TestBadInput: what cannot be proved is told apart, and named.
func TestBadInput(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(t, 3)
	l.sign(t)
	l.write(t, 1)
	s := l.latest(t)
	for name, c := range map[string]struct {
		code  fault.Code
		field string
		err   error
	}{
		"id 0":             {fault.BadUserInput, "id", second(s.Inclusion(t.Context(), 0))},
		"not sealed":       {fault.NotSealed, "", second(s.Inclusion(t.Context(), 1, 4))},
		"from 0":           {fault.BadUserInput, "from", second(s.Consistency(t.Context(), 0, 1))},
		"to 0":             {fault.BadUserInput, "to", second(s.Consistency(t.Context(), 1, 0))},
		"from negative":    {fault.BadUserInput, "from", second(s.Consistency(t.Context(), -1, 1))},
		"from beyond to":   {fault.BadUserInput, "from", second(s.Consistency(t.Context(), 3, 2))},
		"beyond the size":  {fault.BadUserInput, "to", second(s.Consistency(t.Context(), 1, 4))},
		"beyond all sizes": {fault.BadUserInput, "to", second(s.Consistency(t.Context(), 1, 1<<62))},
	} {
		if f := fault.From(c.err); f == nil || f.Code != c.code || f.Field != c.field {
			t.Errorf("%s: %v", name, c.err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestTampered: a tree that is not the one that was signed proves nothing.
func TestTampered(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(t, 600)
	l.sign(t)
	c := pgtest.Conn(t, l.url, "postgres")
	for _, sql := range []string{
		"ALTER TABLE tree_tile DISABLE TRIGGER ALL",
		"UPDATE tree_tile SET hashes = set_byte(hashes, 0, 255 - get_byte(hashes, 0)) WHERE level = 0 AND n = 1",
	} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	s := l.latest(t)
	if _, err := s.Inclusion(t.Context(), 1, 600); err != nil {
		t.Errorf("beside it: %v", err)
	}
	for _, id := range []int64{257, 512} {
		if _, err := s.Inclusion(t.Context(), id); fault.From(err).Code != fault.LogMismatch {
			t.Errorf("entry %d: %v", id, err)
		}
	}
	if _, err := s.Consistency(t.Context(), 300, 600); fault.From(err).Code != fault.LogMismatch {
		t.Errorf("consistency: %v", err)
	}
	if _, err := c.Exec(t.Context(), "DELETE FROM tree_tile WHERE level = 0 AND n = 0"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Inclusion(t.Context(), 1); fault.From(err).Code != fault.LogMismatch {
		t.Errorf("without its tile: %v", err)
	}
	// A failure to read is no mismatch.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Inclusion(gone, 600); !errors.Is(err, context.Canceled) {
		t.Errorf("without the database: %v", err)
	}
}
