package retention

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"

	"halite/internal/export"
	"halite/internal/proof"
)

// CheckDir says what is wrong with a folder for archives, or nil: it is there and can be
// written to.
func CheckDir(dir string) error {
	f, err := os.CreateTemp(dir, ".halite-*"+tempSuffix)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// ensureArchive returns a verified archive of all of p in dir: the one that is there, if it
// is good, else a new one.
func ensureArchive(ctx context.Context, log Log, dir string, p Partition) (Manifest, error) {
	file := filepath.Join(dir, archiveName(p))
	if m, err := Verify(ctx, file); err == nil && m.holds(p) {
		return m, nil
	}
	if err := writeArchive(ctx, log, dir, p); err != nil {
		return Manifest{}, err
	}
	m, err := Verify(ctx, file)
	if err == nil && !m.holds(p) {
		err = errors.New("the archive is not one of this partition")
	}
	return m, err
}

// ErrMissing says that entries of a partition are not there: it is neither archived nor
// dropped.
var ErrMissing = errors.New("entries of the partition are missing")

// writeArchive writes all of p to dir: NDJSON as an export has it, its footer included,
// compressed with zstd; then the manifest.
func writeArchive(ctx context.Context, log Log, dir string, p Partition) error {
	name := archiveName(p)
	old, err := filepath.Glob(filepath.Join(dir, "."+name+".*"+tempSuffix))
	if err != nil {
		return err
	}
	for _, f := range old { // of a server that was killed
		_ = os.Remove(f)
	}
	m := Manifest{
		Format: manifestFormat, File: name, Partition: p.Name, Months: []string{p.Month.Format("2006-01")}, Count: p.Rows(),
		FirstID: p.FirstID, LastID: p.LastID, FirstAt: p.FirstAt, LastAt: p.LastAt, BlockLines: blockLines,
	}
	err = place(dir, name, func(f io.Writer) error {
		file, content := newSum(f), newSum(nil)
		blocks := &blockSums{lines: blockLines}
		buffered := bufio.NewWriterSize(file, 1<<20)
		z, err := zstd.NewWriter(buffered, zstd.WithEncoderConcurrency(1)) // the other processors are for requests
		if err != nil {
			return err
		}
		w := export.NewWriter(io.MultiWriter(z, content, blocks), export.NDJSON)
		all := export.Range{First: p.FirstID, Last: p.LastID}
		missing, err := export.Copy(ctx, log, all, w, nil)
		if err == nil && len(missing) > 0 {
			err = fmt.Errorf("%w: those from %d to %d", ErrMissing, missing[0].First, missing[0].Last)
		}
		var proven *export.Proof
		if err == nil {
			proven, err = proof.Export(ctx, log, all, nil)
		}
		if err == nil {
			err = w.Close(export.Footer{FirstID: p.FirstID, LastID: p.LastID, At: time.Now(), Proof: proven})
		}
		if err = errors.Join(err, z.Close()); err == nil {
			err = buffered.Flush()
		}
		m.Bytes, m.SHA256 = file.n, file.hex()
		m.ContentBytes, m.ContentSHA256 = content.n, content.hex()
		m.Blocks = blocks.sums()
		return err
	})
	if err != nil {
		return err
	}
	m.WrittenAt = time.Now().UTC()
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	manifest, err := manifestOf(name)
	if err != nil {
		return err
	}
	return place(dir, manifest, func(f io.Writer) error {
		_, err := f.Write(append(text, '\n'))
		return err
	})
}

// sum counts and hashes what is written through it.
type sum struct {
	to   io.Writer // nil: nowhere
	hash hash.Hash
	n    int64
}

func newSum(to io.Writer) *sum { return &sum{to: to, hash: sha256.New()} }

func (s *sum) Write(b []byte) (int, error) {
	_, _ = s.hash.Write(b)
	s.n += int64(len(b))
	if s.to == nil {
		return len(b), nil
	}
	return s.to.Write(b)
}

func (s *sum) hex() string { return hex.EncodeToString(s.hash.Sum(nil)) }

// blockSums hashes each block of so many lines that is written to it.
type blockSums struct {
	lines, at int64
	current   hash.Hash
	done      []string
}

func (s *blockSums) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		if s.current == nil {
			s.current = sha256.New()
		}
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line = b[:i+1]
			s.at++
		}
		_, _ = s.current.Write(line)
		if b = b[len(line):]; s.at == s.lines {
			s.end()
		}
	}
	return n, nil
}

// end ends a block that has begun.
func (s *blockSums) end() {
	if s.current != nil {
		s.done = append(s.done, hex.EncodeToString(s.current.Sum(nil)))
		s.current, s.at = nil, 0
	}
}

// sums are those of all blocks, the last one included.
func (s *blockSums) sums() []string {
	s.end()
	return s.done
}
