package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// storeFunc is an Appender.
type storeFunc func(batch []*Entry) error

func (f storeFunc) Append(_ context.Context, batch []*Entry) error { return f(batch) }

// gated is a store whose writer waits inside Append until it is let go, so that a test
// knows what is queued meanwhile.
type gated struct {
	entered chan struct{} // a send when Append waits
	gate    chan struct{} // closed: Append no longer waits

	mu      sync.Mutex
	batches [][]string // actions that were written
	lastID  int64
	refuse  func(batch []*Entry) error // nil: nothing is refused
}

func newGated() *gated {
	return &gated{entered: make(chan struct{}, 1), gate: make(chan struct{})}
}

func (s *gated) Append(_ context.Context, batch []*Entry) error {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-s.gate
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		if err := s.refuse(batch); err != nil {
			return err
		}
	}
	actions := make([]string, len(batch))
	for i, e := range batch {
		s.lastID++
		e.ID, actions[i] = s.lastID, e.Action
	}
	s.batches = append(s.batches, actions)
	return nil
}

func (s *gated) written() []string { return slices.Concat(s.batches...) }

type result struct {
	asked string
	entry Entry
	err   error
}

// ask records the actions, each in a goroutine of its own.
func ask(r *Recorder, results chan<- result, actions ...string) {
	for _, a := range actions {
		go func() {
			e, err := r.Record(Entry{Action: a, Decision: Allow})
			results <- result{a, e, err}
		}()
	}
}

// fill has the writer wait in the store with one entry, and limit more in the queue.
func fill(t *testing.T, r *Recorder, s *gated, limit int) chan result {
	t.Helper()
	results := make(chan result, limit+2)
	ask(r, results, "first")
	<-s.entered
	for i := range limit + 1 {
		ask(r, results, "queued"+strconv.Itoa(i))
	}
	if one := <-results; !errors.Is(one.err, ErrQueueFull) {
		t.Fatalf("the first that returns is %+v, want one that the queue has no room for", one)
	}
	return results
}

func TestQueueFull(t *testing.T) {
	s := newGated()
	r := NewRecorder(s, 5, slog.New(slog.DiscardHandler))
	results := fill(t, r, s, 5)
	if _, err := r.Record(Entry{Action: "one more"}); !errors.Is(err, ErrQueueFull) {
		t.Errorf("with a full queue: %v, want %v", err, ErrQueueFull)
	}
	close(s.gate)
	for range 6 {
		if one := <-results; one.err != nil {
			t.Errorf("%s: %v", one.asked, one.err)
		}
	}
	if _, err := r.Record(Entry{Action: "later"}); err != nil {
		t.Errorf("with room in the queue again: %v", err)
	}
	r.Stop()
	if got := s.written(); len(got) != 7 || slices.Contains(got, "one more") {
		t.Errorf("written: %q", got)
	}
}

func TestStopDrains(t *testing.T) {
	s := newGated()
	r := NewRecorder(s, 5, slog.New(slog.DiscardHandler))
	results := fill(t, r, s, 5)
	stopped := make(chan struct{})
	for range 2 { // more than once, and at the same time
		go func() { r.Stop(); stopped <- struct{}{} }()
	}
	for {
		_, err := r.Record(Entry{Action: "too late"})
		if errors.Is(err, ErrStopped) {
			break
		}
		if !errors.Is(err, ErrQueueFull) {
			t.Fatalf("while it stops: %v", err)
		}
	}
	select {
	case <-stopped:
		t.Error("Stop returned before the queue was written")
	default:
	}
	close(s.gate)
	for range 6 {
		if one := <-results; one.err != nil {
			t.Errorf("%s: %v", one.asked, one.err)
		}
	}
	<-stopped
	<-stopped
	r.Stop()
	if _, err := r.Record(Entry{Action: "too late"}); !errors.Is(err, ErrStopped) {
		t.Errorf("after Stop: %v, want %v", err, ErrStopped)
	}
	if got := s.written(); len(got) != 6 || slices.Contains(got, "too late") {
		t.Errorf("written: %q", got)
	}
}

