package main

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// TestStopEndsStreams: a server that is told to end lets its streams go in order: each client
// learns that it can come again, the last rows are written, and server.stop is behind them.
func TestStopEndsStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.cookies["admin"]
	sse := w.open(t, admin, `subscription { auditEntryAdded(filter: {action: "none"}) { id } }`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+"/api/audit/stream?action=none", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", admin)
	rest, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rest.Body.Close() }()
	socket, _, err := websocket.Dial(t.Context(), w.URL+"/graphql", &websocket.DialOptions{
		Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"Cookie": {admin}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	for _, m := range []string{
		`{"type":"connection_init"}`,
		`{"id":"a","type":"subscribe","payload":{"query":"subscription { auditEntryAdded(filter: {action: \"none\"}) { id } }"}}`,
	} {
		if err := socket.Write(t.Context(), websocket.MessageText, []byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the row of the third stream", func() bool {
		return w.text(t, "SELECT count(*) FROM audit_log WHERE action = 'audit.stream'") == "3"
	})

	closed := make(chan error, 1)
	go func() {
		for {
			if _, _, err := socket.Read(t.Context()); err != nil {
				closed <- err
				return
			}
		}
	}()
	w.stop(t)
	if got := left(t, rest); !strings.HasSuffix(got, "event: end\ndata: {\"code\":\"AUDIT_UNAVAILABLE\",\"message\":\"The server is being stopped\"}\n\n") {
		t.Errorf("the event stream ends with %q", got)
	}
	if got := left(t, sse); strings.Contains(got, "event: complete") {
		t.Errorf("the subscription is said to be complete: %q", got)
	}
	if err := receive(t, "the end of the socket", closed); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		t.Errorf("the socket ends with %v", err)
	}
	var last []string
	for _, e := range w.Rows(t) {
		if e.Action == "audit.stream.end" || e.Action == "server.stop" {
			last = append(last, e.Action)
			if e.Action == "audit.stream.end" && (e.ResultCode != 503 || e.Decision != "allow") {
				t.Errorf("%+v", e)
			}
		}
	}
	want := []string{"audit.stream.end", "audit.stream.end", "audit.stream.end", "server.stop"}
	if !slices.Equal(last, want) {
		t.Errorf("the rows are %q", last)
	}
}

// left is what a stream still says, which ends well or is cut.
func left(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(bufio.NewReader(res.Body))
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	return string(b)
}
