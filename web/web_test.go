package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// answer is what a test looks at in a response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask sends one request to a server of its own. The header is given as name, value, name, value.
func ask(t *testing.T, method, path string, header ...string) answer {
	t.Helper()
	server := httptest.NewServer(Handler())
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	// Without this the client asks for gzip by itself, and hides that it got it.
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, body}
}

func TestPages(t *testing.T) {
	t.Parallel()
	for path, csp := range map[string]string{
		"/audit": policy, "/audit/9223372036854775807": policy, "/graphiql": editorPolicy,
		"/admin": policy, "/admin/users": policy, "/admin/roles": policy, "/admin/settings": policy, "/admin/run": policy, "/admin/keys": policy,
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			testPage(t, path, csp)
		})
	}
}

func testPage(t *testing.T, path, csp string) {
	got := ask(t, http.MethodGet, path)
	if got.status != http.StatusOK {
		t.Fatalf("status %d", got.status)
	}
	for name, want := range map[string]string{
		"Content-Type":               "text/html; charset=utf-8",
		"Cache-Control":              "no-cache",
		"X-Content-Type-Options":     "nosniff",
		"Referrer-Policy":            "no-referrer",
		"Cross-Origin-Opener-Policy": "same-origin",
		"Content-Security-Policy":    csp,
	} {
		if diff := cmp.Diff(want, got.header.Get(name)); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	// What the page names is there, and all of it is ours: no inline script, no other origin.
	links := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllSubmatch(got.body, -1)
	if len(links) < 3 {
		t.Errorf("the page loads %d files only", len(links))
	}
	for _, link := range links {
		path := string(link[1])
		if linked := ask(t, http.MethodGet, path); linked.status != http.StatusOK {
			t.Errorf("the page names %q: status %d", path, linked.status)
		}
	}
	for _, script := range regexp.MustCompile(`<script[^>]*>`).FindAll(got.body, -1) {
		if !bytes.Contains(script, []byte(` src="/assets/`)) {
			t.Errorf("script without a file: %s", script)
		}
	}
}

func TestEveryFile(t *testing.T) {
	t.Parallel()
	hashed := regexp.MustCompile(`-[\w-]{8}\.\w+$`)
	err := fs.WalkDir(dist, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		stored, err := dist.ReadFile(name)
		if err != nil {
			return err
		}
		path, compressed := strings.CutSuffix(strings.TrimPrefix(name, "dist"), ".gz")
		path = strings.TrimSuffix(path, ".html")

		plain := ask(t, http.MethodGet, path)
		if plain.status != http.StatusOK || plain.header.Get("Content-Encoding") != "" {
			t.Errorf("%s, plain: status %d, encoding %q", path, plain.status, plain.header.Get("Content-Encoding"))
		}
		packed := ask(t, http.MethodGet, path, "Accept-Encoding", "gzip, deflate, br")
		if compressed {
			if packed.header.Get("Content-Encoding") != "gzip" || !bytes.Equal(packed.body, stored) {
				t.Errorf("%s is not served as it is stored", path)
			}
			if packed.header.Get("Vary") != "Accept-Encoding" || plain.header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s does not tell caches that its encoding varies", path)
			}
			r, err := gzip.NewReader(bytes.NewReader(stored))
			if err != nil {
				return err
			}
			if stored, err = io.ReadAll(r); err != nil {
				return err
			}
		} else if packed.header.Get("Content-Encoding") != "" {
			t.Errorf("%s is served encoded", path)
		}
		if !bytes.Equal(plain.body, stored) {
			t.Errorf("%s is not served as it was built", path)
		}
		if compressed == (plain.header.Get("ETag") == packed.header.Get("ETag")) {
			t.Errorf("%s: ETag %s plain, %s packed", path, plain.header.Get("ETag"), packed.header.Get("ETag"))
		}

		forever := "public, max-age=31536000, immutable"
		if asset := strings.HasPrefix(path, "/assets/"); asset != (plain.header.Get("Cache-Control") == forever) {
			t.Errorf("%s: Cache-Control %q", path, plain.header.Get("Cache-Control"))
		} else if asset && !hashed.MatchString(path) {
			t.Errorf("%s is cached for ever, but its name does not depend on its content", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAskingAgain(t *testing.T) {
	t.Parallel()
	asset := anAsset(t)
	for _, encoding := range []string{"gzip", "identity"} {
		first := ask(t, http.MethodGet, asset, "Accept-Encoding", encoding)
		again := ask(t, http.MethodGet, asset, "Accept-Encoding", encoding, "If-None-Match", first.header.Get("ETag"))
		if again.status != http.StatusNotModified || len(again.body) != 0 {
			t.Errorf("%s: status %d with %d bytes for what the client has", encoding, again.status, len(again.body))
		}
		other := ask(t, http.MethodGet, asset, "Accept-Encoding", encoding, "If-None-Match", `"other"`)
		if other.status != http.StatusOK || !bytes.Equal(other.body, first.body) {
			t.Errorf("%s: status %d with %d bytes for what the client has not", encoding, other.status, len(other.body))
		}
		part := ask(t, http.MethodGet, asset, "Accept-Encoding", encoding, "Range", "bytes=10-19")
		if part.status != http.StatusPartialContent || !bytes.Equal(part.body, first.body[10:20]) {
			t.Errorf("%s: status %d with %q for ten bytes", encoding, part.status, part.body)
		}
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/audit", "/audit/1", "/admin", "/admin/keys", "/graphiql", "/favicon.svg", anAsset(t)} {
		for _, encoding := range []string{"gzip", "identity"} {
			get := ask(t, http.MethodGet, path, "Accept-Encoding", encoding)
			head := ask(t, http.MethodHead, path, "Accept-Encoding", encoding)
			get.header.Del("Date")
			head.header.Del("Date")
			if diff := cmp.Diff(get.header, head.header); diff != "" || head.status != get.status || len(head.body) != 0 {
				t.Errorf("%s, %s: status %d, %d bytes, -GET +HEAD\n%s", path, encoding, head.status, len(head.body), diff)
			}
			if head.header.Get("Content-Length") == "" {
				t.Errorf("%s, %s: no length", path, encoding)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	asset := anAsset(t)
	for _, path := range []string{
		"/", "/audit/", "/audit/0", "/audit/01", "/audit/x", "/audit/1/", "/audit/1x", "/audit/92233720368547758070", "/audit.html", "/admin/", "/admin/users/", "/admin/users/1", "/admin/none", "/admin.html", "/graphiql/", "/graphiql.html", "/dist/graphiql.html", "/assets", "/assets/", "/assets/none.js", asset + ".gz",
		"/assets/../graphiql", "/assets/%2e%2e/graphiql",
	} {
		if got := ask(t, http.MethodGet, path); got.status != http.StatusNotFound || got.header.Get("Content-Security-Policy") == "" {
			t.Errorf("GET %s: status %d, headers %v", path, got.status, got.header)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		for _, path := range []string{"/graphiql", asset} {
			if got := ask(t, method, path); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: status %d, Allow %q", method, path, got.status, got.header.Get("Allow"))
			}
		}
		if got := ask(t, method, "/none"); got.status != http.StatusNotFound {
			t.Errorf("%s of an unknown path: status %d", method, got.status)
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		lines []string
		want  bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"gzip"}, true},
		{[]string{"GZIP"}, true},
		{[]string{"br, gzip"}, true},
		{[]string{"br", "deflate, gzip;q=0.5"}, true},
		{[]string{"br;q=1.0 , gzip ; q=0.001"}, true},
		{[]string{"gzip;q=0"}, false},
		{[]string{"gzip; Q=0.000, *"}, false},
		{[]string{"gzip;q=x"}, false},
		{[]string{"*"}, true},
		{[]string{"*;q=0"}, false},
		{[]string{"*;q=0, gzip"}, true},
		{[]string{"identity"}, false},
		{[]string{"x-gzip2, br"}, false},
	} {
		if got := acceptsGzip(test.lines); got != test.want {
			t.Errorf("acceptsGzip(%q) = %v, want %v", test.lines, got, test.want)
		}
	}
}

// anAsset is the path of the script that the page loads first.
func anAsset(t *testing.T) string {
	t.Helper()
	page := ask(t, http.MethodGet, "/graphiql")
	match := regexp.MustCompile(`src="(/assets/[^"]+\.js)"`).FindSubmatch(page.body)
	if match == nil {
		t.Fatalf("the page loads no script:\n%s", page.body)
	}
	return string(match[1])
}
