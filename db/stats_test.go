package db_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
	"halite/internal/synthetic"
)

// checkStats asks for random buckets and holds them against plain SQL.
func (h *history) checkStats(t *testing.T) {
	t.Helper()
	f, step := randomQuery(h.rnd, h.kept).Filter, pick(h.rnd, append(audit.Steps, ""))
	got, err := h.Stats(t.Context(), f, step)
	if r, ok := errors.AsType[*audit.RangeError](err); ok && r.Field == "bucket" {
		h.checkTooMany(t, f, step)
		return
	}
	if err != nil || got.Partial || got.SearchedTo != 0 || step != "" && got.Step != step {
		t.Fatalf("%s, %q: %+v, %v", show(audit.Query{Filter: f}), step, got, err)
	}
	counted := []string{}
	for i, b := range got.Buckets {
		if i > 0 && !b.Since.Equal(got.Buckets[i-1].Until) || !b.Since.Before(b.Until) || !got.Step.Floor(b.Until.Add(-time.Microsecond)).Equal(b.Since) {
			t.Fatalf("%q: bucket %d, %v to %v", step, i, b.Since, b.Until)
		}
		if b.Allowed+b.Denied > 0 {
			counted = append(counted, fmt.Sprintf("%s %d %d", b.Since.Format(time.RFC3339), b.Allowed, b.Denied))
		}
	}
	clause, args := plainSQL(f)
	begin := fmt.Sprintf("date_trunc('%s', at AT TIME ZONE 'UTC')", got.Step)
	if got.Step == audit.QuarterHour {
		begin = "date_bin('15 minutes', at AT TIME ZONE 'UTC', '2000-01-01')"
	}
	want := texts(t, h.owner, `SELECT to_char(`+begin+`, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || ' ' || count(*) FILTER (WHERE decision = 'allow')
		|| ' ' || count(*) FILTER (WHERE decision = 'deny') FROM audit_log`+clause+` GROUP BY `+begin+` ORDER BY `+begin, args...)
	if diff := gocmp.Diff(want, counted, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s, %s, -want +got\n%s", show(audit.Query{Filter: f}), got.Step, diff)
	}
	if n := len(got.Buckets); n > audit.MaxBuckets || step == "" && n > audit.FineBuckets {
		t.Fatalf("%q: %d buckets", step, n)
	}
}

// checkTooMany fails unless the entries that f selects by time make more buckets than may be.
func (h *history) checkTooMany(t *testing.T, f audit.Filter, step audit.Step) {
	t.Helper()
	var times []time.Time
	for _, e := range h.kept {
		if inTime(f, e) {
			times = append(times, e.At)
		}
	}
	if _, ok := step.Buckets(times[0], times[len(times)-1], 5_000/audit.MaxCombined); ok {
		t.Fatalf("%s: %s makes too many buckets from %v to %v", show(audit.Query{Filter: f}), step, times[0], times[len(times)-1])
	}
}

// checkFacets asks for the most frequent values of random filters and holds them against
// what is kept.
func (h *history) checkFacets(t *testing.T) {
	t.Helper()
	f, limit := randomQuery(h.rnd, h.kept).Filter, 1+h.rnd.IntN(6)
	for _, by := range []audit.Facet{audit.ByUser, audit.ByAction, audit.ByResource} {
		got, err := h.Facets(t.Context(), f, by, limit)
		if err != nil || got.Partial {
			t.Fatalf("%s, %s: %+v, %v", show(audit.Query{Filter: f}), by, got, err)
		}
		if diff := gocmp.Diff(h.wantFacets(f, by, limit), got.Values, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s, %s, -want +got\n%s", show(audit.Query{Filter: f}), by, diff)
		}
	}
	actions, err := h.Actions(t.Context())
	var want []string
	for _, e := range h.kept {
		want = append(want, e.Action)
	}
	slices.Sort(want)
	if diff := gocmp.Diff(slices.Compact(want), actions); diff != "" || err != nil {
		t.Fatalf("%v, -want +got\n%s", err, diff)
	}
}

