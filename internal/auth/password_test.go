package auth

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/alexedwards/argon2id"
)

// foreign is a hash with the parameters that the Python library has by default.
const foreign = "$argon2id$v=19$m=65536,t=3,p=4$jg+sa67vssPm/BLMZG0IuQ$eoI7dkXQ6TmpaUGD5PzO3LL4GRTveyis34ZCR37aK8I"

func newTestHasher(t *testing.T) *Hasher {
	t.Helper()
	h, err := NewHasher()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHash(t *testing.T) {
	t.Parallel()
	h := newTestHasher(t)
	hash, err := h.Hash(t.Context(), "pässword")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("%q, %v", hash, err)
	}
	if other, _ := h.Hash(t.Context(), "pässword"); other == hash {
		t.Error("two hashes of one password are the same")
	}
	for _, c := range []struct {
		password, hash string
		want           bool
	}{
		{"pässword", hash, true},
		{"Pässword", hash, false},
		{"", hash, false},
		{"pässword with spaces", foreign, true},
		{"pässword with space", foreign, false},
		{"", "", false},
		{"x", "", false},
		{"x", "no hash", false},
		{"x", strings.Replace(hash, "argon2id", "argon2i", 1), false},
		{"x", "$argon2id$v=19$m=19456,t=2,p=1$$", false},
		{"x", strings.Replace(hash, "t=2", "t=0", 1), false},
		{"x", strings.Replace(hash, "p=1", "p=0", 1), false},
	} {
		if got, err := h.matches(t.Context(), c.password, c.hash); got != c.want || err != nil {
			t.Errorf("%q, %q: %v, %v", c.password, c.hash, got, err)
		}
	}
}

// TestUnknownUserCostsTheSame: who has no hash is compared with one that costs the same.
func TestUnknownUserCostsTheSame(t *testing.T) {
	t.Parallel()
	h := newTestHasher(t)
	params, _, _, err := argon2id.DecodeHash(h.dummy)
	if err != nil || *params != *hashParams {
		t.Errorf("the dummy costs %+v, %v", params, err)
	}
	// Both wait for a place to compute in, so both compute.
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, hash := range []string{"", h.dummy} {
		if _, err := h.matches(ctx, "x", hash); !errors.Is(err, context.Canceled) {
			t.Errorf("with %q it was not computed: %v", hash, err)
		}
	}
	if _, err := h.Hash(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("a hash was made beyond the bound: %v", err)
	}
}

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	for password, ok := range map[string]bool{
		"": false, "1234567": false, "12345678": true, "äöüäöüä": false, "äöüäöüäö": true, "        ": true,
		strings.Repeat("ü", 1024): true, strings.Repeat("ü", 1025): false,
	} {
		if got := CheckPassword("new_password", password); (got == nil) != ok || got != nil && got.Field != "new_password" {
			t.Errorf("%.20q: %v", password, got)
		}
	}
	if a, b := RandomPassword(), RandomPassword(); a == b || CheckPassword("x", a) != nil {
		t.Errorf("random passwords %q and %q", a, b)
	}
}

// TestCookieSignature: no other value than the one that was made is taken.
func TestCookieSignature(t *testing.T) {
	t.Parallel()
	c := Cookies{Name: "s", Secret: []byte(strings.Repeat("x", 32))}
	id := newID()
	value := c.sign(id)
	if got, ok := c.verify(value); !ok || got != id || len(id) != 64 {
		t.Fatalf("%q is %q, %v", value, got, ok)
	}
	const alphabet = "AZaz09-_.="
	for i := range value {
		for _, r := range alphabet {
			if changed := value[:i] + string(r) + value[i+1:]; changed != value {
				if _, ok := c.verify(changed); ok {
					t.Errorf("with %q at %d it is taken", r, i)
				}
			}
		}
		if _, ok := c.verify(value[:i]); ok {
			t.Errorf("the first %d characters are taken", i)
		}
	}
	for _, other := range []string{"", ".", id, id + ".", value + "A", value + ".", "." + value, value + "=="} {
		if _, ok := c.verify(other); ok {
			t.Errorf("%q is taken", other)
		}
	}
	if _, ok := (Cookies{Secret: []byte(strings.Repeat("y", 32))}).verify(value); ok {
		t.Error("it is taken with another secret")
	}
}
