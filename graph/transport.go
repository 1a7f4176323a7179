package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"halite/internal/fault"
)

const (
	maxBody  = 1 << 20  // bytes of a request
	maxQuery = 64 << 10 // bytes of a query's text, white space and comments included: it is kept in caches
)

const (
	typeGraphQL = "application/graphql-response+json"
	typeJSON    = "application/json"
)

// codeBadRequest is the code of a request that is no GraphQL request at all.
const codeBadRequest = "BAD_REQUEST"

// transport is GraphQL over HTTP, POST and GET, where gqlgen's own transports stray
// from it: a mutation by GET is 405, a request that could not be executed has no
// `data`, and the status follows the media type that the client accepts. Only JSON
// bodies are taken: a form can be sent across sites without being asked for. Who accepts
// text/event-stream gets GraphQL over SSE.
type transport struct {
	beat     time.Duration // how long an event stream can be silent
	patience time.Duration // how long a client may take for what is sent
}

var _ graphql.Transport = transport{}

func (transport) Supports(*http.Request) bool { return true }

func (t transport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	media := negotiate(r.Header.Values("Accept"), typeGraphQL, typeJSON, typeEvents)
	if media == "" {
		reply{typeJSON, http.StatusNotAcceptable}.fail(w, codeBadRequest, "The answer can be "+typeGraphQL+", "+typeJSON+" or "+typeEvents)
		return
	}
	plain := media // of what is no stream of events
	if media == typeEvents {
		plain = typeJSON
	}
	params, problem := readParams(w, r)
	if problem != nil {
		if problem.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", "GET, POST")
		}
		reply{plain, problem.status}.fail(w, codeBadRequest, problem.message)
		return
	}
	start := graphql.Now()
	params.ReadTime = graphql.TraceTiming{Start: start, End: start}
	params.Headers = r.Header
	ctx := r.Context()
	oc, errs := exec.CreateOperationContext(ctx, params)
	if len(errs) > 0 {
		resp := exec.DispatchError(graphql.WithOperationContext(ctx, oc), errs)
		if media == typeEvents { // a client of the protocol tells of nothing else in detail
			t.events(w, func() {}).whole(resp)
			return
		}
		status := http.StatusOK
		if media == typeGraphQL {
			status = http.StatusBadRequest
		}
		reply{media, status}.write(w, nil, resp.Errors)
		return
	}
	if r.Method == http.MethodGet && oc.Operation.Operation == ast.Mutation {
		w.Header().Set("Allow", "POST")
		reply{plain, http.StatusMethodNotAllowed}.fail(w, codeBadRequest, "GET serves no mutations; send this with POST")
		return
	}
	subscribes := oc.Operation.Operation == ast.Subscription
	if media == typeEvents || subscribes && negotiate(r.Header.Values("Accept"), typeEvents) == typeEvents {
		t.serve(w, ctx, exec, oc)
		return
	}
	if subscribes {
		reply{media, http.StatusNotAcceptable}.fail(w, codeBadRequest, "A subscription is answered as "+typeEvents+", or by the protocol "+protocol)
		return
	}
	responses, ctx := exec.DispatchOperation(withSealed(withDecisions(ctx)), oc)
	resp := responses(ctx)
	if resp == nil { // the client has gone
		return
	}
	data := resp.Data
	if data == nil {
		data = json.RawMessage("null")
	}
	reply{media, http.StatusOK}.write(w, data, resp.Errors)
}

// problem is a request that cannot be read.
type problem struct {
	status  int
	message string
}

func readParams(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, *problem) {
	switch r.Method {
	case http.MethodGet:
		return readQuery(r.URL.Query())
	case http.MethodPost:
		return readBody(w, r)
	}
	return nil, &problem{http.StatusMethodNotAllowed, "GraphQL is served by POST and GET"}
}

func readQuery(q url.Values) (*graphql.RawParams, *problem) {
	p := &graphql.RawParams{Query: q.Get("query"), OperationName: q.Get("operationName")}
	for name, into := range map[string]*map[string]any{"variables": &p.Variables, "extensions": &p.Extensions} {
		if raw := q.Get(name); raw != "" {
			if err := decode(strings.NewReader(raw), into); err != nil {
				return nil, &problem{http.StatusBadRequest, name + " must be a JSON object"}
			}
		}
	}
	return checkParams(p)
}

