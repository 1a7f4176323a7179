package audit

import (
	"bytes"
	"strings"
)

// RedactText returns s with Redacted in the place of every secret that it is known
// to hold:
//
//   - The password in a URL: `scheme://user:VALUE@host`.
//   - The value of a pair, `name=VALUE` or `name: VALUE`, whose name is secret in the
//     sense of Redact, whatever stands around: `--password=x`, `PASSWORD=x cmd`,
//     `{"db_password": "x"}`, `Authorization: Bearer x`, `user[password]=x`.
//   - The word after a flag with such a name, `--token x`, unless it starts with `-`.
//
// A value in quotes ends at the closing one, a value in brackets at the matching one,
// any other with the word. It takes more than the word
//   - where the name starts a line: the rest of the line; where `name=` starts the
//     text, as keyword arguments of Salt do: the rest of the text;
//   - where a quote stands before the name, as in `"password=a b"`: all up to the
//     closing quote;
//   - under authorization and cookie: the rest of the line;
//   - where it starts on the line after `name:`, is a YAML block or PEM armour: the
//     rest of the text.
//
// A name all in capitals is a variable of a shell: it takes a word in the first two
// places too. In doubt too much is taken rather than too little. What has no name
// cannot be found: `-pVALUE`, `curl -u user:VALUE`, `IDENTIFIED BY 'VALUE'`.
func RedactText(s string) string {
	return redactPairs(redactURLs(s))
}

func redactURLs(s string) string {
	var out edit
	for from := 0; ; {
		i := strings.Index(s[from:], "://")
		if i < 0 {
			return out.finish(s)
		}
		from += i + len("://")
		lo, hi := urlPassword(s[from:])
		if lo < hi {
			out.replace(s, from+lo, from+hi)
		}
		from += hi
	}
}

// urlPassword returns where the password is in s, which starts with the authority
// of a URL. If there is none, lo is not below hi and no other URL starts before hi.
func urlPassword(s string) (lo, hi int) {
	authority := s
	if end := strings.IndexAny(s, "/?#\\ \t\r\n\"'"); end >= 0 {
		authority = s[:end]
	}
	colon := strings.IndexByte(authority, ':')
	if colon < 0 || authority[0] == '[' {
		return 0, 0
	}
	if hi = strings.LastIndexByte(authority, '@'); hi >= 0 {
		return colon + 1, hi
	}
	if strings.Trim(authority[colon+1:], "0123456789") == "" {
		return 0, 0
	}
	// What follows the colon is no port, so it is a password with a bare slash.
	if end := strings.IndexAny(s, " \t\r\n\"'"); end >= 0 {
		s = s[:end]
	}
	if hi = strings.LastIndexByte(s, '@'); hi >= 0 {
		return colon + 1, hi
	}
	return len(s), len(s)
}

// pair is a secret name in a text and the place where its value starts.
type pair struct {
	nameStart, nameEnd int
	separator          int // offset of the first `=`, `:` or, behind a flag, white space
	value              int
}

func redactPairs(s string) string {
	var out edit
	for i := 0; i < len(s); {
		if p, ok := pairAt(s, out.done, i); ok {
			if lo, hi := p.valueRange(s); lo < hi {
				out.replace(s, lo, hi)
				i = hi
				continue
			}
		}
		i++
	}
	return out.finish(s)
}

// pairAt returns the pair with a secret name whose separator is s[i], if there is
// one. The name does not reach back beyond from.
func pairAt(s string, from, i int) (p pair, ok bool) {
	var mayEnd func(byte) bool // what may stand between the name and the separator
	switch c := s[i]; {
	case c == '=' || c == ':':
		mayEnd = func(c byte) bool { return isSpace(c) || isQuote(c) || strings.IndexByte(`\])}`, c) >= 0 }
	case isSpace(c):
		mayEnd = func(c byte) bool { return isQuote(c) || c == '\\' }
	default:
		return p, false
	}
	p = pair{nameEnd: i, separator: i, value: i + 1}
	for p.nameEnd > from && mayEnd(s[p.nameEnd-1]) {
		p.nameEnd--
	}
	p.nameStart = nameStart(s, from, p.nameEnd)
	if p.nameStart == p.nameEnd || isSpace(s[i]) && s[p.nameStart] != '-' {
		return p, false
	}
	if !isSecretName(s[p.nameStart:p.nameEnd]) {
		return p, false
	}
	if s[i] == '=' && strings.HasPrefix(s[p.value:], ">") {
		p.value++
	}
	for p.value < len(s) && p.continues(s, s[p.value]) {
		p.value++
	}
	rest := s[p.value:]
	if rest == "" || isSpace(rest[0]) {
		return p, false
	}
	if isSpace(s[i]) && (rest[0] == '=' || rest[0] == ':' || rest[0] == '-' && !takesRest(rest)) {
		return p, false
	}
	return p, true
}

// continues reports whether c still belongs to the separator.
func (p *pair) continues(s string, c byte) bool {
	switch s[p.separator] {
	case '=':
		return c == '=' || c == ':' || isSpace(c) && c != '\n'
	case ':':
		return c == '=' || c == ':' || isSpace(c)
	}
	return isSpace(c)
}

// valueRange returns where the value starts and ends, without the quotes around it.
func (p *pair) valueRange(s string) (lo, hi int) {
	lo, name := p.value, s[p.nameStart:p.nameEnd]
	if q, level := quoteAt(s, lo); q != 0 {
		hi = wordEnd(s, lo)
		if end, after := closingQuote(s, lo+level+1, q, level); after == hi {
			return lo + level + 1, end
		}
		return lo, hi
	}
	if isOpening(s[lo]) || strings.HasPrefix(s[lo:], Redacted+",") {
		return lo, wordEnd(s, lo)
	}
	if takesRest(s[lo:]) {
		return lo, len(s)
	}
	if isSpace(s[p.separator]) {
		return lo, wordEnd(s, lo)
	}
	if strings.Contains(s[p.separator:lo], "\n") {
		return lo, len(s)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return 'a' <= r && r <= 'z' }) {
		before := strings.TrimRight(s[:p.nameStart], " \t")
		switch {
		case before == "" && s[p.separator] == '=':
			return lo, len(s)
		case before == "" || before[len(before)-1] == '\n':
			return lo, lineEnd(s, lo)
		}
		if q := before[len(before)-1]; isQuote(q) && !strings.ContainsAny(s[p.nameEnd:p.separator], `"'`) {
			level := len(before) - 1 - len(strings.TrimRight(before[:len(before)-1], `\`))
			end, _ := closingQuote(s, lo, q, level)
			return lo, end
		}
	}
	var buf [64]byte
	folded := foldName(buf[:0], name)
	if bytes.Contains(folded, []byte("authorization")) || bytes.Contains(folded, []byte("cookie")) {
		return lo, lineEnd(s, lo)
	}
	return lo, wordEnd(s, lo)
}

// edit collects a text in which pieces of another are replaced, from left to right.
type edit struct {
	out  strings.Builder
	done int // how much of the original is dealt with
}

func (e *edit) replace(s string, lo, hi int) {
	e.out.WriteString(s[e.done:lo])
	e.out.WriteString(Redacted)
	e.done = hi
}

func (e *edit) finish(s string) string {
	if e.done == 0 {
		return s
	}
	return e.out.String() + s[e.done:]
}
