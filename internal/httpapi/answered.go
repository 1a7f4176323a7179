package httpapi

import (
	"net/http"
	"strings"
	"time"
)

// Answered is a request that is over.
type Answered struct {
	Route  string // a pattern of the router, or otherRoute: one of a fixed set
	Status int
	Took   time.Duration
	Lasts  bool // it was a stream or a WebSocket: how long it took says nothing
}

// otherRoute is where nothing is found.
const otherRoute = "other"

func (w *answer) answered(mux *http.ServeMux, r *http.Request, start time.Time) Answered {
	x := Answered{Status: w.status, Took: time.Since(start)}
	if x.Status == 0 {
		x.Status = http.StatusOK
	}
	x.Lasts = x.Status == http.StatusSwitchingProtocols || strings.HasPrefix(w.Header().Get("Content-Type"), eventStream)
	// Asked for here, since not every answer comes from behind the router.
	switch _, pattern := mux.Handler(r); {
	case pattern == "", pattern == "/api/", pattern == "/tlog/", pattern == "/" && x.Status == http.StatusNotFound:
		x.Route = otherRoute
	default:
		x.Route = pattern
	}
	return x
}
