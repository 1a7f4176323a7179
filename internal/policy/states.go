package policy

// states is a set of numbers from 0 to 255.
type states [4]uint64

func (s *states) add(i int) { s[i/64] |= 1 << (i % 64) }

func (s states) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

func (s states) or(t states) states {
	for i := range s {
		s[i] |= t[i]
	}
	return s
}

func (s states) and(t states) states {
	for i := range s {
		s[i] &= t[i]
	}
	return s
}

// next returns each number's successor. 255 has none.
func (s states) next() states {
	var carry uint64
	for i, word := range s {
		s[i], carry = word<<1|carry, word>>63
	}
	return s
}

// within reports whether t holds all of s.
func (s states) within(t states) bool { return s.and(t) == s }
