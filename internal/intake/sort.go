package intake

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// sorter puts records in order: in memory for as long as they fit, else by merging runs
// of them that are sorted in memory and written to temporary files. The files have no
// name, so that nothing is left of them whatever happens.
type sorter struct {
	dir    string
	memory int

	seq    int64
	items  []item
	blocks [][]byte // what the items' records are in
	free   [][]byte // blocks to use again
	size   int      // of the records
	files  []*os.File
	runs   merge
	held   bool // the first of runs was handed out
}

// item is a record and its key.
type item struct {
	at, id, seq int64
	record      []byte
}

// blockSize is what records are put into together: one slice for all would be copied over
// and over while it grows.
const blockSize = 1 << 20

func (a item) compare(b item) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id), cmp.Compare(a.seq, b.seq))
}

func newSorter(dir string, memory int) *sorter { return &sorter{dir: dir, memory: memory} }

// add takes a record. Records come out by at, then by id, then as they were added.
func (s *sorter) add(at, id int64, record []byte) error {
	if len(s.items) > 0 && s.size+len(record) > s.memory {
		if err := s.spill(); err != nil {
			return fmt.Errorf("write a temporary file: %w", err)
		}
	}
	s.items = append(s.items, item{at, id, s.seq, s.keep(record)})
	s.size += len(record)
	s.seq++
	return nil
}

// keep copies record into a block.
func (s *sorter) keep(record []byte) []byte {
	last := len(s.blocks) - 1
	if last < 0 || cap(s.blocks[last])-len(s.blocks[last]) < len(record) {
		var block []byte
		if n := len(s.free); n > 0 && cap(s.free[n-1]) >= len(record) {
			block, s.free = s.free[n-1], s.free[:n-1]
		} else {
			block = make([]byte, 0, max(blockSize, len(record)))
		}
		s.blocks = append(s.blocks, block)
		last++
	}
	b := append(s.blocks[last], record...)
	s.blocks[last] = b
	return b[len(b)-len(record) : len(b) : len(b)]
}

// spill writes what is in memory to a file of its own.
func (s *sorter) spill() error {
	f, err := os.CreateTemp(s.dir, "halite-import-")
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	slices.SortFunc(s.items, item.compare)
	w := bufio.NewWriterSize(f, 1<<20)
	var head []byte
	for _, i := range s.items {
		head = head[:0]
		for _, n := range []int64{i.at, i.id, i.seq, int64(len(i.record))} {
			head = binary.BigEndian.AppendUint64(head, uint64(n))
		}
		if _, err := w.Write(head); err != nil {
			return err
		}
		if _, err := w.Write(i.record); err != nil {
			return err
		}
	}
	for _, b := range s.blocks {
		if cap(b) == blockSize { // a longer one would be kept for nothing
			s.free = append(s.free, b[:0])
		}
	}
	s.items, s.blocks, s.size = s.items[:0], s.blocks[:0], 0
	return w.Flush()
}

// finish ends the adding: next follows.
func (s *sorter) finish() error {
	slices.SortFunc(s.items, item.compare)
	rest := &run{items: s.items}
	for _, f := range s.files {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		s.runs = append(s.runs, &run{file: bufio.NewReaderSize(f, 256<<10)})
	}
	s.runs = append(s.runs, rest)
	var filled merge
	for _, r := range s.runs {
		if ok, err := r.advance(); err != nil {
			return err
		} else if ok {
			filled = append(filled, r)
		}
	}
	s.runs = filled
	heap.Init(&s.runs)
	return nil
}

// next returns the next record, io.EOF behind the last one. It is good until the next
// call.
func (s *sorter) next() ([]byte, error) {
	if s.held {
		ok, err := s.runs[0].advance()
		switch {
		case err != nil:
			return nil, fmt.Errorf("read a temporary file: %w", err)
		case ok:
			heap.Fix(&s.runs, 0)
		default:
			heap.Pop(&s.runs)
		}
	}
	s.held = len(s.runs) > 0
	if !s.held {
		return nil, io.EOF
	}
	return s.runs[0].key.record, nil
}

func (s *sorter) close() {
	for _, f := range s.files {
		_ = f.Close()
	}
	s.files = nil
}

// run is records in order, in a file or in memory, the first of which is at hand.
type run struct {
	file  *bufio.Reader
	items []item

	key item
}

// advance puts the next record at hand. It reports false behind the last one.
func (r *run) advance() (bool, error) {
	if r.file == nil {
		if len(r.items) == 0 {
			return false, nil
		}
		r.key, r.items = r.items[0], r.items[1:]
		return true, nil
	}
	var head [32]byte
	if _, err := io.ReadFull(r.file, head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		return false, err
	}
	number := func(i int) int64 { return int64(binary.BigEndian.Uint64(head[8*i:])) }
	r.key.at, r.key.id, r.key.seq = number(0), number(1), number(2)
	r.key.record = slices.Grow(r.key.record[:0], int(number(3)))[:number(3)]
	_, err := io.ReadFull(r.file, r.key.record)
	return err == nil, err
}

// merge is a heap of runs by their first records.
type merge []*run

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return m[i].key.compare(m[j].key) < 0 }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(*run)) }
func (m *merge) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}
