package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"
)

// A chunk is what is converted at a time: so many rows, or fewer if they are long.
const (
	chunkRows  = 256
	chunkBytes = 1 << 20
)

// chunk is rows as they are read, and what became of them.
type chunk struct {
	rows  []row
	made  []made
	ready chan struct{} // closed when made is complete
}

// made is what became of a row.
type made struct {
	Entry
	changes
	encoded []byte
	row     row
	bad     *BadRow // why there is no entry; nil = there is
}

// each calls fn for what becomes of each row of s, in the order of the source, until it
// returns an error. The rows
// are converted on all processors, since that takes longer than to read them.
func (s *Source) each(ctx context.Context, now time.Time, fn func(*made) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	work, inOrder := make(chan *chunk), make(chan *chunk, 2*workers)
	var readErr error
	wg.Go(func() {
		defer close(inOrder)
		defer close(work)
		readErr = s.chunks(ctx, func(c *chunk) bool {
			for _, to := range []chan *chunk{inOrder, work} {
				select {
				case to <- c:
				case <-ctx.Done():
					return false
				}
			}
			return true
		})
	})
	for range workers {
		wg.Go(func() {
			for c := range work {
				c.convert(now)
				close(c.ready)
			}
		})
	}
	for c := range inOrder {
		select {
		case <-c.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
		for i := range c.made {
			if err := fn(&c.made[i]); err != nil {
				return err
			}
		}
	}
	return readErr
}

// chunks reads s until yield reports false.
func (s *Source) chunks(ctx context.Context, yield func(*chunk) bool) error {
	for {
		c := &chunk{rows: make([]row, 0, chunkRows), ready: make(chan struct{})}
		var err error
		for size := 0; err == nil && len(c.rows) < chunkRows && size < chunkBytes; {
			var r row
			if err = s.next(&r); err == nil {
				c.rows = append(c.rows, r)
				size += len(r.text) + len(r.values[colArgs].String)
			}
		}
		switch {
		case len(c.rows) > 0 && !yield(c):
			return ctx.Err()
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read %s: %w", s.Name, err)
		}
	}
}

func (c *chunk) convert(now time.Time) {
	c.made = make([]made, 0, len(c.rows))
	for i := range c.rows {
		for r := range c.rows[i].expand() {
			m := made{row: r}
			if m.Entry, m.changes, m.bad = r.entry(now); m.bad == nil {
				m.encoded = m.appendTo(make([]byte, 0, 512))
			}
			c.made = append(c.made, m)
		}
	}
}
