package view

import (
	"context"
	"io"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"halite/internal/audit"
	"halite/internal/jsontext"
)

// Entries is a list of AuditEntry, [AuditEntry!]!, that writes itself in one pass: the
// generated way makes a field context, a closure and a writer for every value, which
// costs several times what reading the page does. See docs/adr/0013.
//
// What the executor does around a field is not done for the fields of these entries.
// CheckSchema says whether a schema asks for any of it.
type Entries struct{ All []audit.Entry }

// MarshalGQLContext writes what the field under way selects of each entry.
func (l Entries) MarshalGQLContext(ctx context.Context, w io.Writer) error {
	fields, err := entrySelection(ctx, graphql.GetFieldContext(ctx).Field.Selections)
	if err != nil {
		return err
	}
	return writeList(w, len(l.All), func(b []byte, i int) []byte { return appendObject(b, fields, &l.All[i]) })
}

// UnmarshalGQLContext fails: the list is never an argument. gqlgen asks for it.
func (*Entries) UnmarshalGQLContext(context.Context, any) error { return errOutput }

// entryFields append the values of an AuditEntry, by the names of its fields.
var entryFields = map[string]func([]byte, *audit.Entry) []byte{
	"__typename": func(b []byte, _ *audit.Entry) []byte { return append(b, `"AuditEntry"`...) },
	"id": func(b []byte, e *audit.Entry) []byte {
		return append(strconv.AppendInt(append(b, '"'), e.ID, 10), '"')
	},
	"at": func(b []byte, e *audit.Entry) []byte { return jsontext.AppendTime(b, e.At) },
	"userId": func(b []byte, e *audit.Entry) []byte {
		if !e.UserID.Valid {
			return append(b, "null"...)
		}
		return jsontext.AppendUUID(b, e.UserID.UUID)
	},
	"action":   func(b []byte, e *audit.Entry) []byte { return jsontext.AppendString(b, e.Action) },
	"resource": func(b []byte, e *audit.Entry) []byte { return jsontext.AppendString(b, e.Resource) },
	"argsJson": func(b []byte, e *audit.Entry) []byte {
		if e.Args == nil {
			return append(b, "null"...)
		}
		return append(b, e.Args...) // as the database returned it
	},
	"saltJid": func(b []byte, e *audit.Entry) []byte { return jsontext.AppendOptional(b, e.SaltJID) },
	"decision": func(b []byte, e *audit.Entry) []byte {
		if e.Decision == audit.Deny {
			return append(b, `"DENY"`...)
		}
		return append(b, `"ALLOW"`...)
	},
	"resultCode": func(b []byte, e *audit.Entry) []byte { return strconv.AppendInt(b, int64(e.ResultCode), 10) },
	"durationMs": func(b []byte, e *audit.Entry) []byte { return strconv.AppendInt(b, int64(e.DurationMS), 10) },
	"username":   func(b []byte, e *audit.Entry) []byte { return jsontext.AppendOptional(b, e.Username) },
	"verb":       func(b []byte, e *audit.Entry) []byte { return jsontext.AppendOptional(b, e.Verb) },
	"reason":     func(b []byte, e *audit.Entry) []byte { return jsontext.AppendOptional(b, e.Reason) },
	"requestId":  func(b []byte, e *audit.Entry) []byte { return jsontext.AppendOptional(b, e.RequestID) },
	"sourceIp":   func(b []byte, e *audit.Entry) []byte { return jsontext.AppendOptional(b, e.SourceIP) },
	"userAgent":  func(b []byte, e *audit.Entry) []byte { return jsontext.AppendOptional(b, e.UserAgent) },
}

// entrySelection is what set selects of an AuditEntry.
func entrySelection(ctx context.Context, set ast.SelectionSet) ([]member[audit.Entry], error) {
	return selection(ctx, "AuditEntry", set, func(f graphql.CollectedField) (func([]byte, *audit.Entry) []byte, error) {
		return entryFields[f.Name], nil
	})
}