func (h *history) wantFacets(f audit.Filter, by audit.Facet, limit int) (want []audit.FacetValue) {
	for _, e := range h.kept {
		if !selects(f, e) || !inTime(f, e) {
			continue
		}
		v := audit.FacetValue{User: e.UserID}
		switch by {
		case audit.ByAction:
			v = audit.FacetValue{Text: e.Action}
		case audit.ByResource:
			v = audit.FacetValue{Text: e.Resource}
		case audit.ByUser:
		}
		i := slices.IndexFunc(want, func(w audit.FacetValue) bool { return w.User == v.User && w.Text == v.Text })
		if i < 0 {
			i, want = len(want), append(want, v)
		}
		if e.Decision == audit.Deny {
			want[i].Denied++
		} else {
			want[i].Allowed++
		}
	}
	slices.SortFunc(want, func(a, b audit.FacetValue) int {
		return cmp.Or(cmp.Compare(b.Allowed+b.Denied, a.Allowed+a.Denied), strings.Compare(a.Text, b.Text), strings.Compare(a.User.UUID.String(), b.User.UUID.String()))
	})
	return want[:min(limit, len(want))]
}

// TestFacetNames: users have the names of their newest entries, whatever was decided.
func TestFacetNames(t *testing.T) {
	t.Parallel()
	d := pgtest.OpenURL(t, pgtest.URL(t))
	user := func(n byte) uuid.NullUUID { return uuid.NullUUID{UUID: uuid.UUID{n}, Valid: true} }
	var batch []*audit.Entry
	for _, e := range []audit.Entry{
		{UserID: user(1), Username: "old", Decision: audit.Deny},
		{UserID: user(1), Username: "new", Decision: audit.Allow},
		{UserID: user(1), Username: "new", Decision: audit.Allow},
		{UserID: user(2), Username: "first", Decision: audit.Allow},
		{UserID: user(2), Username: "second", Decision: audit.Deny},
		{Decision: audit.Deny},
	} {
		e.Action, e.Resource = "test.do", "test:x"
		batch = append(batch, &e)
	}
	if err := d.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	got, err := d.Facets(t.Context(), audit.Filter{}, audit.ByUser, 10)
	want := []audit.FacetValue{
		{User: user(1), Name: "new", Allowed: 2, Denied: 1}, {User: user(2), Name: "second", Allowed: 1, Denied: 1}, {Denied: 1},
	}
	if diff := gocmp.Diff(want, got.Values); diff != "" || err != nil {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
}

// TestFacetsWithinBound: where entries have to be looked at, no more of them are than the
// bound says, and the answer tells how far it goes.
func TestFacetsWithinBound(t *testing.T) {
	t.Parallel()
	u := pgtest.URL(t)
	const rows, bound = 5_000, 1_500
	if err := openOwner(t, u).Generate(t.Context(), db.Generation{Rows: rows, Seed: 1, Months: 2}); err != nil {
		t.Fatal(err)
	}
	d := pgtest.OpenURL(t, u)
	db.SetBounds(d, bound, 500, 1_024)
	code := int64(0)
	f := audit.Filter{ResultCodeMin: &code}
	for _, by := range []audit.Facet{audit.ByUser, audit.ByAction, audit.ByResource} {
		got, err := d.Facets(t.Context(), f, by, audit.MaxFacets)
		sum := int64(0)
		for _, v := range got.Values {
			sum += v.Allowed + v.Denied
		}
		if err != nil || !got.Partial || got.SearchedTo != rows-bound+1 || sum > bound || by == audit.ByAction && sum != bound {
			t.Errorf("%s: %d entries, partial %t, searched to %d, %v", by, sum, got.Partial, got.SearchedTo, err)
		}
	}
	got, err := d.Stats(t.Context(), f, audit.Day)
	sum := int64(0)
	for _, b := range got.Buckets {
		sum += b.Allowed + b.Denied
	}
	if err != nil || !got.Partial || got.SearchedTo != rows-bound+1 || sum != bound {
		t.Errorf("%d entries, partial %t, searched to %d, %v", sum, got.Partial, got.SearchedTo, err)
	}
	exact, err := d.Facets(t.Context(), audit.Filter{}, audit.ByAction, 1)
	if err != nil || exact.Partial || len(exact.Values) != 1 || exact.Values[0].Text != synthetic.Action(0) {
		t.Errorf("%+v, %v", exact, err)
	}
}
