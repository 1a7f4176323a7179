package seal_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"halite/internal/seal"
)

func newSealer(t *testing.T, purpose string, secrets ...string) *seal.Sealer {
	t.Helper()
	var raw [][]byte
	for _, s := range secrets {
		raw = append(raw, []byte(s))
	}
	out, err := seal.New(purpose, raw...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSealed: only who knows the secret opens it, for the same purpose, unchanged.
func TestSealed(t *testing.T) {
	t.Parallel()
	old, renewed := newSealer(t, "p", "one"), newSealer(t, "p", "two", "one")
	form := regexp.MustCompile(`^v1\.[0-9a-f]{8}\.[A-Za-z0-9_-]+$`)
	for _, plain := range []string{"", "hunter2", "pässwörd\x00\xff", strings.Repeat("x", 10_000)} {
		sealed := old.Seal(plain)
		if !form.MatchString(sealed) || plain != "" && strings.Contains(sealed, plain) || sealed == old.Seal(plain) {
			t.Errorf("%.20q is sealed as %.60s", plain, sealed)
		}
		for _, c := range []struct {
			name    string
			by      *seal.Sealer
			text    string
			current bool
			err     error
		}{
			{"the same", old, sealed, true, nil},
			{"a new secret beside", renewed, sealed, false, nil},
			{"sealed anew", renewed, renewed.Seal(plain), true, nil},
			{"a new secret alone", newSealer(t, "p", "two"), sealed, false, seal.ErrOtherKey},
			{"another purpose", newSealer(t, "q", "one"), sealed, false, seal.ErrOtherKey},
			{"cut", old, sealed[:len(sealed)-4], false, seal.ErrDamaged},
			{"changed", old, sealed[:len(sealed)-4] + "AAAA", false, seal.ErrDamaged},
			{"the other version", old, "v2" + sealed[2:], false, seal.ErrDamaged},
			{"plain", old, plain, false, seal.ErrDamaged},
			{"not base64", old, sealed + "!", false, seal.ErrDamaged},
		} {
			got, current, err := c.by.Open(c.text)
			if !errors.Is(err, c.err) || c.err == nil && (got != plain || current != c.current) || c.err != nil && got != "" {
				t.Errorf("%.20q, %s: %.20q, current %v, %v", plain, c.name, got, current, err)
			}
		}
	}
	for _, secrets := range [][][]byte{nil, {nil}, {nil, []byte("old")}} {
		if _, err := seal.New("p", secrets...); err == nil {
			t.Errorf("a sealer without a secret to seal with: %q", secrets)
		}
	}
}
