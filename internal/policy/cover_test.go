package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestCovers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		holder, granted Permission
		want            bool
	}{
		{Permission{"*", "*"}, Permission{"kill", "job:*"}, true},
		{Permission{"kill", "job:*"}, Permission{"*", "*"}, false},
		{Permission{"kill", "job:*"}, Permission{"kill", "job:*"}, true},
		{Permission{"kill", "job:*"}, Permission{"kill", "job:1"}, true},
		{Permission{"kill", "job:1"}, Permission{"kill", "job:*"}, false},
		{Permission{"view", "*"}, Permission{"run", "key:*"}, false},
		{Permission{"*", "key:*"}, Permission{"accept", "key:web-?"}, true},
		{Permission{"*", "*:*"}, Permission{"x", "*"}, false}, // a resource without a colon
		{Permission{"[vr]*", "*"}, Permission{"view", "key:*"}, true},
		{Permission{"[!a]*", "*"}, Permission{"accept", "key:*"}, false},
		// Only the text of the class matches, and with it all that is of it.
		{Permission{"view", "key:[*]"}, Permission{"view", "key:*"}, true},
		{Permission{"view", "key:?"}, Permission{"view", "key:web-*"}, true},
		{Permission{"view", "k*[*]"}, Permission{"view", "key:*"}, true},
		{Permission{"view", "key:[!*]"}, Permission{"view", "key:?"}, false},
		{Permission{"view", "key:web-*"}, Permission{"view", "key:[*]"}, false},
		{Permission{"view", "key:**"}, Permission{"view", "key:*:*"}, true},
		// In a verb a colon is nothing special.
		{Permission{"a:[*]", "*"}, Permission{"a:b", "*"}, false},
		// Spelling does not matter.
		{Permission{"?*", "*?*"}, Permission{"*?", "?**"}, true},
		{Permission{"[a-c]", "*"}, Permission{"[bca]", "*"}, true},
		{Permission{"[!\x00-\ud7ff]", "*"}, Permission{"[\ue000-\U0010ffff]", "*"}, true},
		{Permission{"[\ue000-\U0010ffff]", "*"}, Permission{"[!\x00-\ud7ff]", "*"}, true}, // surrogates are no characters
		{Permission{"[\x00-\ud7ff]", "*"}, Permission{"?", "*"}, false},
		// What matches nothing is covered.
		{Permission{"a", "b"}, Permission{"[b-a]", "*"}, true},
		{Permission{"a", "b"}, Permission{"*", "x[b-a]"}, true},
		{Permission{"[b-a]", "*"}, Permission{"a", "*"}, false},
		{Permission{"", ""}, Permission{"", ""}, true},
		{Permission{"", ""}, Permission{"", "*"}, false},
		{Permission{"*", "\xff"}, Permission{"*", "\ufffd"}, true}, // as Match takes them
		{Permission{"*", strings.Repeat("a", 253)}, Permission{"*", strings.Repeat("a", 252) + "[a]"}, true},
		{Permission{"*", "*"}, Permission{"*", strings.Repeat("a", 256)}, false}, // too long to tell
	} {
		if got := Covers(tt.holder, tt.granted); got != tt.want {
			t.Errorf("Covers(%q, %q) = %v, want %v", tt.holder, tt.granted, got, tt.want)
		}
	}
}

// texts returns all texts of up to n characters of alphabet.
func texts(alphabet string, n int) []string {
	all, last := []string{""}, []string{""}
	for range n {
		var next []string
		for _, s := range last {
			for _, r := range alphabet {
				next = append(next, s+string(r))
			}
		}
		all, last = append(all, next...), next
	}
	return all
}

