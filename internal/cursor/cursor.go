// Package cursor makes and reads the cursors of lists: opaque, signed texts that say
// where in which list one stands. The package is pure.
//
// A cursor is base64url without padding of the id, 8 bytes, and the first 16 bytes of
// the HMAC-SHA256 of `v1`, the SHA-256 of the list's canonical form, and the id. The key
// comes from the server's secret by HKDF-SHA256, apart for each purpose. What a cursor
// says is no secret; it is signed so that it means what it meant when it was given out.
package cursor

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
)

const (
	version = "v1"
	idSize  = 8
	macSize = 16
)

// Signer makes and reads cursors of one purpose. It is safe for concurrent use.
type Signer struct{ keys [][]byte } // the first one signs

// New returns a signer that signs with the first secret and reads what was signed with
// any of them, so that a secret can be replaced while cursors are followed. Empty
// secrets are passed over; the first must not be empty.
func New(purpose string, secrets ...[]byte) (*Signer, error) {
	s := &Signer{}
	for _, secret := range secrets {
		if len(secret) == 0 {
			continue
		}
		key, err := hkdf.Key(sha256.New, secret, nil, "halite/"+purpose+"/key", sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("derive a key: %w", err)
		}
		s.keys = append(s.keys, key)
	}
	if len(s.keys) == 0 || len(secrets[0]) == 0 {
		return nil, errors.New("cursor: no secret")
	}
	return s, nil
}

// Of returns the cursors of one list, of which canonical says which it is: two lists
// have the same cursors if their canonical forms are the same, and none in common
// otherwise. It is not safe for concurrent use.
func (s *Signer) Of(canonical []byte) *List {
	scope := sha256.Sum256(canonical)
	l := &List{scope: scope[:]}
	for _, key := range s.keys {
		l.macs = append(l.macs, hmac.New(sha256.New, key))
	}
	return l
}

// List makes and reads the cursors of one list.
type List struct {
	scope []byte
	macs  []hash.Hash
	buf   [idSize + sha256.Size]byte
}

// Append appends the cursor of an id: 32 letters, digits, hyphens and underscores.
func (l *List) Append(b []byte, id int64) []byte {
	raw := binary.BigEndian.AppendUint64(l.buf[:0], uint64(id))
	raw = l.sign(l.macs[0], raw)
	return base64.RawURLEncoding.AppendEncode(b, raw)
}

// Read returns the id of a cursor of this list. It reports false for whatever is none:
// another list's, one that was changed or cut.
func (l *List) Read(cursor string) (id int64, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) != idSize+macSize {
		return 0, false
	}
	for _, mac := range l.macs {
		want := l.sign(mac, append(l.buf[:0], raw[:idSize]...))
		ok = hmac.Equal(raw, want) || ok
	}
	return int64(binary.BigEndian.Uint64(raw)), ok
}

// sign appends the signature to an id.
func (l *List) sign(mac hash.Hash, id []byte) []byte {
	mac.Reset()
	mac.Write([]byte(version))
	mac.Write(l.scope)
	mac.Write(id)
	return mac.Sum(id)[:idSize+macSize]
}
