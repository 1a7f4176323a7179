package limit_test

import (
	"fmt"
	"testing"

	"halite/internal/limit"
)

// TestSeats: neither all together nor one key take more than there is, and what is left is
// free again, once.
func TestSeats(t *testing.T) {
	t.Parallel()
	s := limit.NewSeats(3, 2)
	take := func(key string, want bool) func() {
		t.Helper()
		leave, ok := s.Take(key)
		if ok != want {
			t.Errorf("%s: %v, want %v", key, ok, want)
		}
		return leave
	}
	first := take("a", true)
	take("a", true)
	take("a", false)() // leaving without a seat frees none
	take("b", true)
	take("c", false)
	first()
	first()
	take("c", true)
	take("a", false)
	take("b", false)
	for n := range 10 {
		if leave, ok := s.Take(fmt.Sprint(n)); ok {
			leave()
			t.Errorf("%d: there was a seat", n)
		}
	}
}
