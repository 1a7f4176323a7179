package saltfake_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"halite/internal/salt/saltfake"
)

// exchange is one exchange with a real master.
type exchange struct {
	Name    string
	Request struct {
		Method, Path string
		Headers      map[string]string
		Body         string
	}
	Response struct {
		Status  int
		Headers map[string]string
		Body    string
	}
}

// meanwhile is what had happened on the real master before an exchange.
var meanwhile = map[string]func(*saltfake.Master){
	"key_list_all_mixed": func(m *saltfake.Master) {
		m.AddKeys(saltfake.Accepted, "gone1")
		m.AddKeys(saltfake.Pending, "db1", "p,comma", "pend-a", "pend-b", "pend1", "pend2", "pend3", "web1", "web2")
		m.AddKeys(saltfake.Rejected, "rej1", "rej2")
		m.AddKeys(saltfake.Denied, "web1")
	},
	"key_reject_pending": func(m *saltfake.Master) { m.AddKeys(saltfake.Pending, "pend4", "pend5") },
	"login_ok_json": func(m *saltfake.Master) {
		for _, id := range []string{"web1", "web2"} {
			m.AddMinion(id, map[string]any{"role": "web", "os_family": "Debian"})
		}
	},
	"short_token_after_expiry":            func(*saltfake.Master) { time.Sleep(4 * time.Second) },
	"offline_minion_local_async":          func(m *saltfake.Master) { m.AddMinion("db1", nil); m.StopMinion("web2") },
	"offline_minion_back_list_job":        func(m *saltfake.Master) { m.AddMinion("web2", nil) },
	"api_restarted_old_token":             func(m *saltfake.Master) { m.ForgetSessions() },
	"master_hung_local_async":             down(saltfake.Unexpected),
	"master_hung_wheel":                   down(saltfake.Page(503, "Message timed out")),
	"master_resumed_same_token":           down(nil),
	"master_down_local_sync":              down(saltfake.Unexpected),
	"master_down_wheel":                   down(saltfake.Page(503, "Message timed out")),
	"master_down_no_ipc_file_wheel":       down(saltfake.Page(503, "Salt Master is not available.")),
	"master_down_no_ipc_file_login":       down(saltfake.Page(503, "Salt Master is not available.")),
	"master_restarted_same_token":         down(nil),
	"hung_dispatch_server_jid":            down(saltfake.Unexpected),
	"hung_own_jid_retry":                  down(nil),
	"salt_token_file_removed":             func(m *saltfake.Master) { m.ExpireTokens() },
	"master_down_no_ipc_file_local_async": down(saltfake.Page(503, "Salt Master is not available.")),
}

// TestReplay plays the recorded exchanges in their order, and compares the answers but for
// ids, times and tracebacks.
func TestReplay(t *testing.T) {
	t.Parallel()
	exchanges := recorded(t)
	synctest.Test(t, func(t *testing.T) {
		m := saltfake.New()
		p := player{m: m, tokens: map[string]string{}, jids: map[string]string{}}
		unused := maps.Clone(meanwhile)
		for _, e := range exchanges {
			if f := meanwhile[e.Name]; f != nil {
				f(m)
				delete(unused, e.Name)
			}
			got := p.play(t, e)
			if diff := cmp.Diff(expected(e), seen(got), anyOrder); diff != "" {
				t.Errorf("%s: -recorded +fake\n%s", e.Name, diff)
			}
		}
		if len(unused) > 0 {
			t.Errorf("no such exchanges: %v", slices.Sorted(maps.Keys(unused)))
		}
	})
	t.Logf("%d exchanges were played", len(exchanges))
	if len(exchanges) != 227 {
		t.Error("of 227 that were recorded")
	}
}

// player knows which of the fake's tokens and jids stand for the recorded ones.
type player struct {
	m            *saltfake.Master
	tokens, jids map[string]string
}

var (
	jid   = regexp.MustCompile(`\b\d{20}\b`)
	token = regexp.MustCompile(`\b[0-9a-f]{40}\b`)
)

