// Package merkle is what proves the log: the bytes of a leaf, the tree over the leaves,
// and the signed checkpoints. The hashes are those of RFC 6962, computed by
// golang.org/x/mod/sumdb/tlog; checkpoints are C2SP tlog-checkpoint signed notes. The
// leaf of entry n has the index n - 1.
//
// docs/checkpoint-format.md specifies all of it to the byte. The package is pure: no
// clock, no storage, no files.
package merkle

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/audit"
	"halite/internal/jsontext"
)

// leafVersion is the first byte of a leaf: what follows is of the form that AppendLeaf
// writes.
const leafVersion = 0x01

// AppendLeaf appends the leaf of an entry as it came from the database: the version, and
// all columns of the row as canonical JSON (RFC 8785). Args has to be the text of the
// column to the byte, since it is bound by its SHA-256.
func AppendLeaf(b []byte, e *audit.Entry) []byte {
	b = append(b, leafVersion)
	b = jsontext.AppendString(append(b, `{"action":`...), e.Action)
	b = append(b, `,"args_sha256":`...)
	if e.Args == nil {
		b = append(b, "null"...)
	} else {
		sum := sha256.Sum256(e.Args)
		b = append(hex.AppendEncode(append(b, '"'), sum[:]), '"')
	}
	b = jsontext.AppendTime(append(b, `,"at":`...), e.At)
	b = jsontext.AppendString(append(b, `,"decision":`...), string(e.Decision))
	b = strconv.AppendInt(append(b, `,"duration_ms":`...), int64(e.DurationMS), 10)
	b = strconv.AppendInt(append(b, `,"id":`...), e.ID, 10)
	b = jsontext.AppendOptional(append(b, `,"reason":`...), e.Reason)
	b = jsontext.AppendOptional(append(b, `,"request_id":`...), e.RequestID)
	b = jsontext.AppendString(append(b, `,"resource":`...), e.Resource)
	b = strconv.AppendInt(append(b, `,"result_code":`...), int64(e.ResultCode), 10)
	b = jsontext.AppendOptional(append(b, `,"salt_jid":`...), e.SaltJID)
	b = jsontext.AppendOptional(append(b, `,"source_ip":`...), e.SourceIP)
	b = jsontext.AppendOptional(append(b, `,"user_agent":`...), e.UserAgent)
	b = append(b, `,"user_id":`...)
	if e.UserID.Valid {
		b = jsontext.AppendUUID(b, e.UserID.UUID)
	} else {
		b = append(b, "null"...)
	}
	b = jsontext.AppendOptional(append(b, `,"username":`...), e.Username)
	b = jsontext.AppendOptional(append(b, `,"verb":`...), e.Verb)
	return append(b, '}')
}

// Hasher computes leaf hashes. It keeps its buffer, and is for one goroutine.
type Hasher struct{ buf []byte }

// Leaf is the hash of e's leaf: SHA-256 of a zero byte and the leaf.
func (h *Hasher) Leaf(e *audit.Entry) tlog.Hash {
	h.buf = AppendLeaf(append(h.buf[:0], 0), e)
	return sha256.Sum256(h.buf)
}
