package audit

import "strings"

// nameStart returns where the name that ends at end begins, from at the earliest. A
// name is letters, digits, `_`, `-`, `.`, `[`, control characters and whatever is not
// ASCII.
func nameStart(s string, from, end int) int {
	for end > from && isNameByte(s[end-1]) {
		end--
	}
	return end
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '_' || c == '-' || c == '.' || c == '[' || c >= 0x7f || c < ' ' && !isSpace(c)
}

func isSpace(c byte) bool {
	return c == ' ' || '\t' <= c && c <= '\r'
}

func isQuote(c byte) bool {
	return c == '"' || c == '\''
}

func isOpening(c byte) bool {
	return c == '{' || c == '[' || c == '('
}

// takesRest reports whether value starts something that goes on over several lines: a
// YAML block or PEM armour.
func takesRest(value string) bool {
	return value[0] == '|' || value[0] == '>' || strings.HasPrefix(value, "-----BEGIN")
}

// lineEnd returns where the line ends that s[lo] is in.
func lineEnd(s string, lo int) int {
	if i := strings.IndexAny(s[lo:], "\r\n"); i >= 0 {
		return lo + i
	}
	return len(s)
}

// wordEnd returns where the word ends that starts at s[lo]. A word is made of plain
// text, quoted text and, at its start, bracketed text, as in a shell; so that it can
// also be an element of a list or an object, it ends behind quotes and brackets that
// are followed by what separates elements.
func wordEnd(s string, lo int) int {
	for i := lo; i < len(s); {
		if isSpace(s[i]) {
			return i
		}
		q, level := quoteAt(s, i)
		switch {
		case q != 0 && i > lo && endsOutside(s[i:]):
			return i
		case q != 0:
			_, i = closingQuote(s, i+level+1, q, level)
			if separates(s[i:]) {
				return i
			}
		case level > 0:
			i += level + level%2
		case i == lo && strings.HasPrefix(s[i:], Redacted):
			i += len(Redacted) // it stands for an object in a list, maybe
			if separates(s[i:]) {
				return i
			}
		case i == lo && isOpening(s[i]):
			i = closingBracket(s, i)
			if separates(s[i:]) {
				return i
			}
		default:
			i++
		}
	}
	return len(s)
}

// separates reports whether rest starts with what ends a word behind a closed quote.
func separates(rest string) bool {
	return rest == "" || isSpace(rest[0]) || strings.IndexByte(",;&|)}]", rest[0]) >= 0
}

// endsOutside reports whether the quotes at the start of rest close something in which
// the whole word stands, since the word does not go on behind them.
func endsOutside(rest string) bool {
	return separates(strings.TrimLeft(rest, `\"'`))
}

// quoteAt returns the quote at s[i], 0 if there is none, and the level of quoting:
// how many backslashes stand before it.
func quoteAt(s string, i int) (q byte, level int) {
	for i+level < len(s) && s[i+level] == '\\' {
		level++
	}
	if i+level < len(s) && isQuote(s[i+level]) {
		q = s[i+level]
	}
	return q, level
}

// closingQuote finds the quote q that closes a quotation of the given level whose
// text starts at from. It returns the end of that text and the place behind the
// quote, the end of s for both if the quotation is never closed.
func closingQuote(s string, from int, q byte, level int) (end, after int) {
	backslashes := 0
	for i := from; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			backslashes++
			continue
		case s[i] != q:
		case level == 0 && backslashes%2 == 0:
			return i, i + 1
		case level > 0 && backslashes <= level:
			return i - backslashes, i + 1
		}
		backslashes = 0
	}
	return len(s), len(s)
}

// closingBracket returns the place behind the bracket that closes the one at s[i],
// the end of s if there is none. It does not tell the kinds of brackets apart.
func closingBracket(s string, i int) int {
	for depth := 0; i < len(s); {
		q, level := quoteAt(s, i)
		switch {
		case q != 0:
			_, i = closingQuote(s, i+level+1, q, level)
			continue
		case level > 0:
			i += level
			continue
		case isOpening(s[i]):
			depth++
		case strings.IndexByte("}])", s[i]) >= 0:
			depth--
		}
		i++
		if depth == 0 {
			return i
		}
	}
	return len(s)
}
