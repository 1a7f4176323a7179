package graph_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"halite/internal/httpapi/apitest"
)

func TestSlow(t *testing.T) {
	s := apitest.Start(t, apitest.Options{SilentReads: true})
	admin := s.Cookie(t, "admin")
	frags := func(n, k int) string { // n fragments each spreading all the others below
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "fragment f%d on Me { username", i)
			for j := i + 1; j < min(n, i+1+k); j++ {
				fmt.Fprintf(&b, " ...f%d", j)
			}
			b.WriteString(" }\n")
		}
		return b.String()
	}
	nest := func(n int) string { // overlapping nested
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "fragment g%d on __Type { ofType { ...g%d } ofType { ...g%d } }\n", i, i+1, i+1)
		}
		fmt.Fprintf(&b, "fragment g%d on __Type { name }\n", n)
		return b.String()
	}
	for name, q := range map[string]string{
		"dup fields":     `{ me { ` + strings.Repeat("username ", 1900) + `} }`,
		"dup roots":      `{ ` + strings.Repeat("me{username} ", 450) + `}`,
		"alias a lot":    `{ me { ` + strings.Repeat("a:username ", 600) + `} }`,
		"doubling":       `{ me { ...f0 } } ` + doubling(150, "Me", "username"),
		"frags":          `{ me { ...f0 } } ` + frags(25, 24),
		"frags40":        `{ me { ...f0 } } ` + frags(28, 28),
		"nested dup":     `{ __schema { queryType { ...g0 } } } ` + nest(24),
		"nested dup 100": `{ __schema { queryType { ...g0 } } } ` + nest(100),
		"deep":           `{ __schema { queryType { ` + strings.Repeat("ofType {", 600) + "name" + strings.Repeat("}", 600) + ` } } }`,
		"inline":         `{ me { ` + strings.Repeat("... {", 600) + "username" + strings.Repeat("}", 600) + ` } }`,
		"inline dup":     `{ ` + strings.Repeat("... { me { username } } ", 240) + ` }`,
		"typename deep":  `{ ` + strings.Repeat("... { ", 300) + "me { username }" + strings.Repeat(" me {username} } ", 300) + ` }`,
		"vars":           `query (` + strings.Repeat("$a: Int ", 400) + `) { me { username } }`,
		"filter lists":   `{ auditEntries(filter: ` + strings.Repeat("[", 900) + strings.Repeat("]", 900) + `) { total } }`,
		"spread all pairs": func() string { // me { ...f0 ...f1 ... } with nested
			var b strings.Builder
			b.WriteString("{ ")
			for i := range 140 {
				fmt.Fprintf(&b, "...h%d ", i)
			}
			b.WriteString("} ")
			for i := range 140 {
				fmt.Fprintf(&b, "fragment h%d on Query { me { username } } ", i)
			}
			return b.String()
		}(),
	} {
		for _, c := range []string{"", admin} {
			start := time.Now()
			r := s.Query(t, c, q, nil)
			if d := time.Since(start); d > 20*time.Millisecond {
				t.Logf("SLOW %s %v %d %.200s", name, d, len(q), r.Body)
			} else {
				t.Logf("%s %v %.150s", name, d, r.Body)
			}
		}
	}
}
