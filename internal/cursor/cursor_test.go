package cursor_test

import (
	"bytes"
	"encoding/base64"
	"math"
	"testing"

	"halite/internal/cursor"
)

var (
	oldSecret = bytes.Repeat([]byte("o"), 32)
	newSecret = bytes.Repeat([]byte("n"), 32)
)

func signer(t *testing.T, purpose string, secrets ...[]byte) *cursor.Signer {
	t.Helper()
	s, err := cursor.New(purpose, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// vector is the cursor of the id 1 in the list `list` for the purpose `p`, computed apart
// from this code.
const vector = "AAAAAAAAAAEXiluo1r0oNXRMH4-fqf4K"

func TestCursor(t *testing.T) {
	t.Parallel()
	l := signer(t, "p", oldSecret).Of([]byte("list"))
	for _, id := range []int64{0, 1, 50, math.MaxInt64, math.MinInt64} {
		c := string(l.Append(nil, id))
		if got, ok := l.Read(c); !ok || got != id || len(c) != 32 {
			t.Errorf("%d: %q is read as %d, %t", id, c, got, ok)
		}
	}
	if got := string(l.Append([]byte("x"), 1)); got != "x"+vector {
		t.Errorf("%s, want %s: cursors that were given out would not be known any more", got, vector)
	}
}

// TestForged: nothing but the very text that was made is read.
func TestForged(t *testing.T) {
	t.Parallel()
	s := signer(t, "p", oldSecret)
	l := s.Of([]byte("list"))
	good := string(l.Append(nil, 7))
	bad := []string{"", "A", good[:31], good + "A", good + "=", " " + good, good[:20], base64.RawURLEncoding.EncodeToString(make([]byte, 24))}
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		raw[bit/8] ^= 1 << (bit % 8)
		bad = append(bad, base64.RawURLEncoding.EncodeToString(raw))
		raw[bit/8] ^= 1 << (bit % 8)
	}
	for _, other := range []*cursor.List{
		s.Of([]byte("list2")), s.Of(nil), signer(t, "q", oldSecret).Of([]byte("list")), signer(t, "p", newSecret).Of([]byte("list")),
	} {
		bad = append(bad, string(other.Append(nil, 7)))
	}
	for _, c := range bad {
		if id, ok := l.Read(c); ok {
			t.Errorf("%q is read as %d", c, id)
		}
	}
	if _, ok := l.Read(good); !ok {
		t.Error("the good one is not read")
	}
}

// TestReplacedSecret: what the secret before signed is read while it is known.
func TestReplacedSecret(t *testing.T) {
	t.Parallel()
	before := string(signer(t, "p", oldSecret).Of(nil).Append(nil, 7))
	both := signer(t, "p", newSecret, oldSecret).Of(nil)
	if id, ok := both.Read(before); !ok || id != 7 {
		t.Errorf("read as %d, %t", id, ok)
	}
	after := string(both.Append(nil, 7))
	for _, secrets := range [][][]byte{{newSecret}, {newSecret, nil}} {
		l := signer(t, "p", secrets...).Of(nil)
		if _, ok := l.Read(before); ok {
			t.Error("what was signed with a secret that is not known is read")
		}
		if _, ok := l.Read(after); !ok {
			t.Error("the first secret does not sign")
		}
	}
	for _, none := range [][][]byte{nil, {nil}, {nil, oldSecret}} {
		if _, err := cursor.New("p", none...); err == nil {
			t.Errorf("a signer with the secrets %q", none)
		}
	}
}

// BenchmarkAppend is what each edge of a connection costs beside its entry.
//
//	go test -run '^$' -bench . -benchmem ./internal/cursor
func BenchmarkAppend(b *testing.B) {
	s, err := cursor.New("p", oldSecret)
	if err != nil {
		b.Fatal(err)
	}
	l, buf := s.Of([]byte("list")), make([]byte, 0, 64)
	for b.Loop() {
		buf = l.Append(buf[:0], 1)
	}
}
