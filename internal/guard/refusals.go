package guard

import (
	"errors"
	"net/http"
	"net/netip"
	"time"

	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/limit"
)

const (
	refusalWindow = time.Minute
	sweepEvery    = time.Second
)

// turnAway counts a refusal that is about to be recorded for a caller without a
// principal. Beyond the bound the caller is turned away here, before the gate, and
// only counted: nobody fills the log from outside.
func (g *Guard) turnAway(c *Caller) error {
	answer := g.refusals.Take(AddressKey(c.SourceIP))
	if answer.OK {
		return nil
	}
	return &fault.Error{
		Code: fault.RateLimited, RetryAfter: answer.RetryAfter,
		Message: "Too many requests without a session from this address",
	}
}

// AddressKey is what counts as one address: an IPv4 address, or an IPv6 /64.
func AddressKey(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return ip
	}
	return p.String()
}

// sweep writes one row for each window in which callers were turned away, once it has
// ended; with all, also for those that are open. What the log cannot take is kept for
// the next time.
func (g *Guard) sweep(all bool) {
	g.turned = g.recordTurned(append(g.turned, g.refusals.Sweep(all)...))
}

// maxTurnedLeft bounds the windows that wait for the log to be writable again.
const maxTurnedLeft = 10_000

// recordTurned writes a row for each window. It stops at the first that cannot be
// written and returns what is left, for another time.
func (g *Guard) recordTurned(windows []limit.Turned) (left []limit.Turned) {
	for i, w := range windows {
		_, err := g.Recorder.Record(audit.Entry{
			Action: "http.rate_limit", Resource: "address:" + w.Key, Decision: audit.Deny, ResultCode: http.StatusTooManyRequests,
			Reason: "too many refusals without a session", SourceIP: w.Key,
			Args: encodeArgs(map[string]any{"address": w.Key, "turned_away": w.Count, "window_s": int(w.Window.Seconds())}),
		})
		switch {
		case err == nil:
		case errors.Is(err, audit.ErrOutcomeUnknown): // never a row twice
			g.Logger.Error("window of refusals perhaps not recorded", "address", w.Key, "turned_away", w.Count, "error", err)
		default:
			left = windows[i:]
			g.Logger.Error("windows of refusals not recorded yet", "windows", len(left), "error", err)
			return left[max(0, len(left)-maxTurnedLeft):]
		}
	}
	return nil
}
