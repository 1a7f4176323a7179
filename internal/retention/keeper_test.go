package retention_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"halite/internal/audit"
	"halite/internal/pgtest"
	"halite/internal/retention"
)

// dropAll drops until there is nothing more to drop, and returns how many partitions.
func dropAll(t *testing.T, k *retention.Keeper) (n int) {
	t.Helper()
	for {
		dropped, err := k.DropOldest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !dropped {
			return n
		}
		n++
	}
}

// check holds what is left, and the archives in dir, against the log as it was: together
// they are all of it. It returns the rows about the retention.
func (w *world) check(t *testing.T, dir string) []audit.Entry {
	t.Helper()
	var archived int64
	files, err := filepath.Glob(filepath.Join(dir, "*.ndjson.zst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		m, err := retention.Verify(t.Context(), f)
		if err != nil || m.FirstID != archived+1 {
			t.Fatalf("%s begins with entry %d, want %d: %v", f, m.FirstID, archived+1, err)
		}
		archived = m.LastID
	}
	page, err := w.List(t.Context(), audit.Query{Limit: 100, Counted: true})
	if err != nil {
		t.Fatal(err)
	}
	first, _, err := w.Bounds(t.Context(), audit.Filter{})
	if err != nil || first != archived+1 {
		t.Errorf("the log begins with entry %d, %d were archived: %v", first, archived, err)
	}
	now := w.texts(t, "SELECT l::text FROM audit_log AS l ORDER BY id")
	if int64(len(now)) != page.Total || strings.Join(now[:len(w.before)-int(archived)], "\n") != strings.Join(w.before[archived:], "\n") {
		t.Errorf("%d rows are left of %d, total %d, %d archived", len(now), len(w.before), page.Total, archived)
	}
	old := time.Now().AddDate(-10, 0, 0)
	if _, err := w.List(t.Context(), audit.Query{Filter: audit.Filter{Since: &old}, Limit: 10, Offset: page.Total - 1}); err != nil {
		t.Error(err)
	}
	var rows []audit.Entry
	for _, e := range page.Entries {
		if e.Action == "audit.retention" {
			rows = append([]audit.Entry{e}, rows...)
		}
	}
	return rows
}

// TestKeeper: old months go into archives and out of the log, each with its row and its
// record; a second keeper finds nothing to do.
func TestKeeper(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 6000, 5)
	dir := t.TempDir()
	n := dropAll(t, w.keeper(w.DB, dir))
	if n < 2 {
		t.Fatalf("%d partitions were dropped", n)
	}
	if more := dropAll(t, w.keeper(w.DB, dir)); more != 0 {
		t.Errorf("%d partitions more", more)
	}
	rows := w.check(t, dir)
	records := w.texts(t, `SELECT concat_ws(' ', partition, first_id, last_id, archive, encode(archive_sha256, 'hex'), entry_id) FROM audit_retention ORDER BY first_id`)
	if len(rows) != n || len(records) != n {
		t.Fatalf("%d rows and %d records of %d partitions", len(rows), len(records), n)
	}
	for i, e := range rows {
		var args struct {
			Partition, Archive, SHA256 string
			FirstID                    int64 `json:"first_id"`
			LastID                     int64 `json:"last_id"`
			Rows                       int64
			Days                       int `json:"retention_days"`
		}
		if err := json.Unmarshal(e.Args, &args); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintln(args.Partition, args.FirstID, args.LastID, args.Archive, args.SHA256, e.ID); got != records[i]+"\n" {
			t.Errorf("the row says %sthe record %s", got, records[i])
		}
		if args.Rows != args.LastID-args.FirstID+1 || args.Days != 45 || e.Decision != audit.Allow || e.ResultCode != 200 ||
			e.Username != "system:test" || e.Reason != "AUDIT_RETENTION_DAYS is 45" || e.Resource != "audit:*" {
			t.Errorf("%+v", e)
		}
	}
}

