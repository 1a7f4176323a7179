package metrics

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Server serves metrics on a listener of their own: they need no session, and so must not
// be on the port that everybody reaches.
type Server struct {
	http http.Server
	done chan struct{}
}

const stopTimeout = 2 * time.Second // for scrapes under way

// Serve serves until Stop.
func Serve(l net.Listener, h http.Handler, logger *slog.Logger) *Server {
	s := &Server{done: make(chan struct{}), http: http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 15 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("metrics are not served any more", "error", err)
		}
	}()
	return s
}

// Stop lets scrapes under way end, for a moment, and returns when nothing is served.
func (s *Server) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	<-s.done
}
