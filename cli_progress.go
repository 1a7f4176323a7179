package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress says how far a long command is: on a terminal in one line that is written
// anew, elsewhere with a line now and then.
type progress struct {
	out         io.Writer
	terminal    bool
	start, said time.Time
	rows        int64
	total       int64 // 0 = not known
	before      int64 // of the rows: these were there at the start
}

// How often progress is told.
const (
	progressInterval = 5 * time.Second
	terminalInterval = 200 * time.Millisecond
	clearLine        = "\r\x1b[K"
)

func newProgress(out io.Writer) *progress {
	now := time.Now()
	file, isFile := out.(*os.File)
	return &progress{out: out, terminal: isFile && term.IsTerminal(int(file.Fd())), start: now, said: now}
}

// of tells p how many rows there will be, and how many of them there are already.
func (p *progress) of(total, before int64) *progress {
	p.total, p.before, p.rows = total, before, before
	return p
}

// tell is told how many rows are done.
func (p *progress) tell(rows int64) {
	p.rows = rows
	now := time.Now()
	switch passed := now.Sub(p.said); {
	case p.terminal && passed >= terminalInterval:
		_, _ = fmt.Fprint(p.out, clearLine, p)
	case !p.terminal && passed >= progressInterval:
		_, _ = fmt.Fprintln(p.out, p)
	default:
		return
	}
	p.said = now
}

// clear takes the line off the terminal.
func (p *progress) clear() {
	if p.terminal {
		_, _ = fmt.Fprint(p.out, clearLine)
	}
}

func (p *progress) String() string {
	rate := float64(p.rows-p.before) / time.Since(p.start).Seconds()
	if p.total == 0 {
		return fmt.Sprintf("%d rows, %.0f a second", p.rows, rate)
	}
	left := "?"
	if rate > 0 {
		left = (time.Duration(float64(p.total-p.rows)/rate) * time.Second).Round(time.Second).String()
	}
	return fmt.Sprintf("%d of %d rows, %.0f a second, %s left", p.rows, p.total, rate, left)
}
