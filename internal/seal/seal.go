// Package seal encrypts small secrets that are kept in the database, so that a copy of
// it holds none of them.
//
// A sealed text is `v1.<key id>.<data>`: the key id is 8 hexadecimal digits, the data
// base64url without padding of a 12-byte nonce and the AES-256-GCM ciphertext. Key and
// key id come from the server's secret by HKDF-SHA256, apart for each purpose. The
// purpose and the key id are authenticated with the text.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrOtherKey says that a text was sealed with a secret that is not known here.
var ErrOtherKey = errors.New("sealed with another secret")

// ErrDamaged says that a text was not sealed here, or was changed since.
var ErrDamaged = errors.New("not a sealed text, or changed since it was sealed")

const version = "v1"

// Sealer seals and opens texts of one purpose. It is safe for concurrent use.
type Sealer struct {
	purpose string
	keys    []key // the first one seals
}

type key struct {
	id   string
	aead cipher.AEAD
}

// New returns a sealer that seals with the first secret and opens with any of them, so
// that a secret can be replaced while the old one still opens. Empty secrets are passed
// over; the first must not be empty.
func New(purpose string, secrets ...[]byte) (*Sealer, error) {
	s := &Sealer{purpose: purpose}
	for _, secret := range secrets {
		if len(secret) == 0 {
			continue
		}
		k, err := newKey(purpose, secret)
		if err != nil {
			return nil, fmt.Errorf("derive a key: %w", err)
		}
		s.keys = append(s.keys, k)
	}
	if len(s.keys) == 0 || len(secrets[0]) == 0 {
		return nil, errors.New("seal: no secret")
	}
	return s, nil
}

func newKey(purpose string, secret []byte) (key, error) {
	id, err := hkdf.Key(sha256.New, secret, nil, "halite/"+purpose+"/id", 4)
	if err != nil {
		return key{}, err
	}
	raw, err := hkdf.Key(sha256.New, secret, nil, "halite/"+purpose+"/key", 32)
	if err != nil {
		return key{}, err
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return key{hex.EncodeToString(id), aead}, err
}

// Seal returns plain, sealed. Two calls never return the same.
func (s *Sealer) Seal(plain string) string {
	k := s.keys[0]
	data := k.aead.Seal(nil, nil, []byte(plain), s.bound(k.id)) //nolint:gosec // this AEAD takes no nonce: it makes a random one
	return version + "." + k.id + "." + base64.RawURLEncoding.EncodeToString(data)
}

// Open returns what was sealed. current is false if that was with an older secret: it
// is time to seal it anew. Errors: ErrOtherKey, ErrDamaged.
func (s *Sealer) Open(sealed string) (plain string, current bool, err error) {
	v, rest, _ := strings.Cut(sealed, ".")
	id, text, ok := strings.Cut(rest, ".")
	if !ok || v != version {
		return "", false, ErrDamaged
	}
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return "", false, ErrDamaged
	}
	for i, k := range s.keys {
		if k.id != id {
			continue
		}
		b, err := k.aead.Open(nil, nil, data, s.bound(id))
		if err != nil {
			return "", false, ErrDamaged
		}
		return string(b), i == 0, nil
	}
	return "", false, ErrOtherKey
}

// bound is what is authenticated beside the text.
func (s *Sealer) bound(id string) []byte { return []byte(version + "." + id + "." + s.purpose) }
