//go:build linux || darwin

package retention

import "syscall"

// statfs asks the file system that a folder is on. Free is what is left for those who are
// not root.
func statfs(dir string) (size, free int64, ok bool, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0, false, err
	}
	unit := int64(s.Bsize) //nolint:unconvert // its type differs between systems
	free = int64(s.Bavail) * unit
	used := (int64(s.Blocks) - int64(s.Bfree)) * unit
	return used + free, free, true, nil
}
