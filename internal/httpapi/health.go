package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// Check is one line of /readyz.
type Check struct {
	Name   string
	Result string // "ok", or what is to be said
	Fatal  bool   // no row can be written: the server must get no requests
	Bad    bool   // a law does not hold: the server is degraded
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	sendBytes(w, http.StatusOK, []byte(`{"status":"ok"}`))
}

const (
	readyFor     = time.Second     // how long one look at the database serves all who ask
	readyTimeout = 5 * time.Second // for one look
)

// readiness is GET /readyz. Whoever asks, the database is looked at once a second at
// most: the route is open to everybody.
type readiness struct {
	check func(context.Context) []Check

	mu     sync.Mutex
	at     time.Time
	status int
	body   []byte
}

func newReadiness(check func(context.Context) []Check) *readiness { return &readiness{check: check} }

func (h *readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.at) > readyFor {
		ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
		defer cancel()
		h.status, h.body = readyBody(h.check(ctx))
		h.at = time.Now()
	}
	w.Header().Set("Cache-Control", "no-store")
	sendBytes(w, h.status, h.body)
}

func readyBody(checks []Check) (int, []byte) {
	status, word := http.StatusOK, "ready"
	var b bytes.Buffer
	for i, c := range checks {
		if c.Fatal {
			status = http.StatusServiceUnavailable
		}
		if c.Fatal || c.Bad {
			word = "degraded"
		}
		if i > 0 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(c.Name)
		result, _ := json.Marshal(c.Result)
		b.Write(name)
		b.WriteByte(':')
		b.Write(result)
	}
	return status, []byte(`{"status":"` + word + `","checks":{` + b.String() + `}}`)
}
