package merkle

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is what a log says of itself: that at the size N its root is Hash. Signed, it
// is a C2SP tlog-checkpoint.
type Checkpoint struct {
	Origin string // which log; the name of its key
	Tree
	Extensions []string // lines that others may have added
}

// maxNote bounds what is read as a note.
const maxNote = 64 << 10

// ErrCheckpoint says that a text is no checkpoint.
var ErrCheckpoint = errors.New("not a checkpoint")

// String is the text that is signed.
func (c Checkpoint) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d\n%s\n", c.Origin, c.N, base64.StdEncoding.EncodeToString(c.Hash[:]))
	for _, line := range c.Extensions {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// ParseCheckpoint reads the text that is signed. The error is ErrCheckpoint.
func ParseCheckpoint(text string) (c Checkpoint, err error) {
	bad := func(what string) (Checkpoint, error) { return Checkpoint{}, fmt.Errorf("%w: %s", ErrCheckpoint, what) }
	body, ended := strings.CutSuffix(text, "\n")
	lines := strings.Split(body, "\n")
	switch {
	case !ended || len(lines) < 3:
		return bad("it has fewer than three lines")
	case lines[0] == "":
		return bad("it names no origin")
	case slices.Contains(lines[3:], ""):
		return bad("it has an empty line")
	}
	c.Origin = lines[0]
	if c.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil || c.N < 0 || strconv.FormatInt(c.N, 10) != lines[1] {
		return bad("its size is no decimal number")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return bad("its root is not 32 bytes in base64")
	}
	c.Hash = tlog.Hash(root)
	if len(lines) > 3 {
		c.Extensions = lines[3:]
	}
	return c, nil
}

// SignCheckpoint signs c with each key. The first one names the log.
func SignCheckpoint(c Checkpoint, keys ...*Key) (signed []byte, err error) {
	signers := make([]note.Signer, len(keys))
	for i, k := range keys {
		signers[i] = k.signer
	}
	signed, err = note.Sign(&note.Note{Text: c.String()}, signers...)
	if err != nil {
		return nil, fmt.Errorf("sign the checkpoint: %w", err)
	}
	return signed, nil
}

// ErrUnknownKey says that none of the keys that are known signed a checkpoint.
var ErrUnknownKey = errors.New("none of the known keys signed the checkpoint")

// OpenCheckpoint reads a signed checkpoint and checks the signatures of all keys that are
// known. One of those that signed names the log. Errors are ErrCheckpoint, ErrUnknownKey,
// and a *note.InvalidSignatureError.
func OpenCheckpoint(signed []byte, known ...note.Verifier) (Checkpoint, error) {
	if len(signed) > maxNote {
		return Checkpoint{}, fmt.Errorf("%w: it is longer than %d bytes", ErrCheckpoint, maxNote)
	}
	var once []note.Verifier // a list that names one twice is refused
	for _, v := range known {
		if !slices.ContainsFunc(once, func(o note.Verifier) bool { return o.Name() == v.Name() && o.KeyHash() == v.KeyHash() }) {
			once = append(once, v)
		}
	}
	n, err := note.Open(signed, note.VerifierList(once...))
	if _, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		return Checkpoint{}, ErrUnknownKey
	}
	if _, ok := errors.AsType[*note.InvalidSignatureError](err); ok {
		return Checkpoint{}, err
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err == nil && !slices.ContainsFunc(n.Sigs, func(s note.Signature) bool { return s.Name == c.Origin }) {
		err = fmt.Errorf("%w: the key of %s is not among them", ErrUnknownKey, c.Origin)
	}
	return c, err
}

// ReadCheckpoint reads a signed checkpoint without checking a signature, and returns the
// ids of the keys whose signatures it bears.
func ReadCheckpoint(signed []byte) (c Checkpoint, keys []string, err error) {
	text, sigs, ok := bytes.Cut(signed, []byte("\n\n"))
	if !ok || len(signed) > maxNote {
		return Checkpoint{}, nil, fmt.Errorf("%w: it has no signatures", ErrCheckpoint)
	}
	if c, err = ParseCheckpoint(string(text) + "\n"); err != nil {
		return Checkpoint{}, nil, err
	}
	for line := range strings.Lines(string(sigs)) {
		name, sig, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "— "), " ")
		if raw, err := base64.StdEncoding.DecodeString(sig); err == nil && len(raw) > 4 {
			keys = append(keys, fmt.Sprintf("%s+%x", name, raw[:4]))
		}
	}
	return c, keys, nil
}
