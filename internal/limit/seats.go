package limit

import "sync"

// Seats bounds how many there are of something at once, in total and for each key. It is
// safe for concurrent use.
type Seats struct {
	total, each int

	mu    sync.Mutex
	all   int
	taken map[string]int
}

// NewSeats returns seats of which total can be taken at once, and each for one key.
func NewSeats(total, each int) *Seats {
	return &Seats{total: total, each: each, taken: map[string]int{}}
}

// Taken says how many seats are taken, and how many there are.
func (s *Seats) Taken() (n, total int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all, s.total
}

// Take takes a seat for key if there is one. leave gives it back; calling it again does
// nothing.
func (s *Seats) Take(key string) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.total || s.taken[key] >= s.each {
		return func() {}, false
	}
	s.all++
	s.taken[key]++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.taken[key]--; s.taken[key] == 0 {
			delete(s.taken, key)
		}
	}), true
}
