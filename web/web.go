// Package web serves the pages of the program, the Audit page, administration and GraphiQL, and what they load.
//
// The files are built from the TypeScript sources in this folder by "npm run build" and embedded, most of them
// compressed; "npm run check-dist" proves that they are what the sources build. The pages load nothing from any other
// origin.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed all:dist
var dist embed.FS

// policy is the Content-Security-Policy of every answer but editorPolicy's. Workers obey the one sent with their own script.
// Nothing may stand in a page's own text, and no text becomes code.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// editorPolicy is that of GraphiQL and of the assets, among them its workers.
//
// The editor adds style elements at run time and writes style attributes as text, hence 'unsafe-inline' for styles; it
// draws its squiggles as data: images. Forms are sent by script alone, so that no form may go anywhere by itself.
const editorPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler serves GET and HEAD of /audit and, the same page, /audit/ID; of /admin and, the same page, what it is made of, such as /admin/users; of /graphiql,
// /favicon.svg, /licenses.md (of the code in the pages) and the files below /assets/. It answers 404 to any other path and 405 to any other method.
//
// Assets carry a hash of their content in their names and may be kept for ever; the rest has to be asked for again, which
// an ETag makes cheap. Clients that do not accept gzip get the plain file.
func Handler() http.Handler {
	files := load()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		name := r.URL.Path
		switch {
		case entry.MatchString(name):
			name = "/audit"
		case admin.MatchString(name):
			name = "/admin"
		}
		h.Set("Content-Security-Policy", policy)
		if name == "/graphiql" || strings.HasPrefix(name, "/assets/") {
			h.Set("Content-Security-Policy", editorPolicy)
		}
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		f, ok := files[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
			return
		}
		f.serve(w, r)
	})
}

// entry is the permanent link of an entry of the log.
var entry = regexp.MustCompile(`^/audit/[1-9][0-9]{0,18}$`)

// admin are the parts of the administration.
var admin = regexp.MustCompile(`^/admin/(users|roles|settings|run|keys)$`)

// file is one embedded file.
type file struct {
	contentType string
	cache       string
	etag        string // of the plain content, without its quotes
	gzipped     []byte // nil if the file is kept plain
	plain       func() []byte
}

// load reads the embedded files, by the path they are served under.
func load() map[string]*file {
	files := map[string]*file{}
	err := fs.WalkDir(dist, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := dist.ReadFile(name)
		if err != nil {
			return err
		}
		name, gzipped := strings.CutSuffix(strings.TrimPrefix(name, "dist"), ".gz")
		sum := sha256.Sum256(content)
		f := &file{contentType: contentTypes[path.Ext(name)], cache: "no-cache", etag: hex.EncodeToString(sum[:8])}
		if f.contentType == "" {
			panic("web: no content type for " + name)
		}
		if strings.HasPrefix(name, "/assets/") {
			f.cache = "public, max-age=31536000, immutable"
		}
		if gzipped {
			f.gzipped = content
			// Kept once made: the files are few, and clients that need this are rare.
			f.plain = sync.OnceValue(func() []byte { return gunzip(content) })
		} else {
			f.plain = func() []byte { return content }
		}
		files[strings.TrimSuffix(name, ".html")] = f
		return nil
	})
	if err != nil {
		panic(err) // an embedded folder is always readable
	}
	return files
}

// contentTypes are ours, so that no table of the machine can change what a browser is told.
var contentTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".md":    "text/markdown; charset=utf-8",
	".svg":   "image/svg+xml",
	".ttf":   "font/ttf",
	".woff2": "font/woff2",
}

// serve answers GET and HEAD, conditional requests and ranges.
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", f.cache)
	content, etag := f.gzipped, f.etag+"-gz"
	if f.gzipped != nil {
		h.Set("Vary", "Accept-Encoding")
	}
	if f.gzipped != nil && acceptsGzip(r.Header.Values("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", strconv.Itoa(len(content))) // net/http leaves it out of encoded answers
	} else {
		content, etag = f.plain(), f.etag
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// acceptsGzip reports whether the Accept-Encoding lines allow gzip: named, or else covered by "*", and not with weight 0.
func acceptsGzip(lines []string) bool {
	accepted := false
	for item := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		coding, parameters, _ := strings.Cut(item, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "gzip" && coding != "*" {
			continue
		}
		weight := 1.0
		if q, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(parameters)), "q="); ok {
			weight, _ = strconv.ParseFloat(strings.TrimSpace(q), 64) // what is no number accepts nothing
		}
		if coding == "gzip" {
			return weight > 0
		}
		accepted = weight > 0
	}
	return accepted
}

// gunzip returns what an embedded file holds.
func gunzip(content []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		panic(err) // the file was compressed when it was built, and tests read each
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	return plain
}
