package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Cookies makes and reads the session cookie: `id.HMAC-SHA256(secret, id)`. The
// database holds SHA-256 of the id, so neither it nor the secret alone makes a key.
type Cookies struct {
	Name   string
	Secure bool
	TTL    time.Duration
	Secret []byte
	// Previous is the secret before, while it is replaced: what it signed is still good.
	// Empty = none.
	Previous []byte
}

// newID returns a session id: 48 random bytes as 64 URL-safe characters.
func newID() string {
	b := make([]byte, 48)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func hashID(id string) []byte {
	h := sha256.Sum256([]byte(id))
	return h[:]
}

func (c Cookies) sign(id string) string {
	return id + "." + base64.RawURLEncoding.EncodeToString(mac(c.Secret, id))
}

// verify returns the id of a cookie's value if its signature is good.
func (c Cookies) verify(value string) (id string, ok bool) {
	id, sig, found := strings.Cut(value, ".")
	got, err := base64.RawURLEncoding.Strict().DecodeString(sig)
	good := hmac.Equal(got, mac(c.Secret, id))
	if len(c.Previous) > 0 {
		good = hmac.Equal(got, mac(c.Previous, id)) || good
	}
	return id, found && err == nil && good
}

func mac(secret []byte, id string) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(id))
	return m.Sum(nil)
}

// set is the Set-Cookie line that begins a session, attributes in the order of the
// REST contract.
func (c Cookies) set(value string) string {
	s := fmt.Sprintf("%s=%s; HttpOnly; Max-Age=%d; Path=/; SameSite=lax", c.Name, value, int(c.TTL.Seconds()))
	if c.Secure {
		s += "; Secure"
	}
	return s
}

// clear is the Set-Cookie line that ends a session.
func (c Cookies) clear(now time.Time) string {
	return fmt.Sprintf(`%s=""; expires=%s; Max-Age=0; Path=/; SameSite=lax`, c.Name, now.UTC().Format(http.TimeFormat))
}

// exchange is the request's side of a session: what it came with, and where cookies
// go that the answer shall set.
type exchange struct {
	idHash []byte
	header http.Header
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{header: http.Header{}}
}
