package pgembed

import (
	"os"
	"strings"
	"sync"
	"syscall"
)

const (
	logFileSize = 4 << 20 // bytes; with its one predecessor twice that
	tailSize    = 4 << 10
)

// A logFile takes what the server writes: into a file of bounded size, and its
// end into memory, for errors. It is safe for concurrent use. A file that
// cannot be written is no error: the server must not stop for its log.
type logFile struct {
	path string

	mu   sync.Mutex
	file *os.File
	size int64
	tail []byte
}

// openLog continues the file at path.
func openLog(path string) *logFile {
	l := &logFile{path: path}
	l.open()
	return l
}

// Write implements io.Writer and always succeeds.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, p...)
	if over := len(l.tail) - tailSize; over > 0 {
		l.tail = append(l.tail[:0], l.tail[over:]...)
	}
	if l.size+int64(len(p)) > logFileSize {
		l.close()
		_ = os.Rename(l.path, l.path+".1")
		l.open()
	}
	if l.file != nil {
		n, _ := l.file.Write(p)
		l.size += int64(n)
	}
	return len(p), nil
}

// Tail returns the last lines that were written.
func (l *logFile) Tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(string(l.tail))
}

// Close closes the file; the tail remains.
func (l *logFile) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close()
}

func (l *logFile) open() {
	l.size = 0
	file, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return
	}
	l.file = file
	if info, err := file.Stat(); err == nil {
		l.size = info.Size()
	}
}

func (l *logFile) close() {
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
}
