package view

import (
	"context"
	"io"
	"slices"
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
type Entries struct {
	All    []audit.Entry
	Proofs []Proof // one of each; nil: they were not asked for
}

// row is an entry in such a list.
type row struct {
	*audit.Entry
	proof *Proof
	index int // in the list
}

// proofOf is the proof of the entry at a place, nil if they were not asked for.
func proofOf(proofs []Proof, i int) *Proof {
	if i < len(proofs) {
		return &proofs[i]
	}
	return nil
}

// MarshalGQLContext writes what the field under way selects of each entry.
func (l Entries) MarshalGQLContext(ctx context.Context, w io.Writer) error {
	fields, err := entrySelection(ctx, graphql.GetFieldContext(ctx).Field.Selections)
	if err != nil {
		return err
	}
	var r row
	return writeList(w, len(l.All), func(b []byte, i int) []byte {
		r = row{&l.All[i], proofOf(l.Proofs, i), i}
		return appendObject(b, fields, &r)
	})
}

// UnmarshalGQLContext fails: the list is never an argument. gqlgen asks for it.
func (*Entries) UnmarshalGQLContext(context.Context, any) error { return errOutput }

// entryFields append the values of an AuditEntry, by the names of its fields. What proves it is
// in proofs.go.
var entryFields = map[string]func([]byte, *row) []byte{
	"__typename": func(b []byte, _ *row) []byte { return append(b, `"AuditEntry"`...) },
	"id": func(b []byte, e *row) []byte {
		return append(strconv.AppendInt(append(b, '"'), e.ID, 10), '"')
	},
	"at": func(b []byte, e *row) []byte { return jsontext.AppendTime(b, e.At) },
	"userId": func(b []byte, e *row) []byte {
		if !e.UserID.Valid {
			return append(b, "null"...)
		}
		return jsontext.AppendUUID(b, e.UserID.UUID)
	},
	"action":   func(b []byte, e *row) []byte { return jsontext.AppendString(b, e.Action) },
	"resource": func(b []byte, e *row) []byte { return jsontext.AppendString(b, e.Resource) },
	"argsJson": func(b []byte, e *row) []byte {
		if e.Args == nil {
			return append(b, "null"...)
		}
		return append(b, e.Args...) // as the database returned it
	},
	"saltJid": func(b []byte, e *row) []byte { return jsontext.AppendOptional(b, e.SaltJID) },
	"decision": func(b []byte, e *row) []byte {
		if e.Decision == audit.Deny {
			return append(b, `"DENY"`...)
		}
		return append(b, `"ALLOW"`...)
	},
	"resultCode": func(b []byte, e *row) []byte { return strconv.AppendInt(b, int64(e.ResultCode), 10) },
	"durationMs": func(b []byte, e *row) []byte { return strconv.AppendInt(b, int64(e.DurationMS), 10) },
	"username":   func(b []byte, e *row) []byte { return jsontext.AppendOptional(b, e.Username) },
	"verb":       func(b []byte, e *row) []byte { return jsontext.AppendOptional(b, e.Verb) },
	"reason":     func(b []byte, e *row) []byte { return jsontext.AppendOptional(b, e.Reason) },
	"requestId":  func(b []byte, e *row) []byte { return jsontext.AppendOptional(b, e.RequestID) },
	"sourceIp":   func(b []byte, e *row) []byte { return jsontext.AppendOptional(b, e.SourceIP) },
	"userAgent":  func(b []byte, e *row) []byte { return jsontext.AppendOptional(b, e.UserAgent) },
}

// Brief reports whether a field of an AuditEntry is one that a brief entry has: see
// audit.Query.
func Brief(name string) bool {
	switch name {
	case "__typename", "id", "at", "userId", "action", "resource", "argsJson", "saltJid", "decision", "resultCode", "durationMs":
		return true
	}
	return false
}

// entrySelection is what set selects of an AuditEntry. at leads to it from the element of
// the list: nothing, or the field that it is in.
func entrySelection(ctx context.Context, set ast.SelectionSet, at ...string) ([]member[row], error) {
	return selection(ctx, "AuditEntry", set, func(f graphql.CollectedField) (func([]byte, *row) []byte, error) {
		switch f.Name {
		case "leaf":
			return leafField(ctx, f)
		case "inclusionProof":
			return inclusionField(ctx, f, append(slices.Clone(at), f.Alias))
		}
		return entryFields[f.Name], nil
	})
}
