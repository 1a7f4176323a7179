package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// target is a request and what its answer must be.
type target struct {
	addr    string
	request []byte // as it is sent
	holds   []byte // what is in the answer
	length  int    // bytes of the answer, give or take a tenth; 0: any
}

// newTarget is a request for the server at addr.
func newTarget(addr, method, path, cookie, body string) target {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, addr)
	if cookie != "" {
		fmt.Fprintf(&b, "Cookie: %s\r\n", cookie)
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	fmt.Fprintf(&b, "\r\n%s", body)
	return target{addr: addr, request: b.Bytes()}
}

// requestTimeout bounds one request: a count over all rows of a large log takes seconds, and more where others compute too.
const requestTimeout = 5 * time.Minute

// caller is a connection. It is as lean as can be, so that what is measured is the server.
type caller struct {
	conn net.Conn
	in   *bufio.Reader
	body bytes.Buffer
}

func dial(ctx context.Context, addr string) (*caller, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &caller{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}, nil
}

// ask sends a request and reads the answer, which holds until the next one.
func (c *caller) ask(t target) ([]byte, error) {
	if err := c.conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(t.request); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	c.body.Reset()
	_, err = c.body.ReadFrom(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	body := c.body.Bytes()
	if off := len(body) - t.length; resp.StatusCode != http.StatusOK || !bytes.Contains(body, t.holds) ||
		t.length > 0 && max(off, -off) > t.length/10 {
		return nil, fmt.Errorf("wrong answer: %s, %d bytes (%d expected): %.300s", resp.Status, len(body), t.length, body)
	}
	return body, nil
}

// once asks once, on a connection of its own.
func once(ctx context.Context, t target) ([]byte, error) {
	c, err := dial(ctx, t.addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.conn.Close() }()
	body, err := c.ask(t)
	return slices.Clone(body), err
}

// drive has so many callers ask, each again as soon as it is answered, for a while; each
// asks once at least. It returns how long each answer took.
func drive(ctx context.Context, t target, callers int, d time.Duration) (took []time.Duration, all time.Duration, err error) {
	cs := make([]*caller, callers)
	defer func() {
		for _, c := range cs {
			if c != nil {
				_ = c.conn.Close()
			}
		}
	}()
	for i := range cs {
		if cs[i], err = dial(ctx, t.addr); err != nil {
			return nil, 0, err
		}
	}
	times, errs := make([][]time.Duration, callers), make([]error, callers)
	var wg sync.WaitGroup
	began := time.Now()
	end := began.Add(d)
	for i, c := range cs {
		wg.Go(func() {
			for at := time.Now(); ; {
				if _, errs[i] = c.ask(t); errs[i] != nil {
					return
				}
				now := time.Now()
				times[i] = append(times[i], now.Sub(at))
				if at = now; now.After(end) || ctx.Err() != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	all = time.Since(began)
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("the server hung up: %w", err)
		}
		return nil, 0, err
	}
	return slices.Concat(times...), all, nil
}
