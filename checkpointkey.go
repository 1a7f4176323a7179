package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"halite/internal/merkle"
)

// checkpointKeys are the keys that sign, secret first, and those whose signatures count
// beside. Without a secret there are none. An error names the variable and the rule, and
// repeats neither.
func (c *common) checkpointKeys(secret string) (keys []*merkle.Key, accepted []note.Verifier, err error) {
	if secret != "" {
		k, err := merkle.ParseKey(secret)
		if err != nil {
			return nil, nil, fmt.Errorf("CHECKPOINT_KEY must have the form PRIVATE+KEY+name+hash+key, as `halite checkpoint key` prints it")
		}
		keys = append(keys, k)
	}
	switch previous := c.CheckpointKeyPrevious; {
	case previous == "":
	case strings.HasPrefix(previous, "PRIVATE+KEY+"):
		k, err := merkle.ParseKey(previous)
		if err != nil {
			return nil, nil, errPreviousKey
		}
		if accepted = append(accepted, k.Verifier()); len(keys) > 0 && keys[0].ID() != k.ID() {
			keys = append(keys, k)
		}
	default:
		v, err := note.NewVerifier(previous)
		if err != nil {
			return nil, nil, errPreviousKey
		}
		accepted = append(accepted, v)
	}
	return keys, accepted, nil
}

var errPreviousKey = errors.New("CHECKPOINT_KEY_PREVIOUS must be a key (PRIVATE+KEY+name+hash+key) or its verifier (name+hash+key)")

// signKey returns CHECKPOINT_KEY, else the one kept in the data folder, else makes it.
func (c *common) signKey(dir string) (string, error) {
	if c.CheckpointKey != "" {
		return c.CheckpointKey, nil
	}
	path := filepath.Join(dir, "checkpoint_key")
	b, err := os.ReadFile(path)
	if err == nil {
		secret := strings.TrimSpace(string(b))
		if _, err := merkle.ParseKey(secret); err != nil {
			return "", fmt.Errorf("%s does not hold a key for checkpoints: put the right one back; or remove the file to have a new one made, and set CHECKPOINT_KEY_PREVIOUS to the verifier of the old one", path)
		}
		return secret, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	name := make([]byte, 8) // logs have different names
	_, _ = rand.Read(name)  // never fails
	secret, err := merkle.GenerateKey(rand.Reader, "halite.local/"+hex.EncodeToString(name))
	if err != nil {
		return "", err
	}
	return secret, writePrivate(path, secret+"\n")
}
