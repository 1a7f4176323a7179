package saltfake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// account is a user of the backend "file" and what external_auth grants.
type account struct {
	password string
	perms    string // as the login answers them
	all      bool
	minions  string // a pattern; of these minions the account may use funs
	funs     []string
}

// session is a login. The token of salt-api is its key; behind it is one of the master.
type session struct {
	user   string
	expire time.Time // of the master's token
}

// logIn grants a session, or refuses it.
func (m *Master) logIn(ctx context.Context, header http.Header, body []byte) (*Response, string) {
	chunks, err := lowstate(header, body)
	switch {
	case err != nil:
		return err, ""
	case len(chunks) == 0:
		return Unexpected, ""
	}
	user, password, eauth := chunks[0].text("username"), chunks[0].text("password"), chunks[0].text("eauth")
	m.mu.Lock()
	defer m.mu.Unlock()
	a, known := m.accounts[user]
	if !known || a.password != password || eauth != "file" {
		if delay := m.slowness; delay > 0 && eauth == "file" {
			m.mu.Unlock()
			wait(ctx, delay)
			m.mu.Lock()
		}
		return Page(http.StatusUnauthorized, "Could not authenticate using provided credentials"), ""
	}
	lifetime := m.lifetime
	var seconds float64
	if json.Unmarshal(chunks[0]["token_expire"], &seconds) == nil && seconds > 0 {
		lifetime = time.Duration(seconds * float64(time.Second))
	}
	start, token := time.Now(), newToken()
	s := &session{user, start.Add(lifetime)}
	m.sessions[token] = s
	return answered(dict{{"return", []any{dict{
		{"token", token},
		{"expire", seconds1970(s.expire)},
		{"start", seconds1970(start)},
		{"user", user},
		{"eauth", eauth},
		{"perms", json.RawMessage(a.perms)},
	}}}}), token
}

func (a account) may(minions []string, fun string) bool {
	return a.all || a.minions != "" && !slices.ContainsFunc(minions, func(id string) bool {
		return !glob(a.minions, id) || !slices.Contains(a.funs, fun)
	})
}

func (m *Master) knows(token string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sessions[token] != nil
}

func newToken() string {
	b := make([]byte, 20)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

func seconds1970(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
