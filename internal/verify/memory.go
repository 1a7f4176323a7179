package verify

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"halite/internal/merkle"
)

// Memory is a file in which the checkpoints are kept that were seen of a log, a line for
// each. Lines are only ever appended. It is for one goroutine of one process.
type Memory struct {
	path string
	last *merkle.Checkpoint
}

// remembered is a line.
type remembered struct {
	SeenAt     time.Time `json:"seen_at"`
	Checkpoint string    `json:"checkpoint"` // a signed note
}

// OpenMemory reads a file, if there is one, and checks the signature of its last line.
func OpenMemory(path string, known []note.Verifier) (*Memory, error) {
	m := &Memory{path: path}
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	in := bufio.NewScanner(file)
	in.Buffer(nil, 2*maxAnswer)
	var last []byte
	for in.Scan() {
		last = append(last[:0], in.Bytes()...)
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if last == nil {
		return m, nil
	}
	var r remembered
	if err := json.Unmarshal(last, &r); err != nil {
		return nil, fmt.Errorf("%s: the last line: %w", path, err)
	}
	cp, err := merkle.OpenCheckpoint([]byte(r.Checkpoint), known...)
	if err != nil {
		return nil, fmt.Errorf("%s: the last line: %w", path, err)
	}
	m.last = &cp
	return m, nil
}

// Last is the checkpoint that was seen last, nil if there is none.
func (m *Memory) Last() *merkle.Checkpoint { return m.last }

// Keep appends a checkpoint, which is durable when it returns. What says the same as the
// last line is left out.
func (m *Memory) Keep(signed []byte, cp merkle.Checkpoint, now time.Time) error {
	if m.last != nil && m.last.Tree == cp.Tree {
		return nil
	}
	line, err := json.Marshal(remembered{now.UTC().Truncate(time.Second), string(signed)})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(m.path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(m.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(line, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("keep the checkpoint in %s: %w", m.path, err)
	}
	m.last = &cp
	return nil
}

// ReadCheckpoint reads a file that holds a checkpoint, or the last one of many: a signed
// note, or a Memory.
func ReadCheckpoint(path string, known []note.Verifier) (*merkle.Checkpoint, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	head, err := io.ReadAll(io.LimitReader(file, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if cp, err := merkle.OpenCheckpoint(head, known...); err == nil {
		return &cp, nil
	} else if len(head) == 0 || head[0] != '{' {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	m, err := OpenMemory(path, known)
	if err != nil {
		return nil, err
	}
	if m.last == nil {
		return nil, fmt.Errorf("%s: %w", path, merkle.ErrCheckpoint)
	}
	return m.last, nil
}