// TestCoversEveryText compares Covers with trying all short texts, for every pair of
// many patterns: it is never wrong, neither way.
func TestCoversEveryText(t *testing.T) {
	t.Parallel()
	const length = 6
	all := texts("ab:*z", length) // z is in no pattern
	elements := []string{"a", "b", ":", "*", "*", "*", "?", "[*]", "[!a]", "[a-b]", "[!*]", "[!:]", "[b-a]", ":*"}
	rnd := rand.New(rand.NewPCG(1, 2))
	patterns := []string{""}
	for len(patterns) < 320 {
		var p strings.Builder
		for range 1 + rnd.IntN(5) {
			p.WriteString(elements[rnd.IntN(len(elements))])
		}
		patterns = append(patterns, p.String())
	}
	matched := make([][]uint64, len(patterns)) // for each pattern, which of all
	for i, pattern := range patterns {
		matched[i] = make([]uint64, len(all)/64+1)
		p := Permission{"*", pattern}
		for j, text := range all {
			class := text
			if namespace, _, ok := strings.Cut(text, ":"); ok {
				class = namespace + ":*"
			}
			if p.matches("x", text, class) {
				matched[i][j/64] |= 1 << (j % 64)
			}
		}
	}
	covers, wrong := 0, 0
	for i, holder := range patterns {
		for j, granted := range patterns {
			want := true
			for k, word := range matched[j] {
				want = want && word&^matched[i][k] == 0
			}
			got := Covers(Permission{"*", holder}, Permission{"*", granted})
			if got {
				covers++
			}
			if got != want {
				if wrong++; wrong < 20 {
					t.Errorf("Covers(%q, %q) = %v, but by all texts of up to %d characters %v", holder, granted, got, length, want)
				}
			}
		}
	}
	t.Logf("%d pairs, %d covered", len(patterns)*len(patterns), covers)
	if covers < len(patterns)*2 || wrong > 0 {
		t.Errorf("%d covered, %d wrong", covers, wrong)
	}
}

// hard are patterns that make the search long.
var hard = []Permission{
	{"*", "*a" + strings.Repeat("?", 253)},
	{"*", strings.Repeat("*a", 127)},
	{"*", strings.Repeat("*[!a]", 51)},
	{"*", strings.Repeat("a", 254) + "*"},
	{"*", strings.Repeat("*ab?", 63)},
	{"*", "*" + distinct(254)},
	{"*", spaced(127)},
	{"*", strings.Repeat("*?", 127)},
	{"*", strings.Repeat("[", 255)},
}

func distinct(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteRune(rune('א' + 2*i))
	}
	return b.String()
}

func spaced(n int) string {
	var b strings.Builder
	for _, r := range distinct(n) {
		b.WriteString("*" + string(r))
	}
	return b.String()
}

// TestCoversIsBounded: no two patterns make it take long.
func TestCoversIsBounded(t *testing.T) {
	t.Parallel()
	slowest, which := time.Duration(0), ""
	for _, holder := range hard {
		for _, granted := range hard {
			start := time.Now()
			got := Covers(holder, granted)
			if took := time.Since(start); took > slowest {
				slowest, which = took, fmt.Sprintf("%q %q %v", holder.ResourceGlob, granted.ResourceGlob, got)
			}
		}
	}
	t.Logf("slowest: %v %s", slowest, which)
	if slowest > 5*time.Second {
		t.Errorf("%v for %s", slowest, which)
	}
}

func FuzzCovers(f *testing.F) {
	for i, p := range hard {
		f.Add("view", p.ResourceGlob, "*", hard[(i+1)%len(hard)].ResourceGlob, "key:1")
	}
	f.Add("[b-a!c]", "key:[*]", "x", "\xff[", "key:*")
	f.Fuzz(func(t *testing.T, verb, glob, verb2, glob2, text string) {
		holder, granted := Permission{verb, glob}, Permission{verb2, glob2}
		start := time.Now()
		covers := Covers(holder, granted)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
		class := text
		if namespace, _, ok := strings.Cut(text, ":"); ok {
			class = namespace + ":*"
		}
		if covers && granted.matches(text, text, class) && !holder.matches(text, text, class) {
			t.Errorf("Covers(%q, %q), but not %q", holder, granted, text)
		}
	})
}
