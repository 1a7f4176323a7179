// Package httpapi is the HTTP edge: the router, what every request goes through, the
// REST routes that Halite's own clients use, and health.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"github.com/rs/cors"

	"halite/internal/audit"
	"halite/internal/auth"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/live"
	"halite/internal/proof"
)

// Config is what the routes are made of.
type Config struct {
	Log     audit.Reader
	Tree    proof.Source
	Live    *live.Feed
	Guard   *guard.Guard
	Auth    *auth.Service
	GraphQL http.Handler // behind authentication
	Pages   http.Handler // /audit, /admin, /graphiql and their assets
	Health  func(context.Context) []Check
	Logger  *slog.Logger
	// Answered is told of every request when it is over; nil: nobody is.
	Answered func(Answered)

	PublicTree     bool           // checkpoints and hashes of the tree are for everybody
	TrustedProxies []netip.Prefix // whose X-Forwarded-For counts
	AllowedOrigins []string       // frontends elsewhere: CORS with credentials
}

// New returns the handler of the whole server. It fails if an allowed origin is none.
func New(cfg Config) (http.Handler, error) {
	api := &api{Config: cfg, exports: make(chan struct{}, maxExports), proofs: make(chan struct{}, maxProofs)}
	mux := http.NewServeMux()
	session := api.authenticated
	mux.Handle("/graphql", session(cfg.GraphQL))
	mux.Handle("/api/audit", only(http.MethodGet, session(http.HandlerFunc(api.audit))))
	mux.Handle("/api/audit/export", only(http.MethodGet, session(http.HandlerFunc(api.export))))
	mux.Handle("/api/audit/checkpoint", only(http.MethodGet, session(http.HandlerFunc(api.checkpoint))))
	mux.Handle("/api/audit/proof", only(http.MethodGet, session(http.HandlerFunc(api.inclusion))))
	mux.Handle("/tlog/checkpoint", only(http.MethodGet, session(http.HandlerFunc(api.checkpoint))))
	mux.Handle("/tlog/tile/", only(http.MethodGet, session(http.HandlerFunc(api.tile))))
	mux.HandleFunc("/tlog/", func(w http.ResponseWriter, _ *http.Request) { detail(w, http.StatusNotFound, "Not Found") })
	mux.Handle(streamPath, only(http.MethodGet, session(http.HandlerFunc(api.stream))))
	mux.HandleFunc("/api/audit/{$}", withoutSlash)
	mux.Handle("/api/auth/login", only(http.MethodPost, session(http.HandlerFunc(api.login))))
	mux.Handle("/api/auth/logout", only(http.MethodPost, session(http.HandlerFunc(api.logout))))
	mux.Handle("/api/auth/me", only(http.MethodGet, session(http.HandlerFunc(api.me))))
	mux.Handle("/api/auth/change-password", only(http.MethodPost, session(http.HandlerFunc(api.changePassword))))
	mux.Handle("/healthz", only(http.MethodGet, http.HandlerFunc(healthz)))
	mux.Handle("/readyz", only(http.MethodGet, newReadiness(cfg.Health)))
	mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) { detail(w, http.StatusNotFound, "Not Found") })
	mux.Handle("/{$}", http.RedirectHandler("/audit", http.StatusFound))
	mux.Handle("/", cfg.Pages)

	protection := http.NewCrossOriginProtection()
	for _, origin := range cfg.AllowedOrigins {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			return nil, err
		}
	}
	protection.SetDenyHandler(http.HandlerFunc(crossOrigin))
	h := protection.Handler(lasting(protection, mux))
	if len(cfg.AllowedOrigins) > 0 {
		h = cors.New(cors.Options{
			AllowedOrigins: cfg.AllowedOrigins, AllowCredentials: true,
			AllowedMethods: []string{http.MethodGet, http.MethodPost},
			AllowedHeaders: []string{"Content-Type", "X-Request-Id", "Last-Event-ID"},
			ExposedHeaders: []string{"X-Request-Id", "X-Audit-Id", "Link", "Retry-After"},
			MaxAge:         600,
		}).Handler(h)
	}
	return api.entered(mux, h), nil
}

func crossOrigin(w http.ResponseWriter, _ *http.Request) {
	detail(w, http.StatusForbidden, "Cross-origin request refused")
}

// lasting holds a GET that makes a connection last to the rules of requests that change
// something: no answer has to be read for it to take a place, and what comes over a
// WebSocket can be read from anywhere.
func lasting(protection *http.CrossOriginProtection, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" || r.URL.Path == streamPath || strings.Contains(r.Header.Get("Accept"), eventStream) {
			as := *r
			as.Method = http.MethodPost
			if protection.Check(&as) != nil {
				crossOrigin(w, r)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

type api struct {
	Config

	exports chan struct{} // a slot for each export under way
	proofs  chan struct{} // and for each answer about the tree that is being made
}

// only refuses other methods as the REST contract does.
func only(method string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			w.Header().Set("Allow", method)
			detail(w, http.StatusMethodNotAllowed, "Method Not Allowed")
			return
		}
		h.ServeHTTP(w, r)
	})
}

func withoutSlash(w http.ResponseWriter, r *http.Request) {
	to := *r.URL
	to.Path, to.RawPath = strings.TrimSuffix(to.Path, "/"), ""
	w.Header().Set("Location", to.RequestURI())
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// authenticated puts the principal into the context's caller.
func (a *api) authenticated(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		ctx, err := a.Auth.Authenticate(r, w.Header())
		if err != nil {
			a.Logger.Error("session could not be looked up", "error", err)
			fail(w, &fault.Error{Code: fault.AuditUnavailable, Message: "The database is unavailable", RetryAfter: retryAfter})
			return
		}
		h.ServeHTTP(w, r.WithContext(ctx))
	})
}
