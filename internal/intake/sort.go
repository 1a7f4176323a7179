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

	seq   int64
	items []item
	arena []byte
	files []*os.File
	runs  merge
	held  bool // the first of runs was handed out
}

// item is the key of a record, and where the record is.
type item struct {
	at, id, seq int64
	lo, hi      int
}

func (a item) compare(b item) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id), cmp.Compare(a.seq, b.seq))
}

func newSorter(dir string, memory int) *sorter { return &sorter{dir: dir, memory: memory} }

// add takes a record. Records come out by at, then by id, then as they were added.
func (s *sorter) add(at, id int64, record []byte) error {
	if len(s.items) > 0 && len(s.arena)+len(record) > s.memory {
		if err := s.spill(); err != nil {
			return fmt.Errorf("write a temporary file: %w", err)
		}
	}
	lo := len(s.arena)
	if cap(s.arena)-lo < len(record) {
		s.arena = slices.Grow(s.arena, max(lo, len(record))) // append would copy more often
	}
	s.arena = append(s.arena, record...)
	s.items = append(s.items, item{at, id, s.seq, lo, len(s.arena)})
	s.seq++
	return nil
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
		for _, n := range []int64{i.at, i.id, i.seq, int64(i.hi - i.lo)} {
			head = binary.BigEndian.AppendUint64(head, uint64(n))
		}
		if _, err := w.Write(head); err != nil {
			return err
		}
		if _, err := w.Write(s.arena[i.lo:i.hi]); err != nil {
			return err
		}
	}
	s.items, s.arena = s.items[:0], s.arena[:0]
	return w.Flush()
}

// finish ends the adding: next follows.
func (s *sorter) finish() error {
	slices.SortFunc(s.items, item.compare)
	rest := &run{items: s.items, arena: s.arena}
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
	return s.runs[0].record, nil
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
	arena []byte

	key    item
	record []byte
}

// advance puts the next record at hand. It reports false behind the last one.
func (r *run) advance() (bool, error) {
	if r.file == nil {
		if len(r.items) == 0 {
			return false, nil
		}
		r.key = r.items[0]
		r.record = r.arena[r.key.lo:r.key.hi]
		r.items = r.items[1:]
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
	r.key = item{at: number(0), id: number(1), seq: number(2)}
	r.record = slices.Grow(r.record[:0], int(number(3)))[:number(3)]
	_, err := io.ReadFull(r.file, r.record)
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
