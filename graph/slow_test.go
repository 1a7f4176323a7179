package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"halite/internal/audit"
	"halite/internal/httpapi/apitest"
)

// deaf opens a connection whose client reads nothing but what it asks for.
func deaf(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		err = c.(*net.TCPConn).SetReadBuffer(4 << 10)
	}
	return c, err
}

// deafReaders open a stream by each transport and read nothing of it.
var deafReaders = map[string]func(t *testing.T, s *apitest.Server, cookie string) (hangUp func()){
	"event stream": func(t *testing.T, s *apitest.Server, cookie string) func() {
		return deafRequest(t, s, "GET /api/audit/stream?after=0 HTTP/1.1\r\nHost: x\r\nCookie: "+cookie+"\r\n\r\n")
	},
	"SSE": func(t *testing.T, s *apitest.Server, cookie string) func() {
		body := `{"query":"subscription { auditEntryAdded(after: \"0\") { id argsJson } }"}`
		return deafRequest(t, s, fmt.Sprintf("POST /graphql HTTP/1.1\r\nHost: x\r\nCookie: %s\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			cookie, len(body), body))
	},
	"WebSocket": func(t *testing.T, s *apitest.Server, cookie string) func() {
		c, _, err := websocket.Dial(t.Context(), s.URL+"/graphql", &websocket.DialOptions{
			HTTPClient:   &http.Client{Transport: &http.Transport{DialContext: deaf}},
			Subprotocols: []string{protocol}, HTTPHeader: http.Header{"Cookie": {cookie}},
		})
		if err != nil {
			t.Fatal(err)
		}
		conn := &socket{c}
		conn.send(t, `{"type":"connection_init"}`)
		conn.next(t)
		conn.subscribe(t, "a", object{"query": `subscription { auditEntryAdded(after: "0") { id argsJson } }`})
		return func() { _ = c.CloseNow() }
	},
}

func deafRequest(t *testing.T, s *apitest.Server, request string) (hangUp func()) {
	t.Helper()
	conn, err := deaf(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	return func() { _ = conn.Close() }
}

// rowsOf are the rows of an action.
func rowsOf(t *testing.T, s *apitest.Server, action string) []audit.Entry {
	t.Helper()
	entries, err := s.DB.Ascend(t.Context(), audit.Filter{Action: &action}, 1, 1<<40, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// liveBytes is how many bytes of objects the heap holds that somebody needs.
func liveBytes() uint64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// TestDeafReaders: whoever does not read at all, and is never cut off, keeps nobody from
// writing and takes no more than some batches of memory, however much is written.
func TestDeafReaders(t *testing.T) { // alone: it measures memory
	const writers, each, size = 16, 150, 30 << 10 // 72 MB
	const each200 = 200 * size                    // bytes of entries that a stream reads at a time
	s := apitest.Start(t, apitest.Options{SilentReads: true, Patience: time.Hour})
	s.GraphQL.SetTimes(time.Hour, time.Hour, time.Hour) // nor found out by a ping
	cookie := s.Cookie(t, "admin")
	before := liveBytes()
	var hangUp []func()
	for _, open := range deafReaders {
		hangUp = append(hangUp, open(t, s, cookie))
	}
	for len(rowsOf(t, s, "audit.stream")) < len(deafReaders) {
		continue
	}
	filler := object{"filler": strings.Repeat("x", size)}
	var writing sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for range each {
				record(t, s, "large", filler)
			}
		})
	}
	writing.Wait() // none of them waits for a reader: none of these ever reads
	// Entries and the text made of them, of each stream.
	if grown, bound := int64(liveBytes())-int64(before), int64(len(deafReaders)*3*each200); grown > bound {
		t.Errorf("%d MB are held, more than %d", grown>>20, bound>>20)
	}
	if ends := rowsOf(t, s, "audit.stream.end"); len(ends) > 0 {
		t.Errorf("ended: %+v", ends)
	}
	for _, f := range hangUp {
		f()
	}
	for len(rowsOf(t, s, "audit.stream.end")) < len(deafReaders) {
		continue
	}
	for _, e := range rowsOf(t, s, "audit.stream.end") {
		var args struct{ Count int }
		if err := json.Unmarshal(e.Args, &args); err != nil || e.ResultCode != 499 || args.Count >= writers*each {
			t.Errorf("%+v, %s", e, e.Args)
		}
	}
}

// TestDeafReadersAreCutOff: who does not take what is sent in time is cut off, and his last
// row says so; those who write do not notice.
func TestDeafReadersAreCutOff(t *testing.T) {
	t.Parallel()
	for name, open := range deafReaders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apitest.Start(t, apitest.Options{Patience: 300 * time.Millisecond})
			defer open(t, s, s.Cookie(t, "admin"))()
			awaitRow(t, s, "audit.stream")
			filler := object{"filler": strings.Repeat("x", 30<<10)}
			written := 0
			for ; len(rowsOf(t, s, "audit.stream.end")) == 0; written++ { // until all buffers between here and there are full
				record(t, s, "large", filler)
			}
			end := rowsOf(t, s, "audit.stream.end")[0]
			var args struct{ Count int }
			if err := json.Unmarshal(end.Args, &args); err != nil || end.ResultCode != 499 || end.Decision != audit.Allow || args.Count > written {
				t.Errorf("%+v of %d, %v", end, written, err)
			}
		})
	}
}