// TestStoreFails has the store fail in each way, a panic among them: all who wait are
// told, and the recorder serves on.
func TestStoreFails(t *testing.T) {
	for name, tt := range map[string]struct {
		fail func() error
		want error
	}{
		"unavailable": {func() error { return fmt.Errorf("%w: gone", ErrUnavailable) }, ErrUnavailable},
		"unknown":     {func() error { return ErrOutcomeUnknown }, ErrOutcomeUnknown},
		"rejected":    {func() error { return ErrRejected }, ErrRejected},
		"panic":       {func() error { panic("store") }, ErrOutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			s := newGated()
			s.refuse = func([]*Entry) error { return tt.fail() }
			r := NewRecorder(s, 5, slog.New(slog.DiscardHandler))
			defer r.Stop()
			results := fill(t, r, s, 5)
			close(s.gate)
			for range 6 {
				if one := <-results; !errors.Is(one.err, tt.want) {
					t.Errorf("%s: %v, want %v", one.asked, one.err, tt.want)
				}
			}
			s.mu.Lock()
			s.refuse = nil
			s.mu.Unlock()
			if _, err := r.Record(Entry{Action: "next"}); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestBisect queues entries of which some cannot be written. They fail alone.
func TestBisect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bad := rapid.SliceOfN(rapid.Bool(), 1, 40).Draw(t, "bad")
		s := newGated()
		s.refuse = func(batch []*Entry) error {
			for _, e := range batch {
				if strings.HasPrefix(e.Action, "bad") {
					return ErrRejected
				}
			}
			return nil
		}
		r := NewRecorder(s, len(bad), slog.New(slog.DiscardHandler))
		defer r.Stop()
		results := make(chan result, len(bad))
		for i, b := range bad {
			ask(r, results, map[bool]string{false: "good", true: "bad"}[b]+strconv.Itoa(i))
		}
		close(s.gate)
		good := map[string]int64{}
		for range bad {
			switch one := <-results; {
			case strings.HasPrefix(one.asked, "bad"):
				if !errors.Is(one.err, ErrRejected) {
					t.Fatalf("%s: %v, want %v", one.asked, one.err, ErrRejected)
				}
			case one.err != nil:
				t.Fatalf("%s failed beside bad ones: %v", one.asked, one.err)
			case one.entry.Action != one.asked:
				t.Fatalf("%s was answered with %s", one.asked, one.entry.Action)
			default:
				good[one.asked] = one.entry.ID
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if got := s.written(); len(got) != len(good) {
			t.Fatalf("written %q, answered %v", got, good)
		}
		for i, action := range s.written() {
			if good[action] != int64(i+1) {
				t.Fatalf("row %d is %s, whose caller was told %d", i+1, action, good[action])
			}
		}
	})
}

// TestGroups: what queues while the store is busy is written together, in the order in
// which it came, in batches of bounded size.
func TestGroups(t *testing.T) {
	s := newGated()
	r := NewRecorder(s, DefaultQueue, slog.New(slog.DiscardHandler))
	const n = 3*maxBatch + 7
	results := make(chan result, n+1)
	ask(r, results, "first")
	<-s.entered
	for i := range n {
		w := &waiter{entry: Entry{Action: strconv.Itoa(i)}, ready: make(chan struct{}, 1)}
		if err := r.enqueue(w); err != nil {
			t.Fatal(err)
		}
	}
	close(s.gate)
	r.Stop()
	if len(s.batches) > 5 {
		t.Errorf("%d batches for %d entries", len(s.batches), n+1)
	}
	for _, b := range s.batches {
		if len(b) > maxBatch {
			t.Errorf("a batch of %d", len(b))
		}
	}
	if one := <-results; one.err != nil || one.entry.ID != 1 {
		t.Errorf("the first: %+v", one)
	}
	for i, action := range s.written()[1:] {
		if action != strconv.Itoa(i) {
			t.Fatalf("place %d holds %s", i, action)
		}
	}
}

// TestOwnEntry has callers, whose places in memory are used again, look at what they
// get back.
func TestOwnEntry(t *testing.T) {
	var id int64
	r := NewRecorder(storeFunc(func(batch []*Entry) error {
		for _, e := range batch {
			id++
			e.ID = id
		}
		return nil
	}), DefaultQueue, slog.New(slog.DiscardHandler))
	defer r.Stop()
	var seen sync.Map
	var wg sync.WaitGroup
	for c := range 16 {
		wg.Go(func() {
			for i := range 200 {
				want := fmt.Sprintf("c%d.n%d", c, i)
				e, err := r.Record(Entry{Action: want, Decision: Allow})
				if err != nil || e.Action != want {
					t.Errorf("%s was answered with %q, %v", want, e.Action, err)
				}
				if other, twice := seen.LoadOrStore(e.ID, want); twice {
					t.Errorf("%v and %s were both given %d", other, want, e.ID)
				}
			}
		})
	}
	wg.Wait()
}
