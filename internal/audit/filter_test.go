package audit_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"halite/internal/audit"
)

// TestCanonical: filters that say the same share a canonical form, others never.
func TestCanonical(t *testing.T) {
	t.Parallel()
	var (
		at           = time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)
		east         = at.In(time.FixedZone("", 3600)).Add(999)
		later        = at.Add(time.Microsecond)
		one, two     = uuid.UUID{1}, uuid.UUID{2}
		allow, deny  = audit.Allow, audit.Deny
		empty, plain = "", "deny"
		breaking     = "x\"\ndecision \"deny"
		nested       = "x"
	)
	groups := [][]audit.Filter{
		{{}},
		{{UserID: &one}, {UserID: &uuid.UUID{1}}},
		{{UserID: &two}},
		{{UserID: &uuid.UUID{}}},
		{{Action: &empty}},
		{{Action: &plain}},
		{{Action: &breaking}},
		{{Action: &nested, Decision: &deny}},
		{{Decision: &allow}},
		{{Decision: &deny}},
		{{Since: &at}, {Since: &east}},
		{{Until: &at}},
		{{AsOf: new(int64(1))}, {AsOf: new(int64(1))}},
		{{AsOf: new(int64(2))}},
		{{UserIDIn: []*uuid.UUID{}}},
		{{UserIDIn: []*uuid.UUID{nil}}},
		{{UserIDIn: []*uuid.UUID{{}}}},
		{{UserIDIn: []*uuid.UUID{&one, nil}}, {UserIDIn: []*uuid.UUID{nil, {1}, &one}}},
		{{ActionIn: []string{}}},
		{{ActionIn: []string{""}}},
		{{ActionIn: []string{"a", "b"}}, {ActionIn: []string{"b", "a", "b"}}},
		{{ActionIn: []string{`a" "b`}}},
		{{Resource: &nested}},
		{{SaltJID: &nested}},
		{{RequestID: &nested}},
		{{Text: &nested}},
		{{ResultCodeMin: new(int64(5))}, {ResultCodeMin: new(int64(5))}},
		{{ResultCodeMax: new(int64(5))}},
		{{DurationMSMin: new(int64(5))}},
		{{DurationMSMax: new(int64(5))}},
		{{Since: &later}},
		{{Since: &at, Until: &later}},
		{{UserID: &one, Action: &plain, Decision: &deny, Since: &at, Until: &later}},
	}
	seen := map[string]int{}
	for i, group := range groups {
		for _, f := range group {
			text := string(f.Canonical())
			if other, ok := seen[text]; ok && other != i {
				t.Errorf("groups %d and %d share %q", other, i, text)
			}
			seen[text] = i
		}
	}
	if len(seen) != len(groups) {
		t.Errorf("%d forms of %d filters", len(seen), len(groups))
	}
}
