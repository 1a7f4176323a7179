package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestDrive: every caller asks, each request is answered once, and an answer that is not
// what it must be ends the round.
func TestDrive(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	var wrong atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Header.Get("Cookie") != "c=1" || r.Method != http.MethodPost || r.ContentLength != 2 {
			w.WriteHeader(http.StatusBadRequest)
		}
		if _, err := fmt.Fprint(w, `{"entries":`+strings.Repeat("x", 10_000)); err != nil { // in chunks
			t.Error(err)
		}
		if !wrong.Load() {
			_, _ = fmt.Fprint(w, strings.Repeat("x", 10_000))
		}
	}))
	t.Cleanup(s.Close)
	goal := newTarget(s.Listener.Addr().String(), http.MethodPost, "/", "c=1", "{}")
	goal.holds, goal.length = []byte(`"entries"`), 20_000
	took, all, err := drive(t.Context(), goal, 7, time.Millisecond)
	if err != nil || int64(len(took)) != asked.Load() || len(took) < 7 || all <= 0 {
		t.Fatalf("%d answers of %d requests in %s, %v", len(took), asked.Load(), all, err)
	}
	wrong.Store(true)
	if _, _, err := drive(t.Context(), goal, 2, time.Millisecond); err == nil || !strings.Contains(err.Error(), "wrong answer") {
		t.Errorf("a short answer: %v", err)
	}
	wrong.Store(false)
	goal.holds = []byte("something else")
	if _, err := once(t.Context(), goal); err == nil {
		t.Error("another answer was taken")
	}
	goal = newTarget(goal.addr, http.MethodGet, "/", "", "")
	if _, err := once(t.Context(), goal); err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("a refusal: %v", err)
	}
}
