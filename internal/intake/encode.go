package intake

import (
	"encoding/binary"
	"errors"
	"time"

	"halite/internal/audit"
)

var errEncoding = errors.New("a temporary file was damaged")

// appendTo appends e in the form that decode reads. Equal entries have equal forms.
func (e *Entry) appendTo(b []byte) []byte {
	b = binary.AppendVarint(b, e.SourceID)
	b = binary.AppendVarint(b, e.At.UnixMicro())
	flags := byte(0)
	if e.UserID.Valid {
		flags |= 1
	}
	if e.Decision == audit.Allow {
		flags |= 2
	}
	if e.Args != nil {
		flags |= 4
	}
	b = append(b, flags)
	b = append(b, e.UserID.UUID[:]...)
	b = binary.AppendVarint(b, int64(e.ResultCode))
	b = binary.AppendVarint(b, int64(e.DurationMS))
	for _, s := range e.texts() {
		b = append(binary.AppendUvarint(b, uint64(len(*s))), *s...)
	}
	return append(b, e.Args...)
}

// decode reads what appendTo wrote. The entry shares nothing with b.
func decode(b []byte) (e Entry, err error) {
	n := 0
	number := func() int64 {
		v, size := binary.Varint(b[min(n, len(b)):])
		if size <= 0 {
			err = errEncoding
		}
		n += max(size, 0)
		return v
	}
	e.SourceID = number()
	e.At = time.UnixMicro(number()).UTC()
	if err != nil || len(b) < n+1+len(e.UserID.UUID) {
		return e, errEncoding
	}
	flags := b[n]
	n += 1 + copy(e.UserID.UUID[:], b[n+1:])
	e.UserID.Valid = flags&1 != 0
	e.Decision = audit.Deny
	if flags&2 != 0 {
		e.Decision = audit.Allow
	}
	e.ResultCode, e.DurationMS = int(number()), int(number())
	whole := string(b) // one allocation for all texts
	for _, s := range e.texts() {
		length, size := binary.Uvarint(b[min(n, len(b)):])
		if n += size; size <= 0 || length > uint64(len(b)-n) {
			return e, errEncoding
		}
		*s = whole[n : n+int(length)]
		n += int(length)
	}
	if flags&4 != 0 {
		e.Args = append(make([]byte, 0, len(b)-n), b[n:]...)
	}
	return e, err
}

func (e *Entry) texts() [9]*string {
	return [...]*string{&e.Action, &e.Resource, &e.SaltJID, &e.Username, &e.Verb, &e.Reason, &e.RequestID, &e.SourceIP, &e.UserAgent}
}
