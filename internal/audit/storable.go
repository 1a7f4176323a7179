package audit

import (
	"math"
	"strings"
	"unicode/utf8"
)

// How long the columns are, in characters.
const (
	maxAction    = 128
	maxResource  = 255
	maxSaltJID   = 64
	maxUsername  = 255
	maxVerb      = 64
	maxReason    = 512
	maxRequestID = 128
	maxSourceIP  = 64
	maxUserAgent = 512
)

// Storable returns e with every value in a form that its column in PostgreSQL takes,
// so that no entry can make an insert fail. The entry that it returns is storable
// already, and Storable returns it unchanged.
//
// Text that is too long is cut with the mark `…`, the last character inside the
// limit. NUL and every byte that is not valid UTF-8, lone surrogates among them,
// become U+FFFD. ResultCode and DurationMS are kept inside 32 bits and DurationMS
// from falling below 0. Whatever Decision is not Allow is Deny.
//
// Args becomes nil or one JSON object of 32 KiB at most:
//   - nothing, white space and null become nil;
//   - an object stays as it is, except for what jsonb refuses: the escapes of NUL and
//     of lone surrogates and invalid UTF-8 become U+FFFD, a number outside numeric
//     becomes a string, what is nested too deep becomes a marker;
//   - any other JSON value v becomes {"_value": v};
//   - what is not JSON becomes {"_invalid": bytes, "sha256": "hex"}, and what is too
//     long {"_cut": bytes, "sha256": "hex"}: the length and the hash of e.Args as it
//     came in, whose text is in neither case repeated.
//
// ID, At and UserID are left alone. Args of the result may share memory with e.Args,
// which is not altered.
func Storable(e Entry) Entry {
	e.Action = storableText(e.Action, maxAction)
	e.Resource = storableText(e.Resource, maxResource)
	e.Args = storableArgs(e.Args)
	e.SaltJID = storableText(e.SaltJID, maxSaltJID)
	if e.Decision != Allow {
		e.Decision = Deny
	}
	e.ResultCode = min(max(e.ResultCode, math.MinInt32), math.MaxInt32)
	e.DurationMS = min(max(e.DurationMS, 0), math.MaxInt32)
	e.Username = storableText(e.Username, maxUsername)
	e.Verb = storableText(e.Verb, maxVerb)
	e.Reason = storableText(e.Reason, maxReason)
	e.RequestID = storableText(e.RequestID, maxRequestID)
	e.SourceIP = storableText(e.SourceIP, maxSourceIP)
	e.UserAgent = storableText(e.UserAgent, maxUserAgent)
	return e
}

// storableText returns s with U+FFFD for each NUL and each invalid byte, cut to limit
// characters.
func storableText(s string, limit int) string {
	if len(s) <= limit && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	out := make([]byte, 0, min(len(s), limit*utf8.UTFMax))
	runes, beforeLast := 0, 0
	for _, r := range s {
		if runes == limit {
			return string(append(out[:beforeLast], "…"...))
		}
		if r == 0 {
			r = utf8.RuneError
		}
		beforeLast = len(out)
		out = utf8.AppendRune(out, r)
		runes++
	}
	return string(out)
}
