//go:build !linux

package pgembed

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// maxSocketPath is the longest path that a Unix socket can have, in bytes.
const maxSocketPath = 103

// dieWithParent can do nothing here: a server whose parent was killed lives on
// until the next Start finds it.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}

func smallSharedMemory() bool { return false }

// processes lists the living PostgreSQL processes of the cluster: those of its
// account whose command line names it.
func (c *cluster) processes() ([]int, error) {
	out, err := exec.Command("ps", "-axww", "-o", "pid=", "-o", "uid=", "-o", "stat=", "-o", "command=").Output()
	if err != nil {
		return nil, fmt.Errorf("ps: %w", err)
	}
	var pids []int
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || strings.HasPrefix(fields[2], "Z") || fields[1] != strconv.FormatUint(uint64(c.who.uid), 10) {
			continue
		}
		if pid, err := strconv.Atoi(fields[0]); err == nil && c.owns(line) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
