package merkle_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/merkle"
)

// zeroes is the key made of a seed of zero bytes, whose signatures are the same for ever.
func zeroes(t *testing.T) *merkle.Key {
	t.Helper()
	secret, err := merkle.GenerateKey(bytes.NewReader(make([]byte, 64)), "example.org/log")
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, secret)
}

func parse(t *testing.T, secret string) *merkle.Key {
	t.Helper()
	k, err := merkle.ParseKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newKey(t *testing.T, name string) *merkle.Key {
	t.Helper()
	secret, err := merkle.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, secret)
}

func TestCheckpointGolden(t *testing.T) {
	t.Parallel()
	c := merkle.Checkpoint{Origin: "example.org/log", Tree: merkle.Tree{N: 20852163, Hash: tlog.Hash(sha256.Sum256([]byte("root")))}}
	k := zeroes(t)
	signed, err := merkle.SignCheckpoint(c, k)
	if err != nil {
		t.Fatal(err)
	}
	if string(signed) != goldenNote {
		t.Errorf("\n got %q\nwant %q", signed, goldenNote)
	}
	if got := k.VerifierText(); got != goldenVerifier {
		t.Errorf("verifier %q, want %q", got, goldenVerifier)
	}
	// The library by itself, with nothing but the text of the verifier.
	v, err := note.NewVerifier(goldenVerifier)
	if err != nil {
		t.Fatal(err)
	}
	got, err := merkle.OpenCheckpoint([]byte(goldenNote), v)
	if err != nil || got.String() != c.String() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOpenCheckpoint(t *testing.T) {
	t.Parallel()
	now, before, stranger := newKey(t, "example.org/log"), newKey(t, "example.org/log"), newKey(t, "example.org/other")
	c := merkle.Checkpoint{Origin: "example.org/log", Tree: merkle.Empty}
	sign := func(c merkle.Checkpoint, keys ...*merkle.Key) []byte {
		signed, err := merkle.SignCheckpoint(c, keys...)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	both := sign(c, now, before)
	for _, k := range []*merkle.Key{now, before} {
		if got, err := merkle.OpenCheckpoint(both, k.Verifier()); err != nil || got.Tree != c.Tree {
			t.Errorf("by one of two: %+v, %v", got, err)
		}
	}
	if _, err := merkle.OpenCheckpoint(both, now.Verifier(), before.Verifier(), now.Verifier()); err != nil {
		t.Errorf("with a key named twice: %v", err)
	}
	_, keys, err := merkle.ReadCheckpoint(both)
	if err != nil || len(keys) != 2 || keys[0] != now.ID() || keys[1] != before.ID() {
		t.Errorf("keys %q, %v; want %s, %s", keys, err, now.ID(), before.ID())
	}
	if _, err := merkle.OpenCheckpoint(both, stranger.Verifier()); !errors.Is(err, merkle.ErrUnknownKey) {
		t.Errorf("by a stranger: %v", err)
	}
	if _, err := merkle.OpenCheckpoint(sign(c, stranger), stranger.Verifier()); !errors.Is(err, merkle.ErrUnknownKey) {
		t.Errorf("of another origin: %v", err)
	}
	forged := bytes.Replace(both, []byte("\n0\n"), []byte("\n1\n"), 1)
	if _, err := merkle.OpenCheckpoint(forged, now.Verifier()); err == nil || errors.Is(err, merkle.ErrUnknownKey) {
		t.Errorf("changed: %v", err)
	}
	for _, bad := range []string{"", "x", "x\n\n", strings.Repeat("x", 100_000), "a\n1\n2\n\n— a AAAAAAA=\n"} {
		if _, err := merkle.OpenCheckpoint([]byte(bad), now.Verifier()); err == nil {
			t.Errorf("%.20q is a checkpoint", bad)
		}
		if _, _, err := merkle.ReadCheckpoint([]byte(bad)); !errors.Is(err, merkle.ErrCheckpoint) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestParseCheckpoint(t *testing.T) {
	t.Parallel()
	const root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	good := "o\n0\n" + root + "\n"
	if c, err := merkle.ParseCheckpoint(good); err != nil || c.String() != good || c.Tree != merkle.Empty {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := merkle.ParseCheckpoint(good + "more\nlines\n"); err != nil || c.String() != good+"more\nlines\n" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []string{
		"", "o\n0\n" + root, "o\n0\n", "\n0\n" + root + "\n", "o\n00\n" + root + "\n", "o\n-1\n" + root + "\n", "o\n+1\n" + root + "\n",
		"o\n9223372036854775808\n" + root + "\n", "o\n0\n" + root[:40] + "\n", "o\n0\n" + root + "\n\n",
	} {
		if _, err := merkle.ParseCheckpoint(bad); !errors.Is(err, merkle.ErrCheckpoint) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "PRIVATE+KEY+x", "PRIVATE+KEY+a+00000000+AAAA", zeroes(t).VerifierText()} {
		_, err := merkle.ParseKey(bad)
		if !errors.Is(err, merkle.ErrKey) || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "a b", "a+b"} {
		if _, err := merkle.GenerateKey(rand.Reader, bad); err == nil {
			t.Errorf("a key of the name %q", bad)
		}
	}
}

func FuzzReadCheckpoint(f *testing.F) {
	f.Add([]byte(goldenNote))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, _, err := merkle.ReadCheckpoint(b)
		if err != nil {
			return
		}
		again, err := merkle.ParseCheckpoint(c.String())
		if err != nil || again.String() != c.String() {
			t.Errorf("%q: %v", c.String(), err)
		}
	})
}

const (
	goldenVerifier = "example.org/log+4e933303+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
	goldenNote     = "example.org/log\n20852163\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n\n" +
		"— example.org/log TpMzA27mvZE3PUTV5JXEuSHZm0F69E14Y9WQrTEw0zXoX6btpaL3zYyZZ7mP0UcJShjNwQgVystgrR61ej/clZmfsAk=\n"
)