// TestKeepersSideBySide: several servers that share a folder drop each partition once.
func TestKeepersSideBySide(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4000, 5)
	dir := t.TempDir()
	errs := make(chan error)
	const servers = 4
	for range servers {
		d := pgtest.OpenURL(t, w.url)
		k := w.keeper(d, dir)
		go func() {
			for range 20 {
				if _, err := k.DropOldest(context.Background()); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range servers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	n := dropAll(t, w.keeper(w.DB, dir)) // what the last round of all has left
	rows := w.check(t, dir)
	if files, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(files) != 2*len(rows) || len(rows) < 2 {
		t.Errorf("%d files, %d rows (%d by the last): %v", len(files), len(rows), n, err)
	}
}

// failing is a store of which the next drop fails at a stage.
type failing struct {
	retention.Store
	stage string
}

var errStage = errors.New("it failed here")

func (f *failing) BeginDrop(ctx context.Context, p retention.Partition, a *retention.Archived) (retention.Drop, error) {
	if f.stage == "begin" {
		return nil, errStage
	}
	d, err := f.Store.BeginDrop(ctx, p, a)
	return failingDrop{d, f.stage}, err
}

type failingDrop struct {
	retention.Drop
	stage string
}

func (d failingDrop) Run(ctx context.Context) error {
	if err := d.Drop.Run(ctx); err != nil {
		return err
	}
	if d.stage == "run" {
		return errStage
	}
	return nil
}

func (d failingDrop) Change(ctx context.Context, change func(context.Context) error, row func(error) audit.Entry) (audit.Entry, error) {
	if d.stage == "before" {
		return audit.Entry{}, errStage
	}
	return d.Drop.Change(ctx, change, row)
}

// TestKeeperFails: what fails between the archive and the drop leaves the partition, and
// the next call takes the archive that is there, or writes another if it is damaged.
func TestKeeperFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3000, 4)
	dir := t.TempDir()
	p := w.oldest(t)
	file := filepath.Join(dir, retention.ArchiveName(p))
	store := &failing{Store: w.DB}
	k := w.keeper(store, dir)
	var written time.Time
	for _, store.stage = range []string{"begin", "before", "run"} {
		if dropped, err := k.DropOldest(t.Context()); dropped || err == nil {
			t.Fatalf("%s: dropped %t, %v", store.stage, dropped, err)
		}
		if still := w.oldest(t); still != p {
			t.Errorf("%s: %+v, was %+v", store.stage, still, p)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if written.IsZero() {
			written = info.ModTime()
		}
		if !info.ModTime().Equal(written) {
			t.Errorf("%s: the archive was written anew", store.stage)
		}
	}
	// That the drop itself failed is a decision that was carried out badly: it has a row.
	failed := w.texts(t, "SELECT result_code::text FROM audit_log WHERE action = 'audit.retention' AND decision = 'allow'")
	if len(failed) != 1 || failed[0] != "500" || len(w.texts(t, "SELECT partition FROM audit_retention")) != 0 {
		t.Errorf("rows of what failed: %q", failed)
	}
	store.stage = ""
	write(t, file, flipped(read(t, file), 1000))
	leftover := filepath.Join(dir, "."+filepath.Base(file)+".123.tmp") // of a server that was killed
	write(t, leftover, []byte("cut"))
	if dropped, err := k.DropOldest(t.Context()); !dropped || err != nil {
		t.Fatal(dropped, err)
	}
	if m, err := retention.Verify(t.Context(), file); err != nil || m.LastID != p.LastID {
		t.Errorf("after it was damaged: %v", err)
	}
	if _, err := os.Stat(leftover); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a server that was killed left: %v", err)
	}
	w.check(t, dir)
	// Without a folder to write to nothing is dropped.
	next := w.oldest(t)
	if dropped, err := w.keeper(w.DB, filepath.Join(dir, "none")).DropOldest(t.Context()); dropped || err == nil || w.oldest(t) != next {
		t.Errorf("without a folder: %t, %v", dropped, err)
	}
}

