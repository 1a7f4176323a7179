package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"time"
)

// compare asks every server for every page, and goes on only if all answer the same.
func (b *bench) compare(ctx context.Context) error {
	if err := b.describe(ctx); err != nil {
		return err
	}
	var err error
	b.sql, err = b.stack.capture(ctx, slices.DeleteFunc(slices.Clone(b.cases), func(c pageCase) bool { return !c.rest() }))
	if err != nil {
		return err
	}
	b.targets = map[string]map[string]target{}
	for _, c := range b.cases {
		var first *answer
		b.targets[c.name()] = map[string]target{}
		for _, name := range slices.Sorted(maps.Keys(b.servers())) {
			t := b.target(c, name, b.servers()[name])
			body, err := once(ctx, t)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", c.name(), name, err)
			}
			a, err := readAnswer(name, body)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name(), err)
			}
			if c.Total && a.Total == nil {
				return fmt.Errorf("%s: %s answers without a total", c.name(), name)
			}
			if !c.Total {
				a.Total = nil
			}
			if first == nil {
				first = &a
			} else if !reflect.DeepEqual(*first, a) {
				return fmt.Errorf("%s: %s answers with another page: %v, not %v", c.name(), name, a, *first)
			}
			t.length = len(body)
			b.targets[c.name()][name] = t
		}
	}
	return nil
}

// rest reports whether REST and the SQL behind it are measured in this case: where the
// others count too, and without a filter, where counting costs nothing.
func (c pageCase) rest() bool { return c.Total || c.Filter == (filter{}) || c.Filter.Name == noFilter }

// describe finds out what is in the log, and so what is asked for.
func (b *bench) describe(ctx context.Context) error {
	page := func(offset int64) (answer, error) {
		t := newTarget(b.stack.off.addr, http.MethodGet, pageCase{Limit: 1, Offset: offset}.path(), b.stack.off.admin, "")
		body, err := once(ctx, t)
		if err != nil {
			return answer{}, err
		}
		a, err := readAnswer(haliteREST, body)
		if err == nil && (len(a.Entries) == 0 || a.Total == nil) {
			err = errors.New("the log is empty")
		}
		return a, err
	}
	newest, err := page(0)
	if err != nil {
		return err
	}
	oldest, err := page(*newest.Total - 1)
	if err != nil {
		return err
	}
	from, err := time.Parse(time.RFC3339Nano, oldest.Entries[0].At)
	if err != nil {
		return err
	}
	to, err := time.Parse(time.RFC3339Nano, newest.Entries[0].At)
	b.report.Rows = *newest.Total
	b.cases = slices.DeleteFunc(pageCases(b.report.Rows, from, to), func(c pageCase) bool {
		return b.plan.cases != nil && !b.plan.cases.MatchString(c.name())
	})
	return err
}

// target is a case as one server's request.
func (b *bench) target(c pageCase, name string, s *server) target {
	if name == haliteREST {
		return newTarget(s.addr, http.MethodGet, c.path(), s.admin, "")
	}
	return newTarget(s.addr, http.MethodPost, "/graphql", s.admin, c.body(name))
}
