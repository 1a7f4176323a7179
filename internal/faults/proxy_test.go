package faults

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// point is a moment in the life of a transaction that appends, or of an intent.
type point int32

const (
	never           point = iota
	beforeStatement       // the append is not forwarded
	statementAnswer       // the append has run, its answer is not returned
	beforeCommit          // what commits is not forwarded
	duringCommit          // what commits is forwarded, nobody waits for the answer
	commitAnswer          // the commit is done, its answer is not returned
	afterCommit           // the answer is returned
	intentAnswer          // an intent is durable, its answer is not returned
)

// proxy is a PostgreSQL socket that passes everything on to the real one, and cuts
// one connection at the moment it is told. It is safe for concurrent use.
type proxy struct {
	listener net.Listener
	target   string
	dir      string

	mu    sync.Mutex
	armed point
	down  bool // refuses connections
	fatal bool // the next cut is the end of all connections, and down
	hold  chan struct{}
	conns map[*link]bool
	hit   chan struct{} // one send per cut
}

// newProxy returns a proxy for the server of a URL, which must name a socket's
// folder. It ends with the test.
func newProxy(t *testing.T, rawURL string) *proxy {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "halite-proxy-") // a short path, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := ".s.PGSQL." + u.Query().Get("port")
	listener, err := net.Listen("unix", filepath.Join(dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{
		listener: listener, target: filepath.Join(u.Query().Get("host"), socket), dir: dir,
		conns: map[*link]bool{}, hit: make(chan struct{}, 1),
	}
	go p.accept()
	t.Cleanup(func() {
		listener.Close()
		p.mu.Lock()
		p.endAll()
		p.mu.Unlock()
	})
	return p
}

// through returns the URL that reaches the same database through the proxy.
func (p *proxy) through(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		panic(err)
	}
	q := u.Query()
	q.Set("host", p.dir)
	u.RawQuery = q.Encode()
	return u.String()
}

// arm has the next connection that comes to the point cut there. p.hit tells when.
func (p *proxy) arm(at point) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = at
}

// armFatal is arm, and from the cut on the server cannot be reached, until up.
func (p *proxy) armFatal(at point) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed, p.fatal = at, true
}

// armHeld is arm, but the cut waits for what it returns to be closed; p.hit tells
// when the point is reached.
func (p *proxy) armHeld(at point) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed, p.hold = at, make(chan struct{})
	return p.hold
}

// fall ends all connections, and the server cannot be reached, until up.
func (p *proxy) fall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	p.endAll()
}

func (p *proxy) up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		if !p.down { // who tries again and again must not keep PostgreSQL busy
			p.pass(client)
		} else {
			client.Close()
		}
		p.mu.Unlock()
	}
}

// pass connects a client to the server. p.mu is held.
func (p *proxy) pass(client net.Conn) {
	server, err := net.Dial("unix", p.target)
	if err != nil {
		client.Close()
		return
	}
	l := &link{proxy: p, client: client, server: server, appends: map[string]bool{}, intents: map[string]bool{}}
	p.conns[l] = true
	go l.forth()
	go l.back()
}

// reached says what is to be done at a point: pass says that the message goes on,
// cut that the connection ends with it. Only the first asked of one of the points
// gets an answer that is not never.
func (p *proxy) reached(points ...point) point {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range points {
		if p.armed == at {
			p.armed = never
			return at
		}
	}
	return never
}

func (p *proxy) endAll() {
	for l := range p.conns {
		l.end()
		delete(p.conns, l)
	}
}

// link is one connection.
type link struct {
	*proxy
	client, server net.Conn
	appends        map[string]bool // prepared statements that append
	intents        map[string]bool // that open an intent
	inTx, bound    bool
	pending        atomic.Int32 // the point that the way back has to watch for
}

func (l *link) end() { l.client.Close(); l.server.Close() }

// cut ends the link as armed.
func (l *link) cut() {
	l.mu.Lock()
	hold := l.hold
	l.hold = nil
	l.mu.Unlock()
	if hold != nil {
		l.hit <- struct{}{}
		<-hold
		l.end()
		return
	}
	l.mu.Lock()
	if l.fatal {
		l.fatal, l.down = false, true
		l.endAll()
	}
	l.mu.Unlock()
	l.end()
	l.hit <- struct{}{}
}

// forth passes on what the client says.
func (l *link) forth() {
	defer l.end()
	r := bufio.NewReader(l.client)
	start, err := read(r, 0) // has no type
	const cancelRequest = 80877102
	if err != nil || binary.BigEndian.Uint32(start[4:]) == cancelRequest { // which would hurry what is cut
		return
	}
	if _, err := l.server.Write(start); err != nil {
		return
	}
	for {
		message, err := read(r, 1)
		if err != nil {
			return
		}
		at := l.pointOf(message[0], message[5:])
		if at == beforeStatement || at == beforeCommit {
			l.cut()
			return
		}
		l.pending.Store(int32(at))
		if _, err := l.server.Write(message); err != nil {
			return
		}
		if at == duringCommit {
			l.cut()
			return
		}
	}
}

// pointOf follows the protocol as far as the points ask for it.
func (l *link) pointOf(kind byte, body []byte) point {
	pending := point(l.pending.Load())
	switch kind {
	case 'P':
		name, query, _ := bytes.Cut(body, []byte{0})
		l.appends[string(name)] = bytes.Contains(query, []byte("INSERT INTO audit_log"))
		l.intents[string(name)] = bytes.HasPrefix(query, []byte(`INSERT INTO "audit_intents"`))
	case 'B':
		_, rest, _ := bytes.Cut(body, []byte{0})
		name, _, _ := bytes.Cut(rest, []byte{0})
		if l.bound = l.appends[string(name)]; l.bound {
			return l.reached(beforeStatement, statementAnswer)
		}
		if l.intents[string(name)] {
			return l.reached(intentAnswer)
		}
	case 'S':
		commits := l.bound && !l.inTx
		l.bound = false
		if commits {
			return l.reached(beforeCommit, duringCommit, commitAnswer, afterCommit)
		}
	case 'Q':
		switch strings.ToLower(string(bytes.TrimRight(body, "\x00"))) {
		case "begin":
			l.inTx = true
		case "rollback":
			l.inTx = false
		case "commit":
			l.inTx = false
			return l.reached(beforeCommit, duringCommit, commitAnswer, afterCommit)
		}
	}
	return pending
}

// back passes on what the server says.
func (l *link) back() {
	defer func() {
		l.end()
		l.mu.Lock()
		delete(l.conns, l)
		l.mu.Unlock()
	}()
	r := bufio.NewReader(l.server)
	for {
		message, err := read(r, 1)
		if err != nil {
			return
		}
		const row, ready = 'D', 'Z'
		at := point(l.pending.Load())
		silent := at == commitAnswer || at == intentAnswer
		if at == statementAnswer && message[0] == row || silent && message[0] == ready {
			l.cut()
			return
		}
		if silent || at == duringCommit { // which may be faster than the cut
			continue
		}
		if _, err := l.client.Write(message); err != nil {
			return
		}
		if at == afterCommit && message[0] == ready {
			l.cut()
			return
		}
	}
}

// read returns a whole message: skip bytes, and a length that counts itself.
func read(r *bufio.Reader, skip int) ([]byte, error) {
	head, err := r.Peek(skip + 4)
	if err != nil {
		return nil, err
	}
	message := make([]byte, skip+int(binary.BigEndian.Uint32(head[skip:])))
	_, err = io.ReadFull(r, message)
	return message, err
}
