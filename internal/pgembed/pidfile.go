package pgembed

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A pidFile is what the server tells about itself in postmaster.pid.
type pidFile struct {
	pid       int
	socketDir string // as it was given on the command line
	ready     bool
}

// readPidFile reads the file of the cluster in data. The server writes it line
// by line while it starts; what is not there yet is zero.
func readPidFile(data string) (pidFile, error) {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return pidFile{}, err
	}
	lines := strings.Split(string(text), "\n")
	line := func(n int) string {
		if n > len(lines) {
			return ""
		}
		return lines[n-1]
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line(1)))
	if err != nil && line(1) != "" {
		return pidFile{}, fmt.Errorf("postmaster.pid: %w", err)
	}
	return pidFile{pid: pid, socketDir: line(5), ready: strings.TrimSpace(line(8)) == "ready"}, nil
}
