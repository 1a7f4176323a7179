package httpapi

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"halite/internal/export"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/proof"
)

const (
	maxExports    = 4                // under way at once; they share the readers with everybody else
	exportTimeout = 60 * time.Second // for a batch to be taken by the client
)

// export is GET /api/audit/export: the entries that the parameters of GET /api/audit but
// limit and offset (which are refused) select, oldest first, as `format` says: ndjson (the default) or csv.
// Needs `export` on `audit:*`, recorded as audit.export before the first byte and as
// audit.export.end at the end. The last line is a footer; an answer without one was cut.
// 200; 401, 403, 422 in this order; 429 while others are under way; 503.
func (a *api) export(w http.ResponseWriter, r *http.Request) {
	values := paramValues(r.URL.RawQuery)
	q, bad := parseAuditQuery(r.URL.RawQuery)
	format := export.NDJSON
	if v, ok := values["format"]; ok {
		if format = export.Format(v); format.Check() != nil {
			bad = append(bad, fieldError{
				Type: "enum", Loc: []any{"query", "format"}, Msg: "Input should be 'ndjson' or 'csv'", Input: &v,
				Ctx: map[string]any{"expected": "'ndjson' or 'csv'"},
			})
		}
	}
	args := auditArgs(values)
	args["format"] = string(format)
	for _, name := range []string{"limit", "offset"} { // of a page: an export cut short would not say so
		v, ok := values[name]
		if !ok {
			delete(args, name)
			continue
		}
		bad = slices.DeleteFunc(bad, func(e fieldError) bool { return e.Loc[1] == name })
		bad = append(bad, fieldError{Type: "extra_forbidden", Loc: []any{"query", name}, Msg: "Extra inputs are not permitted", Input: &v})
	}
	release := func() {}
	defer func() { release() }()
	rng := export.Range{Filter: q.query().Filter}
	s, err := a.Guard.Begin(r.Context(), guard.Action{Name: "audit.export", Verb: "export", Resource: "audit:*", Args: args},
		func(ctx context.Context) (err error) {
			if len(bad) > 0 {
				return fault.New(fault.BadUserInput, "a query parameter is not valid")
			}
			select {
			case a.exports <- struct{}{}:
				release = func() { <-a.exports }
			default:
				return &fault.Error{Code: fault.RateLimited, Message: fmt.Sprintf("%d exports are under way: try again later", maxExports), RetryAfter: 10 * time.Second}
			}
			rng.First, rng.Last, err = a.Log.Bounds(ctx, rng.Filter)
			return err
		})
	switch {
	case err == nil:
		a.sendExport(w, r, s, rng, format, args)
	case len(bad) > 0 && fault.From(err).Code == fault.BadUserInput:
		sendInvalid(w, bad)
	default:
		fail(w, err)
	}
}

// sendExport writes the answer. What ends it early leaves it without its last chunk, so
// that the client notices.
func (a *api) sendExport(w http.ResponseWriter, r *http.Request, s *guard.Stream, rng export.Range, format export.Format, args map[string]any) {
	h := w.Header()
	h.Set("Content-Type", format.ContentType())
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="halite-audit-%d-%d.%s"`, rng.First, max(rng.Last, rng.First), format))
	h.Set("Vary", "Accept-Encoding")
	var compress io.WriteCloser
	out := bufio.NewWriterSize(w, 64<<10)
	var to io.Writer = out
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		compress, _ = gzip.NewWriterLevel(out, gzip.BestSpeed)
		to = compress
	}
	control := http.NewResponseController(w)
	patience := func() error { return control.SetWriteDeadline(time.Now().Add(exportTimeout)) }
	f := export.NewWriter(to, format)
	err := s.Run(func(ctx context.Context) (int64, error) {
		var missing []export.IDs
		err := patience()
		if err == nil {
			w.WriteHeader(http.StatusOK)
			err = control.Flush() // it is under way
		}
		if err == nil {
			missing, err = export.Copy(ctx, a.Log, rng, f, patience)
		}
		var proven *export.Proof
		if err == nil && format == export.NDJSON {
			proven, err = proof.Export(ctx, a.Tree, rng, missing)
		}
		if err == nil {
			filter, _ := args["filter"].(map[string]any)
			err = f.Close(export.Footer{FirstID: rng.First, LastID: rng.Last, Filter: filter, Missing: missing, At: time.Now(), Proof: proven})
		}
		if err == nil && compress != nil {
			err = compress.Close()
		}
		return f.Count(), err
	})
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// acceptsGzip reports whether a client that sends this Accept-Encoding takes gzip.
func acceptsGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if c := strings.ToLower(strings.TrimSpace(coding)); c == "gzip" || c == "*" {
			q := strings.ReplaceAll(strings.ToLower(weight), " ", "")
			return strings.Trim(strings.TrimPrefix(q, "q="), "0.") != "" || q == ""
		}
	}
	return false
}
