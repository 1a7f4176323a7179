package retention

import (
	"context"
	"fmt"
	"time"
)

// fullFrom is the share of the disk in use from which the server warns.
const fullFrom = 0.8

// Disk says how large the disk under the log is and how much of it is free. ok is false
// where that cannot be known.
type Disk func(ctx context.Context) (size, free int64, ok bool, err error)

// FolderDisk is the disk on which a folder is.
func FolderDisk(dir string) Disk {
	return func(context.Context) (size, free int64, ok bool, err error) { return statfs(dir) }
}

// UnknownDisk is one somewhere else, such as that of a database server.
func UnknownDisk(context.Context) (size, free int64, ok bool, err error) { return 0, 0, false, nil }

// LimitedDisk is as large as the operator says; what the database takes is used of it.
func LimitedDisk(size int64, store Store) Disk {
	return func(ctx context.Context) (int64, int64, bool, error) {
		s, err := store.Size(ctx)
		return size, max(size-s.DatabaseBytes, 0), err == nil, err
	}
}

// Size is how much of a log there is.
type Size struct {
	OldestID      int64 // 0: the log is empty
	OldestAt      time.Time
	Rows          int64
	Bytes         int64 // of the log with its indexes
	DatabaseBytes int64 // of everything in the database
	LatelyRows    int64 // of the time Lately, up to now
	Lately        time.Duration
}

// Storage is what the log takes, what it will take, and what there is for it.
type Storage struct {
	Size
	GrowthPerDay        *float64 // in bytes, by the last week; nil: the log is younger than an hour
	RetentionDays       int      // 0: all is kept
	Archived            bool     // before it is dropped
	DiskBytes, DiskFree *int64   // nil: not known
}

// Storage looks at the log and at the disk.
func (k *Keeper) Storage(ctx context.Context) (Storage, error) {
	size, err := k.Store.Size(ctx)
	if err != nil {
		return Storage{}, err
	}
	s := Storage{Size: size, RetentionDays: k.Days, Archived: k.Dir != ""}
	if size.Rows > 0 && size.Lately >= time.Hour {
		days := size.Lately.Hours() / 24
		growth := float64(size.Bytes) / float64(size.Rows) * float64(size.LatelyRows) / days
		s.GrowthPerDay = &growth
	}
	bytes, free, ok, err := k.Disk(ctx)
	if err != nil {
		return Storage{}, err
	}
	if ok {
		s.DiskBytes, s.DiskFree = &bytes, &free
	}
	return s, nil
}

// CheckDisk says for /readyz how full the disk is; empty: that is not known. bad is set
// from 80 % on.
func (k *Keeper) CheckDisk(ctx context.Context) (result string, bad bool) {
	size, free, ok, err := k.Disk(ctx)
	switch {
	case err != nil:
		k.Logger.Error("the disk cannot be looked at", "error", err)
		return "error: could not be looked at", true
	case !ok || size <= 0:
		return "", false
	}
	used := 1 - float64(free)/float64(size)
	if used >= fullFrom {
		return fmt.Sprintf("warning: %.0f %% in use", 100*used), true
	}
	return "ok", false
}

// watch warns of a disk that fills up: when it has come so far, and once an hour from then on.
func (k *Keeper) watch(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	result, bad := k.CheckDisk(ctx)
	switch {
	case !bad || ctx.Err() != nil:
		k.warned = time.Time{}
	case time.Since(k.warned) >= interval:
		k.warned = time.Now()
		k.Logger.Warn("the disk under the log fills up", "disk", result)
	}
}
