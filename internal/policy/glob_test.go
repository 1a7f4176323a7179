package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestMatchVectors(t *testing.T) {
	var vectors []struct {
		Pattern, Value string
		Match          bool
	}
	readJSON(t, "glob_vectors.json", &vectors)
	if len(vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range vectors {
		if got := Match(v.Pattern, v.Value); got != v.Match {
			t.Errorf("Match(%q, %q) = %v, want %v", v.Pattern, v.Value, got, v.Match)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, value string
		want           bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a", "", false},
		{"**", "", true},
		{"*?*", "", false},
		{"*?*", "ü", true},
		{"*:*", "a/b:c\nd", true},
		{"a*c*e", "abcdcde", true},
		{"a*c*e", "abcdcdf", false},
		{"[ä-ü]", "ö", true},
		{"[ä-ü]", "a", false},
		{"[!😀]", "😀", false},
		{"x[", "x[", true},
		{"*[", "x[", true},
		{"[[]", "[", true},
		{"[[]]", "[]", true},
		{"[--]", "-", true},
		{"[---]", "-", true},
		{"[+--]", ",", true},
		{"[!a-]", "-", false},
		// A reversed range in front of `!` is dropped, and then the `!` negates.
		{"[b-a!c]", "c", false},
		{"[b-a!c]", "!", true},
		{"[b-a!]", "x", true},
		{"[b-a!-z]", "-", false},
		{"[b-a!-z]", "z", false},
		{"[b-a!-z]", "m", true},
		{"\xff", "\ufffd", true},
		{"[!\xff]", "\xfe", false},
		{"?", "\xff", true},
		{"?", "\xff\xff", false},
	} {
		if got := Match(tt.pattern, tt.value); got != tt.want {
			t.Errorf("Match(%q, %q) = %v, want %v", tt.pattern, tt.value, got, tt.want)
		}
	}
}

// TestMatchEveryClass compares every class body of up to six characters over a small
// alphabet with what Python answers; testdata/gen.py says how the file is made.
func TestMatchEveryClass(t *testing.T) {
	var golden struct {
		Alphabet, Firsts         string
		Longest, Chunk, Patterns int
		Chunks                   []string
	}
	readJSON(t, "classes.json", &golden)

	var bodies []string
	level := []string{""}
	for range golden.Longest + 1 {
		bodies = append(bodies, level...)
		next := make([]string, 0, len(level)*len(golden.Alphabet))
		for _, body := range level {
			for _, c := range golden.Alphabet {
				next = append(next, body+string(c))
			}
		}
		level = next
	}
	if len(bodies) != golden.Patterns || len(bodies) == 0 {
		t.Fatalf("%d patterns, want %d", len(bodies), golden.Patterns)
	}
	var answers []byte
	for i, body := range bodies {
		pattern, tail := "["+body+"]", body+"]"
		for _, first := range golden.Firsts {
			for j := range len(tail) + 1 {
				answer := byte('0')
				if Match(pattern, string(first)+tail[j:]) {
					answer = '1'
				}
				answers = append(answers, answer)
			}
		}
		if (i+1)%golden.Chunk == 0 || i+1 == len(bodies) {
			sum := sha256.Sum256(answers)
			answers = answers[:0]
			if got := hex.EncodeToString(sum[:8]); got != golden.Chunks[i/golden.Chunk] {
				t.Fatalf("other answers than Python's among the %d patterns up to %q", golden.Chunk, pattern)
			}
		}
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	value := strings.Repeat("aü", 50) + "yx"
	allocs := testing.AllocsPerRun(100, func() { Match("*[!a-c]ü?*x", value) })
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// TestMatchManyStars would not end if each star were tried at each place.
func TestMatchManyStars(t *testing.T) {
	if Match(strings.Repeat("*a", 100)+"*b", strings.Repeat("a", 10_000)) {
		t.Error("matched without a b")
	}
}

func FuzzMatch(f *testing.F) {
	for _, seed := range [][2]string{
		{"key:web-*", "key:web-01"},
		{"*a*a*a*b", "aaaaaaaaaaaaaaaa"},
		{"[!a-c]?*", "dé\n"},
		{"[b-a!-z]x", "mx"},
		{"[]-a]", "^"},
		{"[a-", "[a-"},
		{"\xff[\xfe]", "\xffx"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, value string) {
		got := Match(pattern, value)
		if !utf8.ValidString(pattern) || !utf8.ValidString(value) || len(pattern) > 200 {
			return
		}
		if want := slowMatch(t, pattern, value); got != want {
			t.Errorf("Match(%q, %q) = %v, the regexp says %v", pattern, value, got, want)
		}
	})
}

// slowMatch matches by way of a regular expression, with the classes taken apart as
// Python's translation does it: split at the hyphens that make ranges, join the
// pieces around reversed ones, and look for the negation in what is left.
func slowMatch(t *testing.T, pattern, value string) bool {
	t.Helper()
	expr := `(?s)\A`
	p := []rune(pattern)
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '*':
			expr += ".*"
			continue
		case '?':
			expr += "."
			continue
		case '[':
			end := i + 1
			if end < len(p) && p[end] == '!' {
				end++
			}
			if end < len(p) && p[end] == ']' {
				end++
			}
			for end < len(p) && p[end] != ']' {
				end++
			}
			if end < len(p) {
				expr += slowClass(p[i+1 : end])
				i = end
				continue
			}
		}
		expr += regexp.QuoteMeta(string(p[i]))
	}
	re, err := regexp.Compile(expr + `\z`)
	if err != nil {
		t.Fatalf("%q: %v", pattern, err)
	}
	return re.MatchString(value)
}

func slowClass(body []rune) string {
	var pieces [][]rune
	start := 0
	k := 1
	if body[0] == '!' {
		k = 2
	}
	for k < len(body) {
		if body[k] != '-' {
			k++
			continue
		}
		pieces = append(pieces, append([]rune(nil), body[start:k]...))
		start = k + 1
		k += 3
	}
	if last := body[min(start, len(body)):]; len(last) > 0 {
		pieces = append(pieces, append([]rune(nil), last...))
	} else {
		pieces[len(pieces)-1] = append(pieces[len(pieces)-1], '-')
	}
	for k := len(pieces) - 1; k > 0; k-- {
		left, right := pieces[k-1], pieces[k]
		if left[len(left)-1] > right[0] {
			pieces[k-1] = append(left[:len(left)-1], right[1:]...)
			pieces = append(pieces[:k], pieces[k+1:]...)
		}
	}
	var set strings.Builder
	for i, piece := range pieces {
		if i > 0 {
			set.WriteByte('-')
		}
		for j, r := range piece {
			if strings.ContainsRune(`\-]^[&~|:`, r) || r == '!' && (i > 0 || j > 0) {
				set.WriteByte('\\')
			}
			set.WriteRune(r)
		}
	}
	switch text := set.String(); {
	case text == "":
		return `[^\x00-\x{10FFFF}]`
	case text == "!":
		return "."
	case strings.HasPrefix(text, "!-"):
		return `[^\-` + text[2:] + "]"
	case text[0] == '!':
		return "[^" + text[1:] + "]"
	default:
		return "[" + text + "]"
	}
}