func (p player) play(t *testing.T, e exchange) *httptest.ResponseRecorder {
	body := jid.ReplaceAllStringFunc(e.Request.Body, func(jid string) string {
		if own, ok := p.jids[jid]; ok {
			return own
		}
		return jid
	})
	r := httptest.NewRequest(e.Request.Method, e.Request.Path, strings.NewReader(body))
	for name, value := range e.Request.Headers {
		r.Header.Set(name, value)
	}
	if recorded := r.Header.Get("X-Auth-Token"); token.MatchString(recorded) && !strings.HasPrefix(recorded, "deadbeef") {
		if _, known := p.tokens[recorded]; !known {
			p.tokens[recorded] = logIn(t, p.m)
		}
		r.Header.Set("X-Auth-Token", p.tokens[recorded])
	}
	w := httptest.NewRecorder()
	p.m.ServeHTTP(w, r)
	if granted := e.Response.Headers["X-Auth-Token"]; granted != "" {
		p.tokens[granted] = w.Header().Get("X-Auth-Token")
	}
	theirs, ours := jid.FindAllString(e.Response.Body, -1), jid.FindAllString(w.Body.String(), -1)
	for i := range min(len(theirs), len(ours)) {
		p.jids[theirs[i]] = ours[i]
	}
	return w
}

// logIn gets a token as the account that was used where no login was recorded.
func logIn(t *testing.T, m *saltfake.Master) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(`{"username":"peeradmin","password":"admin-pw","eauth":"file"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	return w.Header().Get("X-Auth-Token")
}

// view is what of an answer is compared.
type view struct {
	Status  int
	Headers map[string]string
	Page    string // a page, literally
	JSON    any    // its values, without what is different each time
	Length  int    // of JSON, so that it is spaced alike
}

// anyOrder is for the one list that Salt fills in the order of the minions' answers.
var anyOrder = cmp.FilterPath(func(p cmp.Path) bool {
	key, ok := p.Index(-2).(cmp.MapIndex)
	return ok && key.Key().String() == "Running"
}, cmpopts.SortSlices(func(a, b any) bool { return fmt.Sprint(a) < fmt.Sprint(b) }))

func expected(e exchange) view {
	headers := http.Header{}
	for name, value := range e.Response.Headers {
		headers.Set(name, value)
	}
	return look(e.Response.Status, headers, e.Response.Body)
}

func seen(w *httptest.ResponseRecorder) view { return look(w.Code, w.Header(), w.Body.String()) }

func look(status int, headers http.Header, body string) view {
	v := view{Status: status, Headers: map[string]string{}}
	for _, name := range []string{"Content-Type", "Allow", "Server", "Cache-Control", "Access-Control-Allow-Origin", "X-Auth-Token", "Set-Cookie"} {
		value, _, _ := strings.Cut(headers.Get(name), ";")
		v.Headers[name] = token.ReplaceAllString(value, "<token>")
	}
	if !strings.HasPrefix(headers.Get("Content-Type"), "application/json") {
		v.Page = body
		return v
	}
	body = normal(body)
	v.Length = len(body)
	if err := json.Unmarshal([]byte(body), &v.JSON); err != nil {
		v.JSON = body
	}
	return v
}

// different are the parts of a body that are different each time.
var different = []struct {
	what *regexp.Regexp
	as   string
}{
	{jid, "<jid>"},
	{token, "<token>"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}`), "<stamp>"},
	{regexp.MustCompile(`\d{4}, [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d\.\d{6}`), "<time>"},
	{regexp.MustCompile(`"(expire|start)": [\d.]+`), `"$1": 0`},
	{regexp.MustCompile(`(at pid |"pid": |"web\d": )\d+`), `${1}0`},
	{regexp.MustCompile(`(?:[0-9a-f]{2}:){31}[0-9a-f]{2}`), "<finger>"},
	{regexp.MustCompile(`(Traceback \(most recent call last\):\\n)(?:  .*?\\n|    .*?\\n)+(salt\.)`), "$1$2"},
	{regexp.MustCompile(`(    raise SaltInvocationError\(\\n)`), ""},
	{regexp.MustCompile(`(Passed invalid arguments: .*?\\n\\nUsage:\\n)[^"]*`), "$1"},
}

func normal(body string) string {
	for _, d := range different {
		body = d.what.ReplaceAllString(body, d.as)
	}
	return body
}

func down(answer *saltfake.Response) func(*saltfake.Master) {
	return func(m *saltfake.Master) {
		if answer == nil {
			m.OnRequest(nil)
			return
		}
		m.OnRequest(func(_ context.Context, r saltfake.Request) *saltfake.Response {
			if strings.HasPrefix(r.Header.Get("X-Auth-Token"), "deadbeef") {
				return nil // refused before the master is asked
			}
			return answer
		})
	}
}

func recorded(t *testing.T) []exchange {
	t.Helper()
	f, err := os.Open("testdata/transcripts.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []exchange
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var e exchange
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
