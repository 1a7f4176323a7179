package retention_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"halite/internal/audit"
	"halite/internal/export"
	"halite/internal/pgtest"
	"halite/internal/retention"
)

// TestArchive: an archive holds every row of the partition as an export has it, to the byte.
func TestArchive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5000, 3)
	p := w.oldest(t)
	dir := t.TempDir()
	m, err := retention.EnsureArchive(t.Context(), w.DB, dir, p)
	if err != nil {
		t.Fatal(err)
	}
	if m.Count != p.Rows() || m.Months[0] != p.Month.Format("2006-01") || m.FirstID != 1 || m.LastID != p.LastID || !m.LastAt.Equal(p.LastAt) {
		t.Errorf("%+v of %+v", m, p)
	}
	lines := bytes.SplitAfter(content(t, filepath.Join(dir, m.File)), []byte("\n"))
	if int64(len(lines)) != m.Count+2 || len(lines[len(lines)-1]) != 0 { // the footer, and nothing behind it
		t.Fatalf("%d lines of %d entries", len(lines), m.Count)
	}
	entries, err := w.Ascend(t.Context(), audit.Filter{}, p.FirstID, p.LastID, int(p.Rows()))
	if err != nil || int64(len(entries)) != m.Count {
		t.Fatal(len(entries), err)
	}
	var want bytes.Buffer
	if err := export.NewWriter(&want, export.NDJSON).Write(entries); err != nil {
		t.Fatal(err)
	}
	if got := bytes.Join(lines[:m.Count], nil); string(got) != want.String() {
		t.Fatalf("the lines are\n%.2000s\nwant\n%.2000s", got, want.String())
	}
	for _, name := range []string{m.File, strings.Replace(m.File, ".ndjson.zst", ".manifest.json", 1)} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 2 {
		t.Errorf("in the folder: %v, %v", all, err)
	}
}

// TestVerify harms an archive in each way, and each is named.
func TestVerify(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 12_000, 4)
	if dropped, err := w.keeper(w.DB, "").DropOldest(t.Context()); !dropped || err != nil { // which may be a small one
		t.Fatal(dropped, err)
	}
	p := w.oldest(t)
	dir := t.TempDir()
	m, err := retention.EnsureArchive(t.Context(), w.DB, dir, p)
	if err != nil {
		t.Fatal(err)
	}
	if m.Count < 2*retention.BlockLines+100 {
		t.Fatalf("too few entries: %d", m.Count)
	}
	plain := content(t, filepath.Join(dir, m.File))
	packed := read(t, filepath.Join(dir, m.File))
	manifest := strings.Replace(m.File, ".ndjson.zst", ".manifest.json", 1)
	lines := bytes.SplitAfter(plain, []byte("\n"))
	lines = lines[:len(lines)-1]
	join := func(parts ...[][]byte) []byte { return pack(t, bytes.Join(flat(parts), nil)) }
	last := m.Count // the line of the last entry
	for name, c := range map[string]struct {
		file     []byte
		manifest func(map[string]any)
		line     int64 // 0: none; where the rule says which lines, the last one
		says     string
	}{
		"nothing":             {file: packed},
		"a value changed":     {file: join(lines[:1233], changed(lines[1233]), lines[1234:]), line: 2000, says: "among the lines 1001 to 2000"},
		"a value at the end":  {file: join(lines[:last-1], changed(lines[last-1]), lines[last:]), line: last + 1, says: "the lines before have another SHA-256"},
		"a line removed":      {file: join(lines[:499], lines[500:]), line: 500, says: fmt.Sprintf("has the id %d, want %d", m.FirstID+500, m.FirstID+499)},
		"a line doubled":      {file: join(lines[:500], lines[499:]), line: 501, says: fmt.Sprintf("has the id %d, want %d", m.FirstID+499, m.FirstID+500)},
		"lines swapped":       {file: join(lines[:10], lines[11:12], lines[10:11], lines[12:]), line: 11, says: fmt.Sprintf("has the id %d, want %d", m.FirstID+11, m.FirstID+10)},
		"a line cut":          {file: join(lines[:700], [][]byte{lines[700][:50], []byte("\n")}, lines[701:]), line: 701, says: "not JSON"},
		"another object":      {file: join(lines[:700], [][]byte{[]byte("{}\n")}, lines[701:]), line: 701, says: "no entry"},
		"a first time":        {file: join([][]byte{bytes.Replace(lines[0], []byte(`"at":"20`), []byte(`"at":"19`), 1)}, lines[1:]), line: 1, says: "older than"},
		"no footer":           {file: join(lines[:last]), line: last + 1, says: "without a footer"},
		"the end is missing":  {file: join(lines[:last-5], lines[last:]), line: last - 4, says: "are missing"},
		"more behind":         {file: join(lines, lines[:1]), line: last + 2, says: "behind the footer"},
		"another footer":      {file: join(lines[:last], [][]byte{[]byte(`{"footer":{"count":1}}` + "\n")}), line: last + 1, says: "the footer says 1 entries"},
		"cut in its bytes":    {file: packed[:len(packed)/2], says: "cannot be read on", line: -1},
		"a bit flipped":       {file: flipped(packed, len(packed)/2), says: "", line: -1},
		"bytes behind":        {file: append(bytes.Clone(packed), []byte{0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 7}...), says: "the file has another SHA-256"},
		"compressed anew":     {file: pack(t, plain), says: "though its lines are right"},
		"not compressed":      {file: plain, line: 1, says: "cannot be read on"},
		"empty":               {file: []byte{}, line: 1, says: "without a footer"},
		"a long line":         {file: pack(t, bytes.Repeat([]byte("x"), 3<<20)), line: 1, says: "longer than"},
		"the manifest's sum":  {file: packed, manifest: func(m map[string]any) { m["sha256"] = strings.Repeat("0", 64) }, says: "the file has another SHA-256"},
		"its number":          {file: packed, manifest: func(m map[string]any) { m["count"] = 1 }, says: "contradict", line: -2},
		"its end":             {file: packed, manifest: func(m map[string]any) { m["last_id"], m["count"] = m["last_id"].(float64)-1, last-1 }, line: last - 1, says: "not what the manifest says"},
		"its blocks":          {file: packed, manifest: func(m map[string]any) { m["blocks"] = []string{} }, line: 1000, says: "SHA-256"},
		"its format":          {file: packed, manifest: func(m map[string]any) { m["format"] = "x" }, says: "its format", line: -2},
		"zero lines in block": {file: packed, manifest: func(m map[string]any) { m["block_lines"] = 0 }, says: "contradict", line: -2},
	} {
		t.Run(name, func(t *testing.T) {
			dir2 := t.TempDir()
			file := filepath.Join(dir2, m.File)
			write(t, file, c.file)
			text := read(t, filepath.Join(dir, manifest))
			if c.manifest != nil {
				var of map[string]any
				if err := json.Unmarshal(text, &of); err != nil {
					t.Fatal(err)
				}
				c.manifest(of)
				text, _ = json.Marshal(of)
			}
			write(t, filepath.Join(dir2, manifest), text)
			_, err := retention.Verify(t.Context(), file)
			if name == "nothing" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var bad *retention.BadLine
			if err == nil || !strings.Contains(err.Error(), c.says) || !errors.As(err, &bad) != (c.line == -2) {
				t.Fatalf("%v, want %q", err, c.says)
			}
			if c.line >= 0 && bad.Last != c.line {
				t.Errorf("%v: it is line %d", err, c.line)
			}
		})
	}
	for _, name := range []string{filepath.Join(dir, "none.ndjson.zst"), filepath.Join(dir, manifest), filepath.Join(dir, "x")} {
		if _, err := retention.Verify(t.Context(), name); err == nil {
			t.Errorf("%s was verified", name)
		}
	}
}

