package policy

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of Covers: what patterns may be as long as in the database, and how many steps
// are taken before it gives up: less than a tenth of a second.
const (
	maxCovered = 255 // characters
	maxSteps   = 1 << 20
)

// Covers reports whether holder permits everything that granted permits: whatever Decide
// allows by granted alone it allows by holder alone. A permission that matches nothing
// is covered by every other.
//
// The answer is exact, by the languages of the patterns and not by their spelling, but
// for patterns of more than 255 characters and for pairs that would take too long: with
// these it is false. Its time is bounded.
func Covers(holder, granted Permission) bool {
	if holder == granted {
		return true
	}
	verb := newInclusion(holder.Verb, granted.Verb)
	resource := newInclusion(holder.ResourceGlob, granted.ResourceGlob)
	if verb == nil || resource == nil {
		return false
	}
	if verb.granted.empty() || resource.granted.empty() {
		return true
	}
	// The text of a class is matched as itself too, so holder has to cover but what
	// granted matches as it stands: if granted matches the class of a resource, then
	// it matches the text of that class; holder has to match that, and with it the resource.
	return verb.holds(false) && resource.holds(true)
}

// inclusion is the question whether every text that matches one pattern matches another.
//
// Both patterns are taken as automata over the letters of an alphabet that is as fine as
// the two of them can tell characters apart. State i of a pattern means that its first i
// elements are behind.
type inclusion struct {
	holder, granted automaton
	letters         []letter
	star            letter // the character `*`

	steps int // left to be taken
	seen  map[place][]states
	todo  []point
}

// letter is a set of characters that neither pattern tells apart. The colon is alone.
type letter struct {
	holder, granted states // the elements that take it
	colon           bool
}

// automaton is a pattern.
type automaton struct {
	end   int    // the state in which all is matched
	stars states // the elements that are stars; no two follow each other
	taken states // the elements that take some character
}

// place is where the search is, but for the states that the holder may be in.
type place struct {
	granted int
	colon   bool // the first colon is behind, or does not matter
}

// point is where the search goes on.
type point struct {
	place
	held states // all that the holder may be in
}

// newInclusion returns nil for patterns that are too long.
func newInclusion(holder, granted string) *inclusion {
	if utf8.RuneCountInString(holder) > maxCovered || utf8.RuneCountInString(granted) > maxCovered {
		return nil
	}
	in := &inclusion{steps: maxSteps, seen: map[place][]states{}}
	distinct := map[letter]bool{}
	for _, r := range alphabet(holder, granted) {
		l := letter{colon: r == ':'}
		l.holder, in.holder.stars, in.holder.end = elements(holder, r)
		l.granted, in.granted.stars, in.granted.end = elements(granted, r)
		in.granted.taken = in.granted.taken.or(l.granted)
		if r == '*' {
			in.star = l
		}
		if !distinct[l] {
			distinct[l] = true
			in.letters = append(in.letters, l)
		}
	}
	return in
}

// alphabet returns one character of each set that the patterns may tell apart: their
// members are where sets begin, or end. `:` and `*` are sets of their own.
func alphabet(patterns ...string) []rune {
	const surrogate, behind = 0xD800, 0xE000 // no character is between them
	starts := []rune{0, ':', ':' + 1, '*', '*' + 1, behind}
	for _, p := range patterns {
		for _, r := range p {
			starts = append(starts, r, r+1)
		}
	}
	slices.Sort(starts)
	return slices.DeleteFunc(slices.Compact(starts), func(r rune) bool {
		return r > utf8.MaxRune || surrogate <= r && r < behind
	})
}

// elements returns the elements of pattern that take r, those that are stars, and how
// many there are. Stars side by side are one.
func elements(pattern string, r rune) (takes, stars states, n int) {
	lastClose := strings.LastIndexByte(pattern, ']')
	for p := 0; p < len(pattern); n++ {
		if pattern[p] == '*' {
			stars.add(n)
			for p < len(pattern) && pattern[p] == '*' {
				p++
			}
			continue
		}
		size, ok := matchOne(pattern, p, lastClose, r)
		if ok {
			takes.add(n)
		}
		p += size
	}
	return takes, stars, n
}

// empty reports whether no text matches.
func (a automaton) empty() bool {
	for i := range a.end {
		if !a.stars.has(i) && !a.taken.has(i) {
			return true
		}
	}
	return false
}

// holds searches for a text that matches granted and not holder. It follows granted in
// one state at a time and holder in all at once. With classes, holder also matches every
// resource whose class it matches.
func (in *inclusion) holds(classes bool) bool {
	first := states{}
	first.add(0)
	in.visit(place{0, !classes}, in.holder.closed(first))
	for len(in.todo) > 0 {
		at := in.todo[len(in.todo)-1]
		in.todo = in.todo[:len(in.todo)-1]
		if in.steps < 0 || at.granted == in.granted.end && !at.held.has(in.holder.end) {
			return false
		}
		next, star := at.granted+1, in.granted.stars.has(at.granted)
		if star { // it may take nothing more, or stay and take any letter
			in.visit(place{next, at.colon}, at.held)
			next = at.granted
		}
		in.steps -= len(in.letters)
		for _, l := range in.letters {
			if !star && !l.granted.has(at.granted) {
				continue
			}
			held := in.holder.step(at.held, l.holder)
			ends := l.colon && !at.colon // the namespace
			if ends && in.holder.step(held, in.star.holder).has(in.holder.end) {
				continue // the class matches, and all that is of it
			}
			in.visit(place{next, at.colon || ends}, held)
		}
	}
	return true
}

// visit puts a point on the list, unless nothing new is found from there: because every
// text matches, or the search was there with no more states of holder than these.
func (in *inclusion) visit(p place, held states) {
	seen := in.seen[p]
	in.steps -= len(seen)
	if in.holder.certain(held) || slices.ContainsFunc(seen, func(s states) bool { return s.within(held) }) {
		return
	}
	in.seen[p] = append(slices.DeleteFunc(seen, held.within), held)
	in.todo = append(in.todo, point{p, held})
}

// step returns the states after a letter that the elements takes take.
func (a automaton) step(s, takes states) states {
	return a.closed(s.and(takes).next().or(s.and(a.stars)))
}

// closed adds the states that are reached without a letter: a star may take nothing.
func (a automaton) closed(s states) states { return s.or(s.and(a.stars).next()) }

// certain reports whether every text matches from here: there is but a star to come.
func (a automaton) certain(s states) bool {
	return a.end > 0 && a.stars.has(a.end-1) && s.has(a.end-1)
}
