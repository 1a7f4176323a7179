package pgembed

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// maxSocketPath is the longest path that a Unix socket can have, in bytes.
const maxSocketPath = 107

// signalOnParentDeath can be switched off by tests that need an orphan.
var signalOnParentDeath = true

// dieWithParent has the kernel send sig to the child when the thread that forks
// it ends: that thread must be locked to a goroutine that outlasts the child.
func dieWithParent(attr *syscall.SysProcAttr, sig syscall.Signal) {
	if signalOnParentDeath {
		attr.Pdeathsig = sig
	}
}

// smallSharedMemory reports whether /dev/shm is missing or, as is usual in
// containers, too small for PostgreSQL's parallel queries.
func smallSharedMemory() bool {
	var fsys syscall.Statfs_t
	if err := syscall.Statfs("/dev/shm", &fsys); err != nil {
		return true
	}
	return fsys.Blocks*uint64(fsys.Bsize) < 256<<20
}

// processes lists the living PostgreSQL processes of the cluster: those of its
// account that work in one of its folders. Where the kernel hides another
// account's working folder from root (no CAP_SYS_PTRACE, as in most containers)
// their command line tells. A zombie has neither and does not count.
func (c *cluster) processes() ([]int, error) {
	var folders []fs.FileInfo
	for _, folder := range []string{c.data, c.fresh} {
		if info, err := os.Stat(folder); err == nil {
			folders = append(folders, info)
		}
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		proc := filepath.Join("/proc", entry.Name())
		name, _ := os.ReadFile(filepath.Join(proc, "comm"))
		if !slices.Contains([]string{"postgres", "postmaster", "initdb"}, strings.TrimSpace(string(name))) {
			continue
		}
		if owner, err := ownerOf(proc); err != nil || owner.uid != c.who.uid {
			continue
		}
		cwd, err := os.Stat(filepath.Join(proc, "cwd"))
		if slices.ContainsFunc(folders, func(f fs.FileInfo) bool { return err == nil && os.SameFile(f, cwd) }) {
			pids = append(pids, pid)
			continue
		}
		if errors.Is(err, fs.ErrPermission) {
			line, _ := os.ReadFile(filepath.Join(proc, "cmdline"))
			if c.owns(string(bytes.ReplaceAll(line, []byte{0}, []byte{' '}))) {
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}
