package merkle

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Key signs checkpoints: Ed25519, in the text form of signed notes.
type Key struct {
	signer   note.Signer
	verifier string
}

// ErrKey says that a text is no key; it does not repeat the text.
var ErrKey = errors.New("not a signing key: it has the form PRIVATE+KEY+name+hash+key, as `halite checkpoint key` prints it")

// GenerateKey makes a key. The name is the origin of the log: it has no white space and no
// plus sign. It returns the key's text, which is a secret.
func GenerateKey(random io.Reader, name string) (secret string, err error) {
	secret, _, err = note.GenerateKey(random, name)
	if err != nil {
		return "", fmt.Errorf("generate the key: %w", err)
	}
	if _, err := ParseKey(secret); err != nil {
		return "", fmt.Errorf("%q cannot be the name of a key: it must not be empty, nor hold white space or a plus sign", name)
	}
	return secret, nil
}

// ParseKey reads a key's text. The error is ErrKey.
func ParseKey(secret string) (*Key, error) {
	s, err := note.NewSigner(secret)
	if err != nil {
		return nil, ErrKey
	}
	parts := strings.SplitN(secret, "+", 5) // base64 may hold more of them
	raw, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return nil, ErrKey
	}
	public := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	v, err := note.NewEd25519VerifierKey(s.Name(), public)
	if err != nil {
		return nil, ErrKey
	}
	return &Key{signer: s, verifier: v}, nil
}

// Name is the origin of the log.
func (k *Key) Name() string { return k.signer.Name() }

// ID names the key: the name, a plus sign and the hash that its signatures bear.
func (k *Key) ID() string { return fmt.Sprintf("%s+%08x", k.signer.Name(), k.signer.KeyHash()) }

// VerifierText is what others need to check signatures: no secret.
func (k *Key) VerifierText() string { return k.verifier }

// Verifier checks the key's signatures.
func (k *Key) Verifier() note.Verifier {
	v, err := note.NewVerifier(k.verifier)
	if err != nil {
		panic(err) // it was made from a key
	}
	return v
}
