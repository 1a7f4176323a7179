// Package scalar holds the custom scalars of the schema.
package scalar

import (
	"encoding/json"
	"io"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"halite/internal/jsontext"
)

// Error is a value that is not of its scalar's form. Its text is for the client.
type Error struct{ text string }

func (e *Error) Error() string { return e.text }

func newError(text string) error { return &Error{text} }

// MarshalString writes a string, escaped as everywhere in what this server answers.
func MarshalString(s string) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = w.Write(jsontext.AppendString(make([]byte, 0, len(s)+2), s))
	})
}

// UnmarshalString takes what gqlgen takes.
func UnmarshalString(v any) (string, error) { return graphql.UnmarshalString(v) }

// MarshalEntryID writes the id of an entry, an ID, as the decimal number in a string.
func MarshalEntryID(id int64) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = w.Write(append(strconv.AppendInt([]byte{'"'}, id, 10), '"'))
	})
}

// UnmarshalEntryID reads the id of an entry, a number from 1 up, as a string or as a number.
func UnmarshalEntryID(v any) (int64, error) {
	text, err := graphql.UnmarshalID(v)
	if err == nil {
		if id, err := strconv.ParseInt(text, 10, 64); err == nil && id > 0 {
			return id, nil
		}
	}
	return 0, newError("ID of an entry must be a number from 1 up")
}

// MarshalDateTime writes t in UTC with six digits of a second.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = w.Write(jsontext.AppendTime(make([]byte, 0, 32), t))
	})
}

// UnmarshalDateTime reads RFC 3339 with an offset; digits beyond the microsecond are cut.
func UnmarshalDateTime(v any) (time.Time, error) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, newError("DateTime must be a string in RFC 3339, such as 2026-01-02T03:04:05Z")
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, newError("DateTime must be RFC 3339 with an offset, such as 2026-01-02T03:04:05Z")
	}
	return t.UTC().Truncate(time.Microsecond), nil
}

// MarshalUUID writes a UUID in lower case with hyphens.
func MarshalUUID(id uuid.UUID) graphql.Marshaler { return graphql.MarshalString(id.String()) }

// UnmarshalUUID reads the 36-character form, in either case.
func UnmarshalUUID(v any) (uuid.UUID, error) {
	if s, ok := v.(string); ok && len(s) == 36 {
		if id, err := uuid.Parse(s); err == nil {
			return id, nil
		}
	}
	return uuid.Nil, newError("UUID must be written as 8-4-4-4-12 hexadecimal digits")
}

// MarshalJSON writes a JSON value as it is; nil is null.
func MarshalJSON(v json.RawMessage) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		if v == nil {
			v = json.RawMessage("null")
		}
		_, _ = w.Write(v)
	})
}

// UnmarshalJSON takes any JSON value.
func UnmarshalJSON(v any) (json.RawMessage, error) { return json.Marshal(v) }
