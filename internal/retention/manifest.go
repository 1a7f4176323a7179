package retention

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	manifestFormat = "halite-archive/1"
	archiveSuffix  = ".ndjson.zst"
	manifestSuffix = ".manifest.json"
	blockLines     = 1000     // lines of a block
	maxManifest    = 64 << 20 // bytes of a manifest: some hundred million entries
)

// Manifest stands beside an archive and says what it holds. It is written after the
// archive is on disk: an archive without one was not finished.
type Manifest struct {
	Format        string    `json:"format"`
	File          string    `json:"file"`
	Partition     string    `json:"partition"`
	Months        []string  `json:"months"`
	Count         int64     `json:"count"`
	FirstID       int64     `json:"first_id"`
	LastID        int64     `json:"last_id"`
	FirstAt       time.Time `json:"first_at"`
	LastAt        time.Time `json:"last_at"`
	WrittenAt     time.Time `json:"written_at"`
	Bytes         int64     `json:"bytes"`          // of the file
	SHA256        string    `json:"sha256"`         // of the file
	ContentBytes  int64     `json:"content_bytes"`  // of what is compressed in it
	ContentSHA256 string    `json:"content_sha256"` // of that
	BlockLines    int64     `json:"block_lines"`    // so many lines make a block, the last one has fewer
	Blocks        []string  `json:"blocks"`         // the SHA-256 of each block of lines
}

// archiveName is the name of a partition's archive: the same whoever writes it.
func archiveName(p Partition) string {
	return fmt.Sprintf("halite-audit-%s-%d-%d%s", p.Month.Format("2006-01"), p.FirstID, p.LastID, archiveSuffix)
}

// manifestOf is where the manifest of an archive is.
func manifestOf(file string) (string, error) {
	base, ok := strings.CutSuffix(file, archiveSuffix)
	if !ok {
		return "", fmt.Errorf("%s: the name of an archive ends with %s", file, archiveSuffix)
	}
	return base + manifestSuffix, nil
}

// readManifest reads the manifest of an archive.
func readManifest(file string) (m Manifest, err error) {
	name, err := manifestOf(file)
	if err != nil {
		return m, err
	}
	f, err := os.Open(name)
	if err != nil {
		return m, fmt.Errorf("manifest: %w", err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	switch {
	case err != nil:
	case m.Format != manifestFormat:
		err = fmt.Errorf("its format is %q, want %q", m.Format, manifestFormat)
	case m.BlockLines < 1 || m.FirstID < 1 || m.Count != m.LastID-m.FirstID+1 || m.Count < 1:
		err = errors.New("its numbers contradict each other")
	}
	if err != nil {
		return m, fmt.Errorf("manifest %s: %w", name, err)
	}
	return m, nil
}

// holds reports whether the archive is one of all of p.
func (m Manifest) holds(p Partition) bool {
	return m.Partition == p.Name && m.FirstID == p.FirstID && m.LastID == p.LastID && m.FirstAt.Equal(p.FirstAt) && m.LastAt.Equal(p.LastAt)
}

// place writes a file of which nobody sees a part: under another name first, then flushed
// and renamed.
func place(dir, name string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(dir, "."+name+".*"+tempSuffix) // 0600: the log is nobody's business
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncDir(dir)
}

const tempSuffix = ".tmp"

// syncDir makes a rename durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
