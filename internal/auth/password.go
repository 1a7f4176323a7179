package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"runtime"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"halite/internal/fault"
)

// hashParams are OWASP's first choice, fixed: they do not follow the machine.
var hashParams = &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Bounds of a new password, in characters.
const (
	MinPassword = 8
	MaxPassword = 1024
)

// Hasher computes password hashes, and bounds how many at once: each takes 19 MiB. It
// is safe for concurrent use; a server has one.
type Hasher struct {
	slots chan struct{}
	dummy string // what an unknown user's password is compared with
}

// NewHasher returns a hasher for as many hashes at once as there are processors, two
// at least.
func NewHasher() (*Hasher, error) {
	h := &Hasher{slots: make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))}
	var err error
	h.dummy, err = argon2id.CreateHash(RandomPassword(), hashParams)
	return h, err
}

// Hash returns the argon2id hash of password in PHC format. It waits for its turn for
// as long as ctx allows; that is its only error.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if err := h.acquire(ctx); err != nil {
		return "", err
	}
	defer h.release()
	return argon2id.CreateHash(password, hashParams)
}

// matches does the same work whether there is a hash to compare with or not. A hash
// that cannot be read matches nothing.
func (h *Hasher) matches(ctx context.Context, password, hash string) (bool, error) {
	if err := h.acquire(ctx); err != nil {
		return false, err
	}
	defer h.release()
	known := readable(hash)
	if !known {
		hash = h.dummy
	}
	ok, err := argon2id.ComparePasswordAndHash(password, hash)
	return ok && err == nil && known, nil
}

// readable reports whether hash is one that can be computed again.
func readable(hash string) bool {
	p, _, key, err := argon2id.DecodeHash(hash)
	return err == nil && len(key) > 0 && p.Iterations > 0 && p.Parallelism > 0
}

func (h *Hasher) acquire(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Hasher) release() { <-h.slots }

// CheckPassword says what is wrong with a new password, or nil. field names the
// argument in the answer.
func CheckPassword(field, password string) *fault.Error {
	switch {
	case TooShort(password):
		return fault.Input(field, "should have at least 8 characters")
	case utf8.RuneCountInString(password) > MaxPassword:
		return fault.Input(field, "should have at most 1024 characters")
	}
	return nil
}

// TooShort reports whether a new password has too few characters.
func TooShort(password string) bool { return utf8.RuneCountInString(password) < MinPassword }

// RandomPassword returns a password that nobody guesses: it has 120 bits.
func RandomPassword() string {
	b := make([]byte, 15)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