// TestArchiveRefused: a partition of which a row is missing is not archived as if it were whole.
func TestArchiveRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3000, 3)
	p := w.oldest(t)
	superuser := pgtest.Conn(t, w.url, "postgres")
	for _, sql := range []string{"ALTER TABLE " + p.Name + " DISABLE TRIGGER USER", fmt.Sprintf("DELETE FROM %s WHERE id = %d", p.Name, p.LastID/2)} {
		if _, err := superuser.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	if _, err := retention.EnsureArchive(t.Context(), w.DB, dir, p); !errors.Is(err, retention.ErrMissing) {
		t.Errorf("%v", err)
	}
	if dropped, err := w.keeper(w.DB, dir).DropOldest(t.Context()); dropped || err == nil {
		t.Errorf("dropped: %t, %v", dropped, err)
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 0 {
		t.Errorf("in the folder: %v, %v", all, err)
	}
}

func content(t *testing.T, file string) []byte {
	t.Helper()
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out, err := z.DecodeAll(read(t, file), nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func pack(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(b, nil)
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func flat(parts [][][]byte) (out [][]byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// changed is a line with another value in it.
func changed(line []byte) [][]byte {
	return [][]byte{bytes.Replace(line, []byte(`"result_code":`), []byte(`"result_code":1`), 1)}
}

func flipped(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1
	return b
}

// dropping is a log of which partitions are dropped after the first batch was read.
type dropping struct {
	*world
	t    *testing.T
	drop int
}

func (d *dropping) Ascend(ctx context.Context, f audit.Filter, first, last int64, limit int) ([]audit.Entry, error) {
	entries, err := d.DB.Ascend(ctx, f, first, last, limit)
	for k := d.keeper(d.DB, ""); d.drop > 0; d.drop-- {
		if dropped, err := k.DropOldest(ctx); !dropped || err != nil {
			d.t.Error(dropped, err)
		}
	}
	return entries, err
}

// TestExportWhileDropping: an export with a filter does not lack anything unsaid.
func TestExportWhileDropping(t *testing.T) {
	t.Parallel()
	allow := audit.Allow
	for name, c := range map[string]struct {
		drop int
		want bool
	}{"nothing": {0, false}, "what is not read yet": {3, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 20_000, 6)
			r := export.Range{Filter: audit.Filter{Decision: &allow}, First: 1, Last: 20_000}
			out := export.NewWriter(io.Discard, export.NDJSON)
			missing, err := export.Copy(t.Context(), &dropping{w, t, c.drop}, r, out, nil)
			if err != nil || c.want != (len(missing) == 1 && missing[0].Last+1 == w.oldest(t).FirstID) {
				t.Errorf("%v, without %v", err, missing)
			}
			if !c.want && out.Count() < 15_000 {
				t.Errorf("%d entries", out.Count())
			}
		})
	}
}
