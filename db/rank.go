package db

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// The rank index says where entries stand among those that a filter selects, so that a
// total and a page at any offset cost the same at any depth.
//
// Every blockSize-th entry of a key closes a block of the key: a row of audit_rank, with
// the number of allowed and of denied entries of the key up to it. Entries are immutable
// and ids contiguous, so such a row is true for ever. What lies between two rows, and
// behind the last one, is counted in an index of audit_log; no key has more than a
// block there, however rare or frequent it is, once the index has caught up.
//
// A reader never needs to know how far the index has come: a row that is missing makes
// the range to be counted longer, and the answer is the same. Counts start somewhere
// (at the first entry that there was when the index was begun), so only the difference
// of two of them means something, and both must be read in one statement, since a
// rebuild may start them elsewhere.

// blockSize is how many entries of a key make a block. See docs/adr/0010.
const blockSize = 256

// rankKind says what a key consists of.
type rankKind int

// The parts of a key. An entry belongs to four keys.
const (
	ofUser   rankKind = 1 << iota // the entries of a user
	ofAction                      // the entries with an action
	ofNobody                      // the entries without a user

	ofLog rankKind = 0 // every entry
)

// rankKey is what a filter can name. Parts that the kind does not have are zero.
type rankKey struct {
	kind   rankKind
	user   uuid.UUID
	action string
}

// keysOf are the keys of an entry, the whole log's first.
func keysOf(user uuid.NullUUID, action string) [4]rankKey {
	kind := ofNobody
	if user.Valid {
		kind = ofUser
	}
	return [4]rankKey{
		{kind: ofLog}, {kind: kind, user: user.UUID}, {kind: ofAction, action: action}, {kind: kind | ofAction, user: user.UUID, action: action},
	}
}

// blocks is the condition for the rows of a key in audit_rank; user and action are SQL.
func (k rankKind) blocks(user, action string) string {
	return fmt.Sprintf("kind = %d AND user_id = %s AND action = %s", k, user, action)
}

// entries is the condition for the entries of a key in audit_log, from lo to hi. It belongs
// into a query that has them in order: where PostgreSQL knows few users or actions it may else
// walk by the ids, past the entries of others.
//
// Only one index has them in that order, since what = ANY selects counts as several values.
// That of a user's entries has its nulls elsewhere than that of a user's with an action.
func (k rankKind) entries(user, action, lo, hi string) string {
	var terms []string
	switch {
	case k&ofUser != 0:
		terms = append(terms, "user_id = ANY (ARRAY["+user+"::uuid])")
	case k&ofNobody != 0:
		terms = append(terms, "user_id IS NULL")
	}
	switch {
	case k == ofAction:
		terms = append(terms, "action = ANY (ARRAY["+action+"::text])")
	case k&ofAction != 0:
		terms = append(terms, "action = "+action)
	}
	return strings.Join(append(terms, "id >= "+lo, "id <= "+hi), " AND ")
}

// columns are those that order names.
func (k rankKind) columns() string {
	if k&(ofUser|ofNobody) != 0 {
		return "user_id, id"
	}
	if k&ofAction != 0 {
		return "action, id"
	}
	return "id"
}

// order is that of the entries of a key, by their ids: ASC or DESC.
func (k rankKind) order(direction string) string {
	nulls := ""
	if k == ofUser || k == ofNobody {
		nulls = map[string]string{"ASC": " NULLS FIRST", "DESC": " NULLS LAST"}[direction]
	}
	return strings.ReplaceAll(k.columns(), ",", " "+direction+nulls+",") + " " + direction
}

// logBlocks is the condition for the whole log's blocks: every blockSize-th id.
var logBlocks = ofLog.blocks("'00000000-0000-0000-0000-000000000000'", "''")
