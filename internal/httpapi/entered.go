package httpapi

import (
	"errors"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"halite/internal/guard"
)

const retryAfter = time.Second

// entered is what every request goes through first: it gets its id and its caller,
// its answer tells which rows it left, and a panic becomes a plain 500. mux knows the
// routes behind h.
func (a *api) entered(mux *http.ServeMux, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller := &guard.Caller{
			RequestID: requestID(r.Header.Get("X-Request-Id")),
			SourceIP:  a.clientAddress(r),
			UserAgent: r.UserAgent(),
		}
		out := &answer{ResponseWriter: w, caller: caller}
		if a.Answered != nil {
			start := time.Now()
			defer func() { a.Answered(out.answered(mux, r, start)) }()
		}
		out.Header().Set("X-Request-Id", caller.RequestID)
		out.Header().Set("X-Content-Type-Options", "nosniff")
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				a.Logger.Error("panic in a handler", "panic", p, "stack", string(debug.Stack()), "request_id", caller.RequestID)
				internalError(out)
			}
		}()
		h.ServeHTTP(out, r.WithContext(guard.WithCaller(r.Context(), caller)))
	})
}

// answer adds X-Audit-Id once it is known: when the first byte is about to leave.
type answer struct {
	http.ResponseWriter
	caller *guard.Caller
	begun  bool
	status int // 0: as if it were 200
}

func (w *answer) WriteHeader(status int) {
	w.begin()
	if w.status < http.StatusOK { // what was before was not the last
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *answer) Write(b []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *answer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *answer) begin() {
	if w.begun {
		return
	}
	w.begun = true
	if rows := w.caller.Rows(); len(rows) > 0 {
		ids := make([]string, len(rows))
		for i, id := range rows {
			ids[i] = strconv.FormatInt(id, 10)
		}
		w.Header().Set("X-Audit-Id", strings.Join(ids, ","))
	}
}

// requestID keeps the id that a client or proxy chose if it is a plain word.
func requestID(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.:", r)
	}
	if s == "" || len(s) > 128 || strings.TrimFunc(s, plain) != "" || strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) >= 0 {
		return uuid.NewString()
	}
	return s
}

// clientAddress is the peer's address, or, behind trusted proxies, the last address
// in X-Forwarded-For that is none of theirs.
func (a *api) clientAddress(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	addr := peer.Addr().Unmap()
	if !a.trusted(addr) {
		return addr.String()
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if addr = hop.Unmap().WithZone(""); !a.trusted(addr) {
			break
		}
	}
	return addr.String()
}

func (a *api) trusted(addr netip.Addr) bool {
	for _, p := range a.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
