package db_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"halite/internal/audit"
	"halite/internal/pgtest"
)

// weird is entries that a column would refuse as they are.
func weird() []audit.Entry {
	texts := []string{
		"\x00", "a\x00b", "\xff\xfe", "\xed\xa0\x80", "\xc3", "\u2028\u2029", "\U0001F600", "\ufeff", "'; DROP TABLE audit_log; --", `\`, `\x00`,
		strings.Repeat("x", 100_000), strings.Repeat("é", 600), strings.Repeat("\U0001F600", 600), strings.Repeat("\xff", 600), strings.Repeat("\x00", 600),
	}
	args := []string{
		`{"a":"\u0000"}`, `{"\u0000":1}`, `{"a":"\ud800"}`, `{"a":"\udc00\ud800"}`, `{"a":"\ud83d\ude00"}`, `{"a":"\\u0000"}`, "{\"a\":\"\xff\"}", "{\"a\":\"\x00\"}",
		`{"a":1e200000}`, `{"a":-1e-200000}`, `{"a":1e131071}`, `{"a":1e400}`, `{"a":0e999999999999999999999}`, `{"a":1.` + strings.Repeat("1", 20_000) + `}`,
		`{"a":` + strings.Repeat("9", 30_000) + `}`, strings.Repeat(`{"a":`, 5000) + `1` + strings.Repeat(`}`, 5000), strings.Repeat(`[`, 10_000),
		`{"a":` + strings.Repeat(`[`, 10_000) + strings.Repeat(`]`, 10_000) + `}`, `{"a":"` + strings.Repeat("x", 100_000) + `"}`,
		`null`, ` null `, `"text"`, `1`, `[]`, `true`, `{`, `{"a":}`, `{"a":1}{`, `nul`, `{"a":NaN}`, ``, ` `, `{"a":1,"a":2}`, `{"":""}`,
		`{"` + strings.Repeat("k", 30_000) + `":1}`, "\xef\xbb\xbf{}",
	}
	var out []audit.Entry
	for _, s := range texts {
		out = append(
			out,
			audit.Entry{Action: s, Resource: s, SaltJID: s, Username: s, Verb: s, Reason: s, RequestID: s, SourceIP: s, UserAgent: s, Decision: audit.Decision(s)},
			audit.Entry{Action: "text in arguments", Args: json.RawMessage(s), Decision: audit.Allow},
		)
	}
	for _, a := range args {
		out = append(out, audit.Entry{Action: "arguments", Args: json.RawMessage(a), Decision: audit.Allow})
	}
	for _, n := range []int{math.MinInt64, math.MinInt32 - 1, -1, math.MaxInt32 + 1, math.MaxInt64} {
		out = append(out, audit.Entry{Action: "number", ResultCode: n, DurationMS: n, Decision: audit.Deny})
	}
	return append(out, audit.Entry{
		Action: "ids", ID: -5, At: time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC), Decision: audit.Allow,
		UserID: uuid.NullUUID{UUID: uuid.Max, Valid: true},
	})
}

// sameArgs compares arguments as JSON values, numbers exactly: jsonb keeps no more.
var sameArgs = cmp.Comparer(func(a, b json.RawMessage) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return cmp.Equal(value(a), value(b), cmp.Comparer(func(x, y json.Number) bool {
		p, ok := new(big.Rat).SetString(string(x))
		q, ok2 := new(big.Rat).SetString(string(y))
		return ok && ok2 && p.Cmp(q) == 0
	}))
})

// value is the JSON value of raw, or its text.
func value(raw json.RawMessage) (v any) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return string(raw)
	}
	return v
}

// TestWeirdValues has one transaction take every weird value, beside good ones, and
// gives back what Storable made of it.
func TestWeirdValues(t *testing.T) {
	t.Parallel()
	d := pgtest.Open(t)
	var batch []*audit.Entry
	for _, w := range weird() {
		stored, good := audit.Storable(w), entry("good")
		batch = append(batch, &stored, &good)
	}
	if err := d.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for i, want := range batch {
		if want.ID != int64(i+1) {
			t.Fatalf("entry %d got the id %d", i, want.ID)
		}
		got, err := d.Get(t.Context(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(*want, got, sameArgs); diff != "" {
			t.Errorf("row %d:\n%.2000s", want.ID, diff)
		}
	}
}

// TestAnyValue is TestWeirdValues with values that nobody thought of.
func TestAnyValue(t *testing.T) {
	t.Parallel()
	d := pgtest.Open(t)
	text := rapid.OneOf(
		rapid.String(),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 300), func(b []byte) string { return string(b) }),
		rapid.StringMatching(`(\\u(0000|d8[0-9a-f]{2}|dc[0-9a-f]{2}|00e9)|[a-z"{}\[\],:]|-?[0-9.]{1,5}[eE]-?[0-9]{1,6})*`),
	)
	raw := rapid.OneOf(text, rapid.Map(text, func(s string) string { return `{"a":"` + s + `"}` }), rapid.Map(text, func(s string) string { return `{"a":` + s + `}` }))
	rapid.Check(t, func(rt *rapid.T) {
		var batch []*audit.Entry
		for range rapid.IntRange(1, 5).Draw(rt, "entries") {
			e := audit.Storable(audit.Entry{
				Action: text.Draw(rt, "action"), Resource: text.Draw(rt, "resource"), Args: json.RawMessage(raw.Draw(rt, "args")),
				SaltJID: text.Draw(rt, "jid"), Username: text.Draw(rt, "username"), UserAgent: text.Draw(rt, "agent"),
				ResultCode: rapid.Int().Draw(rt, "code"), DurationMS: rapid.Int().Draw(rt, "ms"),
			})
			batch = append(batch, &e)
		}
		if err := d.Append(context.Background(), batch); err != nil {
			rt.Fatal(err)
		}
		for _, want := range batch {
			got, err := d.Get(context.Background(), want.ID)
			if err != nil {
				rt.Fatal(err)
			}
			if diff := cmp.Diff(*want, got, sameArgs); diff != "" {
				rt.Fatalf("row %d:\n%.2000s", want.ID, diff)
			}
		}
	})
}

// spoiler is the database, for which some entries are made such as it refuses. Its
// first batch waits until the gate is closed.
type spoiler struct {
	audit.Appender
	entered, gate chan struct{}
}

func (s *spoiler) Append(ctx context.Context, batch []*audit.Entry) error {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-s.gate
	for _, e := range batch {
		switch e.Action {
		case "bad json":
			e.Args = json.RawMessage(`{"a":`)
		case "bad text":
			e.Reason = "\x00"
		case "bad length":
			e.Verb = strings.Repeat("x", 65)
		case "bad decision":
			e.Decision = "perhaps"
		}
	}
	return s.Appender.Append(ctx, batch)
}

// TestBisect: a batch that the database refuses after all fails for those entries
// alone that it refuses.
func TestBisect(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	s := &spoiler{Appender: pgtest.OpenURL(t, u), entered: make(chan struct{}, 1), gate: make(chan struct{})}
	const queue = 60
	r := audit.NewRecorder(s, queue, pgtest.Quiet)
	t.Cleanup(r.Stop)
	type result struct {
		name string
		e    audit.Entry
		err  error
	}
	results := make(chan result, queue+2)
	ask := func(name string) {
		go func() {
			e, err := r.Record(entry(name))
			results <- result{name, e, err}
		}()
	}
	ask("first")
	<-s.entered
	bad := []string{"bad json", "bad text", "bad length", "bad decision"}
	for i := range queue + 1 { // one too many, so that it is known when all are queued
		if i%15 == 7 {
			ask(bad[i/15%4])
			continue
		}
		ask(fmt.Sprintf("good%d", i))
	}
	if one := <-results; !errors.Is(one.err, audit.ErrQueueFull) {
		t.Fatalf("%s: %v, want %v", one.name, one.err, audit.ErrQueueFull)
	}
	close(s.gate)
	var good []string
	for range queue + 1 {
		one := <-results
		switch isBad := slices.Contains(bad, one.name); {
		case isBad && !errors.Is(one.err, audit.ErrRejected):
			t.Errorf("%s: %v, want %v", one.name, one.err, audit.ErrRejected)
		case !isBad && one.err != nil:
			t.Errorf("%s failed beside bad ones: %v", one.name, one.err)
		case !isBad:
			good = append(good, fmt.Sprint(one.e.ID, " ", one.name))
		}
	}
	rows := texts(t, pgtest.Conn(t, u, "halite"), "SELECT id || ' ' || action FROM audit_log")
	slices.Sort(rows)
	slices.Sort(good)
	if diff := cmp.Diff(good, rows); diff != "" {
		t.Errorf("answered and written:\n%s", diff)
	}
	last, err := r.Record(entry("last"))
	if err != nil || last.ID != int64(len(good)+1) {
		t.Errorf("afterwards: row %d, %v", last.ID, err)
	}
}
