package main

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// plot is a drawing with categories along and a logarithmic scale up. It is readable on a
// light and on a dark page: the background is the page's.
type plot struct {
	Title, Unit string
	X           []string
	Lines       []plotLine
	Bars        bool // a bar for each line beside one another, instead of lines
}

// plotLine is one who is compared. NaN: there is no value.
type plotLine struct {
	Name string
	Y    []float64
}

const (
	plotWidth, plotHeight               = 760, 420
	plotLeft, plotRight, plotTop, plotB = 64, 16, 76, 44
)

var (
	plotColours = map[string]string{
		haliteGraphQL: "#2f81f7", haliteREST: "#a371f7", postGraphile: "#d29922", mercurius: "#2da44e", pgBench: "#8b949e",
		"denied": "#2f81f7", "allowed": "#a371f7",
	}
	plotStyle = `text{font:12px system-ui,sans-serif;fill:#57606a}.t{font-size:15px;font-weight:600;fill:#24292f}` +
		`.g{stroke:#8b949e;stroke-opacity:.3}@media(prefers-color-scheme:dark){text{fill:#9da7b3}.t{fill:#e6edf3}}`
)

// svg draws the plot. The same plot gives the same bytes.
func (p plot) svg() string {
	var b strings.Builder
	w := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	lo, hi := p.decades()
	y := func(v float64) float64 {
		return plotHeight - plotB - (math.Log10(v)-float64(lo))/float64(hi-lo)*(plotHeight-plotTop-plotB)
	}
	step := float64(plotWidth-plotLeft-plotRight) / float64(max(1, len(p.X)))
	x := func(i int) float64 { return plotLeft + step*(float64(i)+0.5) }
	w(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s"><style>%s</style>`, plotWidth, plotHeight, escape(p.Title), plotStyle)
	w(`<text class="t" x="%d" y="22">%s</text><text x="%d" y="%d">%s, logarithmic</text>`, 12, escape(p.Title), 12, plotTop-10, escape(p.Unit))
	for d := lo; d <= hi; d++ {
		at := y(math.Pow10(d))
		w(`<path class="g" d="M%d %.1fH%d"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`, plotLeft, at, plotWidth-plotRight, plotLeft-8, at+4, decade(d))
	}
	for i, name := range p.X {
		w(`<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, x(i), plotHeight-plotB+20, escape(name))
	}
	legend := 12.0
	for n, l := range p.Lines {
		colour := plotColours[l.Name]
		if colour == "" {
			colour = "#8b949e"
		}
		w(`<rect x="%.1f" y="36" width="12" height="12" fill="%s"/><text x="%.1f" y="46">%s</text>`, legend, colour, legend+17, escape(l.Name))
		legend += 34 + 7*float64(len(l.Name))
		if p.Bars {
			p.bars(w, n, l, colour, step, x, y)
		} else {
			p.line(w, l, colour, x, y)
		}
	}
	w("</svg>")
	return b.String()
}

func (p plot) bars(w func(string, ...any), n int, l plotLine, colour string, step float64, x func(int) float64, y func(float64) float64) {
	width := step * 0.8 / float64(len(p.Lines))
	for i, v := range l.Y {
		if v > 0 {
			left, top := x(i)-step*0.4+width*float64(n), y(v)
			w(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"><title>%s, %s: %s</title></rect>`, left, top, width*0.92,
				plotHeight-plotB-top, colour, escape(l.Name), escape(p.X[i]), figure(v))
			if width > 34 {
				w(`<text x="%.1f" y="%.1f" text-anchor="middle" font-size="10">%s</text>`, left+width*0.46, top-4, figure(v))
			}
		}
	}
}

func (p plot) line(w func(string, ...any), l plotLine, colour string, x func(int) float64, y func(float64) float64) {
	var path strings.Builder
	for i, v := range l.Y {
		if !(v > 0) {
			continue
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[path.Len() == 0], x(i), y(v))
		w(`<circle cx="%.1f" cy="%.1f" r="4" fill="%s"><title>%s, %s: %s</title></circle>`, x(i), y(v), colour, escape(l.Name), escape(p.X[i]), figure(v))
	}
	w(`<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`, path.String(), colour)
}

// decades are the powers of ten below and above all values.
func (p plot) decades() (lo, hi int) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, l := range p.Lines {
		for _, v := range l.Y {
			if v > 0 {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if high < low {
		return 0, 1
	}
	lo, hi = int(math.Floor(math.Log10(low))), int(math.Ceil(math.Log10(high)))
	return lo, max(hi, lo+1)
}

func decade(d int) string {
	if d < 0 {
		return fmt.Sprintf("%.*f", -d, math.Pow10(d))
	}
	return grouped(int64(math.Pow10(d)))
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}

// plots are the drawings of the documentation, by file.
func (r *report) plots() map[string]string {
	lines := func(group string, names, servers []string, value func(*series) float64) (out []plotLine) {
		for _, server := range servers {
			l := plotLine{Name: server}
			for _, name := range names {
				l.Y = append(l.Y, value(r.find(group, name, server)))
			}
			out = append(out, l)
		}
		return out
	}
	all := []string{haliteGraphQL, haliteREST, postGraphile, mercurius, pgBench}
	without := func(cut string, names []string) (out []string) {
		for _, n := range names {
			n = strings.TrimPrefix(n, "offset ")
			out = append(out, strings.TrimSuffix(n, cut))
		}
		return out
	}
	depths, totals, callers := r.cases(byDepth), r.cases(withTotals), r.cases("decisions")
	of := grouped(r.Rows) + " rows"
	return map[string]string{
		"depth.svg":     plot{Title: "A page of 50 at depth, of " + of, Unit: "median ms by offset", X: without("", depths), Lines: lines(byDepth, depths, all, (*series).p50)}.svg(),
		"totals.svg":    plot{Title: "A page of 50 with its total, of " + of, Unit: "pages a second", X: without(", with total", totals), Bars: true, Lines: lines(withTotals, totals, all, (*series).rate)}.svg(),
		"decisions.svg": plot{Title: "Durable decisions, and plain rows committed one by one", Unit: "decisions a second by callers", X: callers, Lines: lines("decisions", callers, []string{"denied", "allowed", mercurius, pgBench}, (*series).rate)}.svg(),
	}
}
