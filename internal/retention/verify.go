package retention

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"

	"halite/internal/export"
)

// BadLine says where an archive is not what it should be.
type BadLine struct {
	File        string
	First, Last int64 // the line; more than one where it is not known which; 0: no line is wrong
	Rule        string
}

func (e *BadLine) Error() string {
	switch {
	case e.First == 0:
		return fmt.Sprintf("%s: %s", e.File, e.Rule)
	case e.First < e.Last:
		return fmt.Sprintf("%s: among the lines %d to %d: %s", e.File, e.First, e.Last, e.Rule)
	}
	return fmt.Sprintf("%s: line %d: %s", e.File, e.First, e.Rule)
}

// What is read at once at most, whatever the file says.
const (
	maxLine   = 1 << 20  // an entry has some 40 KiB at most
	maxWindow = 32 << 20 // of the decompressor
)

// Verify reads an archive and its manifest from disk and holds one against the other:
// every line, in its order, and the sums of all bytes. It returns a *BadLine for the first
// that is not right. It holds a line at a time.
func Verify(ctx context.Context, file string) (Manifest, error) {
	m, err := readManifest(file)
	if err != nil {
		return m, err
	}
	f, err := os.Open(file)
	if err != nil {
		return m, err
	}
	defer func() { _ = f.Close() }()
	v := &verifier{
		Manifest: m, name: file, file: newSum(nil), content: newSum(nil), blocks: &blockSums{lines: m.BlockLines},
		nextID: m.FirstID, lastAt: m.FirstAt,
	}
	if err := v.run(ctx, f); err != nil {
		return m, err
	}
	return m, nil
}

// verifier is at a line of an archive.
type verifier struct {
	Manifest
	name          string
	file, content *sum
	blocks        *blockSums
	line          int64
	nextID        int64
	lastAt        time.Time
	footer        bool
}

func (v *verifier) bad(format string, args ...any) error {
	return &BadLine{File: v.name, First: v.line, Last: v.line, Rule: fmt.Sprintf(format, args...)}
}

func (v *verifier) run(ctx context.Context, f io.Reader) error {
	raw := io.TeeReader(f, v.file)
	z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return err
	}
	defer z.Close()
	lines := bufio.NewReaderSize(z, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		v.line++
		switch {
		case errors.Is(err, io.EOF):
			return v.bad("it is cut")
		case errors.Is(err, bufio.ErrBufferFull):
			return v.bad("it is longer than %d bytes", maxLine)
		case err != nil:
			return v.bad("the file cannot be read on: %v", err)
		}
		if err := v.check(line); err != nil {
			return err
		}
		if v.line%v.BlockLines == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if !v.footer {
		v.line++
		return v.bad("the file ends without a footer: it was cut")
	}
	if _, err := io.Copy(io.Discard, raw); err != nil { // what a decompressor has no use for
		return err
	}
	return v.checkSums()
}

// check checks a line, with the newline at its end.
func (v *verifier) check(line []byte) error {
	switch {
	case v.footer:
		return v.bad("there is something behind the footer")
	case bytes.HasPrefix(line, []byte(`{"footer":`)):
		if err := v.checkFooter(line); err != nil {
			return err
		}
	case !json.Valid(line):
		return v.bad("it is not JSON")
	default:
		if err := v.checkEntry(line); err != nil {
			return err
		}
	}
	_, _ = v.content.Write(line)
	_, _ = v.blocks.Write(line)
	if v.footer {
		v.blocks.end()
	}
	if n := len(v.blocks.done); n > 0 && v.blocks.current == nil && (n > len(v.Blocks) || v.blocks.done[n-1] != v.Blocks[n-1]) {
		return &BadLine{File: v.name, First: int64(n-1)*v.BlockLines + 1, Last: v.line, Rule: "their SHA-256 is not that of the manifest"}
	}
	return nil
}

// checkEntry looks at the id and the time, with which a line begins.
func (v *verifier) checkEntry(line []byte) error {
	rest, ok := bytes.CutPrefix(line, []byte(`{"id":`))
	id, rest, _ := bytes.Cut(rest, []byte(`,"at":"`))
	at, _, cut := bytes.Cut(rest, []byte(`"`))
	n, err := strconv.ParseInt(string(id), 10, 64)
	if !ok || !cut || err != nil {
		return v.bad("it is no entry")
	}
	t, err := time.Parse(time.RFC3339, string(at))
	switch {
	case err != nil:
		return v.bad("its time is none")
	case n != v.nextID:
		return v.bad("its entry has the id %d, want %d", n, v.nextID)
	case n > v.LastID:
		return v.bad("its entry has the id %d, the last one should have %d", n, v.LastID)
	case t.Before(v.lastAt):
		return v.bad("its entry is older than the one before")
	case n == v.FirstID && !t.Equal(v.FirstAt), n == v.LastID && !t.Equal(v.LastAt):
		return v.bad("its time is %s, which is not what the manifest says", at)
	}
	v.nextID, v.lastAt = n+1, t
	return nil
}

func (v *verifier) checkFooter(line []byte) error {
	var l struct{ Footer export.Footer }
	if err := json.Unmarshal(line, &l); err != nil {
		return v.bad("the footer is not one: %v", err)
	}
	switch f := l.Footer; {
	case v.nextID != v.LastID+1:
		return v.bad("the entries from %d to %d are missing", v.nextID, v.LastID)
	case f.Count != v.Count || f.FirstID != v.FirstID || f.LastID != v.LastID:
		return v.bad("the footer says %d entries from %d to %d, the manifest %d from %d to %d", f.Count, f.FirstID, f.LastID, v.Count, v.FirstID, v.LastID)
	case f.SHA256 != v.content.hex():
		return v.bad("the lines before have another SHA-256 than the footer says")
	}
	v.footer = true
	return nil
}

// checkSums compares what was read with the manifest, when all lines are right.
func (v *verifier) checkSums() error {
	v.line = 0
	switch {
	case len(v.blocks.done) != len(v.Blocks):
		return v.bad("it has %d blocks, the manifest %d", len(v.blocks.done), len(v.Blocks))
	case v.content.n != v.ContentBytes || v.content.hex() != v.ContentSHA256:
		return v.bad("the content has another SHA-256 than the manifest says")
	case v.file.n != v.Bytes || v.file.hex() != v.SHA256:
		return v.bad("the file has another SHA-256 than the manifest says, though its lines are right")
	}
	return nil
}
