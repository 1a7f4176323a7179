package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// goals says what was aimed at, what came out, and whether that is enough. Where a goal
// is about several cases the worst of them counts.
func (r *report) goals(p func(string, ...any)) {
	p("| goal | measured | met |\n|---|---|---|")
	row := func(goal string, v, least float64, note string) {
		met := "yes"
		switch {
		case math.IsNaN(v):
			return
		case v < least:
			met = "**no**"
		}
		p("| %s | %s x%s | %s |", goal, figure(v), note, met)
	}
	const first, counted = noFilter, noFilter + ", with total"
	us := r.find(byFilter, first, haliteGraphQL)
	row("page without a total: the rate of Mercurius", us.ratio(r.find(byFilter, first, mercurius)), 1, "")
	row("page without a total: 2 x the rate of PostGraphile", us.ratio(r.find(byFilter, first, postGraphile)), 2, "")
	for _, peer := range []string{mercurius, postGraphile} {
		v, name := r.worst(withTotals, haliteGraphQL, peer, func(name string) bool { return name != counted })
		row("page with a filtered total: 3 x "+peer, v, 3, note(name+"; "+r.each(withTotals, haliteGraphQL, peer)))
		row("page with the unfiltered total: 100 x "+peer, r.find(withTotals, counted, haliteGraphQL).ratio(r.find(withTotals, counted, peer)), 100, "")
		if deep := r.deep(); deep != "" {
			row("page at depth 1 million: 100 x "+peer, r.find(byDepth, deep, haliteGraphQL).ratio(r.find(byDepth, deep, peer)), 100, note(deep))
		}
	}
	row("REST: a quarter of pgbench with the same SQL", r.find(byFilter, first, haliteREST).ratio(r.find(byFilter, first, pgBench)), 0.25, "")
	for _, group := range []string{byDepth, withTotals} {
		v, name := r.worst(group, haliteREST, pgBench, func(string) bool { return true })
		row("... in the worst case by "+group, v, 0.25, note(name))
	}
	memory := max(r.Memory[haliteGraphQL], r.Memory[haliteOn])
	if memory > 0 {
		met := "yes"
		if memory >= 100e6 {
			met = "**no**"
		}
		p("| memory of the server below 100 MB throughout | %s MB | %s |", figure(float64(memory)/1e6), met)
	}
	p("")
}

func note(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", name)
}

// worst is the lowest ratio of two servers over the cases of a group, and the case.
func (r *report) worst(group, server, other string, counts func(name string) bool) (v float64, worst string) {
	v = math.NaN()
	for _, name := range r.cases(group) {
		if x := r.find(group, name, server).ratio(r.find(group, name, other)); counts(name) && !math.IsNaN(x) && !(x >= v) {
			v, worst = x, name
		}
	}
	return v, worst
}

// each is the ratio of two servers in every case of a group that has a filter.
func (r *report) each(group, server, other string) string {
	var v []string
	for _, name := range r.cases(group) {
		if !strings.HasPrefix(name, noFilter) {
			v = append(v, figure(r.find(group, name, server).ratio(r.find(group, name, other))))
		}
	}
	return "each filter: " + strings.Join(v, ", ")
}

// deep is the case at depth 1 million; in a log of about a million, that of the last page.
func (r *report) deep() string {
	names := r.cases(byDepth)
	if len(names) == 0 || r.Rows < 1_000_000 {
		return ""
	}
	if i := slices.IndexFunc(names, func(n string) bool { return strings.HasSuffix(n, " 1,000,000") }); i >= 0 {
		return names[i]
	}
	return names[len(names)-1]
}
