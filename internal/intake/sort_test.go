package intake

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"halite/internal/audit"
)

// TestSorter: whatever the records and whatever fits into memory, they come out by time,
// then by id, then as they came, none more and none less.
func TestSorter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		s := newSorter(dir, rapid.IntRange(1, 200).Draw(t, "memory"))
		defer s.close()
		var want []item
		for i := range rapid.IntRange(0, 60).Draw(t, "records") {
			k := item{at: rapid.Int64Range(0, 4).Draw(t, "at"), id: rapid.Int64Range(0, 4).Draw(t, "id"), seq: int64(i)}
			want = append(want, k)
			if err := s.add(k.at, k.id, fmt.Append(nil, k.at, k.id, k.seq)); err != nil {
				t.Fatal(err)
			}
		}
		slices.SortFunc(want, item.compare)
		if err := s.finish(); err != nil {
			t.Fatal(err)
		}
		for _, k := range want {
			got, err := s.next()
			if err != nil || string(got) != fmt.Sprint(k.at, k.id, k.seq) {
				t.Fatalf("%s, %v, want %v", got, err, k)
			}
		}
		for range 2 {
			if _, err := s.next(); !errors.Is(err, io.EOF) {
				t.Fatalf("behind the last one: %v", err)
			}
		}
	})
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

// TestSorterNoRoom: a temporary file that cannot be made is an error, not a loss.
func TestSorterNoRoom(t *testing.T) {
	t.Parallel()
	s := newSorter(t.TempDir()+"/none", 1)
	defer s.close()
	if err := s.add(1, 1, []byte("a")); err != nil {
		t.Fatal(err)
	}
	if err := s.add(2, 2, []byte("b")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// TestEncoding: an entry comes back as it was, and what was cut short is found out.
func TestEncoding(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var e Entry
		e.SourceID = rapid.Int64Min(0).Draw(t, "id")
		e.At = time.UnixMicro(rapid.Int64Range(0, 1<<52).Draw(t, "at")).UTC()
		if e.UserID.Valid = rapid.Bool().Draw(t, "user"); e.UserID.Valid {
			copy(e.UserID.UUID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
		}
		e.Decision = rapid.SampledFrom([]audit.Decision{audit.Allow, audit.Deny}).Draw(t, "decision")
		e.ResultCode, e.DurationMS = int(rapid.Int32().Draw(t, "code")), int(rapid.Int32().Draw(t, "ms"))
		for i, s := range e.texts() {
			*s = rapid.String().Draw(t, fmt.Sprint("text ", i))
		}
		if rapid.Bool().Draw(t, "args") {
			e.Args = []byte(rapid.StringN(1, -1, -1).Draw(t, "json"))
		}
		b := e.appendTo(nil)
		got, err := decode(b)
		if diff := cmp.Diff(e, got); diff != "" || err != nil {
			t.Fatalf("error %v, -want +got\n%s", err, diff)
		}
		short := rapid.IntRange(0, len(b)-len(e.Args)-1).Draw(t, "short")
		if _, err := decode(b[:short]); err == nil {
			t.Fatalf("%d bytes of %d pass for an entry", short, len(b))
		}
	})
}
