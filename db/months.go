package db

import (
	"context"
	"slices"
	"time"
)

// month is a partition of the log that holds entries.
type month struct {
	table string // as it is written in a statement
	at    time.Time
	first int64 // the first id in it
}

// months says which partition holds which ids. Ids are contiguous and times never
// decrease as ids grow, so each holds a range of them, and once an entry of a later month
// is there that stays as it is until it is dropped.
type months struct {
	through time.Time // of what comes later nothing is known
	all     []month   // the oldest first
}

// maxNamed is how many partitions a statement names at most. What lies in more is read
// from the log, so that there are not too many statements to prepare.
const maxNamed = 8

// monthsOf returns what is known of the partitions for a reader of s.
func (d *DB) monthsOf(ctx context.Context, s span) (*months, error) {
	if m := d.known.Load(); m != nil && !m.through.Before(monthOf(s.last.at)) {
		return m, nil
	}
	m := &months{through: monthOf(s.last.at)}
	names, err := partitionNames(ctx, d.pool)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		at, ok := monthNamed(name)
		if !ok { // somebody has made partitions of his own: none is named
			m.all = nil
			break
		}
		one := month{table: "public." + name, at: at}
		err = d.pool.QueryRow(ctx, "SELECT coalesce((SELECT id FROM "+one.table+" ORDER BY id LIMIT 1), 0)").Scan(&one.first)
		if err != nil {
			return nil, err
		}
		if one.first > 0 {
			m.all = append(m.all, one)
		}
	}
	d.known.Store(m)
	return m, nil
}

// of returns the partitions that hold the ids from lo to hi, the oldest first. It reports false
// if they are too many to be named, or not known.
func (m *months) of(lo, hi int64) ([]month, bool) {
	behind := func(id int64) int { // the first partition that begins behind id
		i, _ := slices.BinarySearchFunc(m.all, id, func(m month, id int64) int {
			if m.first <= id {
				return -1
			}
			return 1
		})
		return i
	}
	begin, end := behind(lo)-1, behind(hi)
	if begin < 0 || end-begin > maxNamed {
		return nil, false
	}
	return m.all[begin:end], true
}