// TestKeeperStops: Stop returns while there is work, and the work can go on later.
func TestKeeperStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3000, 5)
	dir := t.TempDir()
	for range 10 {
		k := w.keeper(w.DB, dir)
		k.Start()
		k.Stop()
	}
	dropAll(t, w.keeper(w.DB, dir))
	w.check(t, dir)
}

// TestDiskWarning: from 80 % on, once at first and then every hour.
func TestDiskWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &said{}
		var mu sync.Mutex
		free := int64(21)
		set := func(n int64) { mu.Lock(); free = n; mu.Unlock() }
		k := retention.New(retention.Config{Logger: out.logger(), Disk: func(context.Context) (int64, int64, bool, error) {
			mu.Lock()
			defer mu.Unlock()
			return 100, free, true, nil
		}})
		k.Start()
		warnings := func(after time.Duration) int {
			time.Sleep(after) // of the bubble's own clock
			synctest.Wait()
			return out.count("fills up")
		}
		check := func(what string, got, want int) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %d warnings, want %d", what, got, want)
			}
		}
		check("79 %", warnings(3*time.Hour), 0)
		set(20)
		check("80 %", warnings(2*time.Minute), 1)
		check("half an hour later", warnings(30*time.Minute), 1)
		check("three hours later", warnings(3*time.Hour), 4)
		set(50)
		check("50 %", warnings(3*time.Hour), 4)
		set(1)
		check("99 %", warnings(2*time.Minute), 5)
		k.Stop()
	})
	for free, want := range map[int64]string{100: "ok", 21: "ok", 20: "warning: 80 % in use", 0: "warning: 100 % in use"} {
		k := retention.New(retention.Config{Logger: pgtest.Quiet, Disk: func(context.Context) (int64, int64, bool, error) { return 100, free, true, nil }})
		if got, bad := k.CheckDisk(t.Context()); got != want || bad != (want != "ok") {
			t.Errorf("%d free: %q, %t", free, got, bad)
		}
	}
}

// TestStorage: what is told of the log's size, and of the disk under it.
func TestStorage(t *testing.T) {
	t.Parallel()
	empty := retention.New(retention.Config{Store: pgtest.Open(t), Disk: retention.UnknownDisk, Logger: pgtest.Quiet})
	if s, err := empty.Storage(t.Context()); err != nil || s.Rows != 0 || s.OldestID != 0 || s.GrowthPerDay != nil || s.DiskBytes != nil || s.DatabaseBytes == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	w := newWorld(t, 20_000, 4)
	dir := t.TempDir()
	k := w.keeper(w.DB, dir)
	k.Disk = retention.FolderDisk(dir)
	s, err := k.Storage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	perDay := float64(s.Bytes) / time.Since(s.OldestAt).Hours() * 24
	if s.Rows != 20_000 || s.OldestID != 1 || s.Bytes < 20_000*100 || s.Bytes > s.DatabaseBytes || *s.GrowthPerDay < 0.8*perDay || *s.GrowthPerDay > 1.2*perDay {
		t.Errorf("%+v, growth %f, by all of it %f", s, *s.GrowthPerDay, perDay)
	}
	if *s.DiskBytes <= 0 || *s.DiskFree <= 0 || *s.DiskFree > *s.DiskBytes || s.RetentionDays != 45 || !s.Archived {
		t.Errorf("%+v, disk %d, free %d", s, *s.DiskBytes, *s.DiskFree)
	}
	dropAll(t, k)
	after, err := k.Storage(t.Context())
	if first, _, berr := w.Bounds(t.Context(), audit.Filter{}); err != nil || berr != nil || after.OldestID != first || after.Rows >= s.Rows || after.Bytes >= s.Bytes {
		t.Errorf("%+v, the log begins with %d: %v", after, first, err)
	}
	k.Disk = retention.LimitedDisk(2*after.DatabaseBytes, w.DB)
	if limited, err := k.Storage(t.Context()); err != nil || *limited.DiskBytes != 2*after.DatabaseBytes || *limited.DiskFree != 2*after.DatabaseBytes-limited.DatabaseBytes {
		t.Errorf("%+v, %v", limited, err)
	}
}