func readBody(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, *problem) {
	media, ps, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := ps["charset"]; err != nil || media != typeJSON || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return nil, &problem{http.StatusUnsupportedMediaType, "The body must be application/json in UTF-8"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return nil, &problem{http.StatusRequestEntityTooLarge, "The body is larger than 1 MiB"}
		}
		return nil, &problem{http.StatusBadRequest, "The body could not be read"}
	}
	return parseParams(body)
}

// parseParams reads a request from its JSON.
func parseParams(body []byte) (*graphql.RawParams, *problem) {
	var p struct {
		Query         *string        `json:"query"`
		OperationName *string        `json:"operationName"`
		Variables     map[string]any `json:"variables"`
		Extensions    map[string]any `json:"extensions"`
	}
	if err := decode(bytes.NewReader(body), &p); err != nil {
		if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && t.Field != "" {
			return nil, &problem{http.StatusBadRequest, t.Field + " has the wrong type"}
		}
		return nil, &problem{http.StatusBadRequest, "The body must be a JSON object with a query"}
	}
	out := &graphql.RawParams{Variables: p.Variables, Extensions: p.Extensions}
	if p.Query != nil {
		out.Query = *p.Query
	}
	if p.OperationName != nil {
		out.OperationName = *p.OperationName
	}
	return checkParams(out)
}

func checkParams(p *graphql.RawParams) (*graphql.RawParams, *problem) {
	if len(p.Query) > maxQuery {
		return nil, &problem{http.StatusRequestEntityTooLarge, "query is longer than 64 KiB"}
	}
	if p.Query == "" && p.Extensions["persistedQuery"] == nil {
		return nil, &problem{http.StatusBadRequest, "query is missing"}
	}
	return p, nil
}

// decode reads exactly one JSON value; numbers keep their digits.
func decode(r io.Reader, into any) error {
	d := json.NewDecoder(r)
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

// negotiate picks the media type of the answer among those offered; empty if the client
// takes none of them.
func negotiate(accept []string, offered ...string) string {
	if len(accept) == 0 {
		return typeJSON
	}
	best, weight := "", 0.0
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, ps, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if s, ok := ps["q"]; ok {
			if q, err = strconv.ParseFloat(s, 64); err != nil {
				continue
			}
		}
		switch media {
		case "*/*", "application/*":
			media = typeJSON
		}
		if q > weight && slices.Contains(offered, media) {
			best, weight = media, q
		}
	}
	return best
}

// reply is the head of an answer.
type reply struct {
	media  string
	status int
}

func (h reply) fail(w http.ResponseWriter, code, message string) {
	h.write(w, nil, gqlerror.List{refuse(code, "%s", message)})
}

// write sends data as it is, neither marshalled again nor copied; nil leaves it out. What
// is behind it in its array is overwritten. Two failures keep their HTTP status, whatever
// the media type: being limited, and an audit log that cannot be written.
func (h reply) write(w http.ResponseWriter, data json.RawMessage, errs gqlerror.List) {
	for _, e := range errs {
		code, _ := e.Extensions["code"].(fault.Code)
		if code == fault.RateLimited || code == fault.AuditUnavailable {
			h.status = code.HTTPStatus()
			if after, ok := e.Extensions["retryAfter"].(int); ok {
				w.Header().Set("Retry-After", strconv.Itoa(after))
			}
		}
	}
	head := []byte{'{'}
	if len(errs) > 0 {
		b, err := json.Marshal(errs)
		if err != nil {
			b = []byte(`[{"message":"Internal server error","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]`)
		}
		head = append(append(head, `"errors":`...), b...)
		if data != nil {
			head = append(head, ',')
		}
	}
	if data != nil {
		head = append(head, `"data":`...)
	}
	data = append(data, "}\n"...)
	w.Header().Set("Content-Type", h.media+"; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(head)+len(data)))
	w.WriteHeader(h.status)
	_, _ = w.Write(head)
	_, _ = w.Write(data)
}
