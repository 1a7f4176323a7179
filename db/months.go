package db

import (
	"context"
	"fmt"
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
const maxNamed = 16

// monthsOf returns what is known of the partitions for a reader of s. If one of them is not
// as it was made, or may not be read by its name, none is named until the next month.
func (d *DB) monthsOf(ctx context.Context, s span) (*months, error) {
	if m := d.known.Load(); m != nil && !m.through.Before(monthOf(s.last.at)) {
		return m, nil
	}
	m := &months{through: monthOf(s.last.at)}
	names, err := partitionNames(ctx, d.pool)
	if err != nil {
		return nil, fmt.Errorf("list partitions: %w", err)
	}
	for _, name := range names {
		at, ok := monthNamed(name)
		if !ok { // somebody has made partitions of his own
			m.all = nil
			break
		}
		one := month{table: "public." + name, at: at}
		err = d.pool.QueryRow(ctx, "SELECT coalesce((SELECT id FROM "+one.table+" ORDER BY id LIMIT 1), 0)").Scan(&one.first)
		switch sqlState(err) {
		case insufficientPrivilege:
			m.all = nil
			d.known.Store(m)
			return m, nil
		case undefinedTable:
			err = errDropped
		}
		if err != nil {
			return nil, fmt.Errorf("look into a partition: %w", err)
		}
		if one.first > 0 {
			m.all = append(m.all, one)
		}
	}
	d.known.Store(m)
	return m, nil
}

// tables are the partitions that hold each of some ranges of ids, and named is true; or all
// are the log, if some range is in too many to be named, or it is not known in which.
func (m *months) tables(ranges []idRange) (out [][]string, named bool) {
	out = make([][]string, len(ranges))
	for i, r := range ranges {
		if r.hi < r.lo {
			continue
		}
		begin, end := m.behind(r.lo)-1, m.behind(r.hi)
		if begin < 0 || end-begin > maxNamed {
			return inLog(ranges), false
		}
		for _, p := range m.all[begin:end] {
			out[i] = append(out[i], p.table)
		}
	}
	return out, true
}

func inLog(ranges []idRange) [][]string {
	out := make([][]string, len(ranges))
	for i, r := range ranges {
		if r.hi >= r.lo {
			out[i] = []string{"audit_log"}
		}
	}
	return out
}

const insufficientPrivilege = "42501"

// naming has read look into the tables in which each of some ranges of ids of n lies: some
// partitions, or the log itself, never both. A reader of the log would hold it while he
// waits for a partition, or the other way round, and who drops one has locked both.
// It returns errDropped if one of them was dropped meanwhile.
func (n neighbours) naming(ctx context.Context, ranges []idRange, read func(in [][]string) error) error {
	for {
		m, err := n.monthsOf(ctx, n.span)
		if err != nil {
			return err
		}
		in, named := m.tables(ranges)
		err = read(in)
		switch s := sqlState(err); {
		case named && s == undefinedTable:
			return errDropped
		case named && s == insufficientPrivilege: // to read it by its name
			n.known.Store(&months{through: monthOf(n.span.last.at)})
			continue
		case !named && err == nil:
			return n.checkKept(ctx, n.span)
		}
		return err
	}
}

// timesOf returns between which times the entries of s from lo to hi are, as far as that is
// known: a statement that names them looks into no other partitions. If there are none it is
// those of s.
func (d *DB) timesOf(ctx context.Context, s span, lo, hi int64) (from, to time.Time, err error) {
	m, err := d.monthsOf(ctx, s)
	if err != nil {
		return from, to, err
	}
	begin, end := m.behind(lo)-1, m.behind(hi)-1
	if begin < 0 || hi < lo {
		return s.first.at, s.last.at, nil
	}
	return m.all[begin].at, m.all[end].at.AddDate(0, 1, 0).Add(-time.Microsecond), nil
}

// behind is the first partition that begins behind an id.
func (m *months) behind(id int64) int {
	i, _ := slices.BinarySearchFunc(m.all, id, func(m month, id int64) int {
		if m.first <= id {
			return -1
		}
		return 1
	})
	return i
}
