package view

import (
	"strconv"
	"time"

	"halite/internal/retention"
)

// Storage is an AuditStorage.
type Storage struct{ retention.Storage }

// OldestID is nil if the log is empty.
func (s Storage) OldestID() *string {
	if s.Storage.OldestID == 0 {
		return nil
	}
	id := strconv.FormatInt(s.Storage.OldestID, 10)
	return &id
}

// OldestAt is nil if the log is empty.
func (s Storage) OldestAt() *time.Time {
	if s.Storage.OldestID == 0 {
		return nil
	}
	return &s.Storage.OldestAt
}

// Bytes is the size of the log.
func (s Storage) Bytes() float64 { return float64(s.Storage.Bytes) }

// DatabaseBytes is the size of the database.
func (s Storage) DatabaseBytes() float64 { return float64(s.Storage.DatabaseBytes) }

// DiskBytes is the size of the disk.
func (s Storage) DiskBytes() *float64 { return float(s.Storage.DiskBytes) }

// DiskFree is what is free on it.
func (s Storage) DiskFree() *float64 { return float(s.Storage.DiskFree) }

func float(n *int64) *float64 {
	if n == nil {
		return nil
	}
	f := float64(*n)
	return &f
}
