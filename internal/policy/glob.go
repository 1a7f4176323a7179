package policy

import (
	"strings"
	"unicode/utf8"
)

// Match reports whether the whole of value matches pattern, under the rules of
// Python's fnmatch.fnmatchcase:
//
//   - `*` stands for any run of characters, also an empty one, `?` for exactly one;
//     neither treats `:`, `/` or a newline specially.
//   - `[seq]` stands for one character of seq, `[!seq]` for one that is not in it.
//     `a-c` is a range by code point; a reversed range holds nothing; `-` at either
//     end and `]` at the start are members. A `[` that is never closed is itself.
//   - Everything else is itself: there are no escapes, braces or named classes.
//
// A character is a code point. A byte that is not valid UTF-8 counts as U+FFFD.
//
// Match does not allocate, and its time is at most proportional to the product of
// the two lengths.
func Match(pattern, value string) bool {
	var (
		lastClose = strings.LastIndexByte(pattern, ']')
		p, v      = 0, 0
		afterStar = -1 // where pattern goes on behind the last star passed
		starEnd   = 0  // the end of what that star has taken so far
	)
	for v < len(value) {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			if p == len(pattern) {
				return true
			}
			afterStar, starEnd = p, v
			continue
		}
		if p < len(pattern) {
			r, size := decode(value[v:])
			if n, ok := matchOne(pattern, p, lastClose, r); ok {
				p += n
				v += size
				continue
			}
		}
		// Every element but a star takes exactly one character, so only the last
		// star ever needs to take one more.
		if afterStar < 0 {
			return false
		}
		_, size := decode(value[starEnd:])
		starEnd += size
		p, v = afterStar, starEnd
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchOne reports whether the element that starts at pattern[p], which is no
// star, takes r, and how many bytes of pattern it spans. lastClose is the offset of
// the last `]` in pattern.
func matchOne(pattern string, p, lastClose int, r rune) (n int, ok bool) {
	switch pattern[p] {
	case '?':
		return 1, true
	case '[':
		first := p + 1
		if first < len(pattern) && pattern[first] == '!' {
			first++
		}
		if first < lastClose { // the first member may be `]` itself, so look behind it
			end := first + 1 + strings.IndexByte(pattern[first+1:], ']')
			return end + 1 - p, inClass(pattern[p+1:end], r)
		}
	}
	want, size := decode(pattern[p:])
	return size, want == r
}

// inClass reports whether r is in the class with the given body, the text between
// the brackets.
func inClass(body string, r rune) bool {
	negated := body[0] == '!'
	if negated {
		body = body[1:]
	}
	found := false
	for empty := true; len(body) > 0; {
		lo, size := decode(body)
		hi := lo
		body = body[size:]
		isRange := len(body) > 1 && body[0] == '-'
		if isRange {
			hi, size = decode(body[1:])
			body = body[1+size:]
			if lo > hi {
				continue
			}
		}
		// Python drops reversed ranges from the text and only then looks for the
		// mark of negation, so a `!` left in front by that negates. Where it began
		// a range, the range's `-` and its end are left as plain members.
		if empty && !negated && lo == '!' {
			negated, empty = true, false
			found = isRange && (r == '-' || r == hi)
			continue
		}
		empty = false
		found = found || lo <= r && r <= hi
	}
	return found != negated
}

// decode is utf8.DecodeRuneInString with a short way for ASCII.
func decode(s string) (r rune, size int) {
	if s[0] < utf8.RuneSelf {
		return rune(s[0]), 1
	}
	return utf8.DecodeRuneInString(s)
}
