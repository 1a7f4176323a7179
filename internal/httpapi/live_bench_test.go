package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"halite/internal/audit"
	"halite/internal/guard"
	"halite/internal/httpapi/apitest"
	"halite/internal/live"
	"halite/internal/pgtest"
)

// watchers are clients of GET /api/audit/stream, MaxPerUser of each user.
type watchers struct {
	leave func()
	all   sync.WaitGroup
	heard []map[int64]time.Time // of each, when an entry came; nil: not kept
	seen  []int64               // of each, how many entries came
}

// watch opens n streams of what query selects. It returns when they have begun.
func watch(b *testing.B, s *apitest.Server, n int, query string, keep bool) *watchers {
	b.Helper()
	ctx, leave := context.WithCancel(b.Context())
	w := &watchers{leave: leave, heard: make([]map[int64]time.Time, n), seen: make([]int64, n)}
	client := &http.Client{Transport: &http.Transport{}}
	for i := range n {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+streamPath+query, nil)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Cookie", s.Cookie(b, fmt.Sprint("reader-", i/live.MaxPerUser)))
		res, err := client.Do(req)
		for err == nil && res.StatusCode == http.StatusTooManyRequests { // those before have not been noticed to be gone
			_ = res.Body.Close()
			time.Sleep(50 * time.Millisecond)
			res, err = client.Do(req)
		}
		if err != nil || res.StatusCode != http.StatusOK {
			b.Fatal(res, err)
		}
		if keep {
			w.heard[i] = map[int64]time.Time{}
		}
		w.all.Go(func() {
			defer func() { _ = res.Body.Close() }()
			w.read(i, bufio.NewReaderSize(res.Body, 64<<10))
		})
	}
	return w
}

func (w *watchers) read(i int, in *bufio.Reader) {
	var id int64
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		if text, ok := bytes.CutPrefix(line, []byte("id: ")); ok {
			id, _ = strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
		}
		if bytes.HasPrefix(line, []byte("data: ")) {
			w.seen[i]++
			if w.heard[i] != nil {
				w.heard[i][id] = time.Now()
			}
		}
	}
}

// stop ends the streams and waits for them.
func (w *watchers) stop() {
	w.leave()
	w.all.Wait()
}

// BenchmarkLive is what live entries take. First how long it takes from the commit of an entry until a
// client has it, with 1 stream and with 64, written by the server that is read and by another one
// on the same database; one entry at a time, and a hundred a second. Then how many decisions are
// recorded in a second beside 64 streams, as a ratio to those beside none, by turns. Clients,
// servers and PostgreSQL share the machine.
//
//	go test -run '^$' -bench Live -benchtime 1x ./internal/httpapi
func BenchmarkLive(b *testing.B) {
	s := apitest.Start(b, apitest.Options{SilentReads: true})
	for i := range live.MaxStreams / live.MaxPerUser {
		s.AddUser(b, fmt.Sprint("reader-", i), "operator")
	}
	other := otherServer(b, s.DBURL)
	for b.Loop() {
		for _, streams := range []int{1, live.MaxStreams} {
			for _, writer := range []struct {
				name string
				gate *guard.Guard
			}{{"this server", s.Guard}, {"another", other}} {
				for _, every := range []time.Duration{307 * time.Millisecond, 10 * time.Millisecond} {
					delays(b, s, writer.gate, streams, every, fmt.Sprintf("%2d streams, written by %-11s every %5v", streams, writer.name, every))
				}
			}
		}
		for _, query := range []string{"?action=none", ""} {
			for _, callers := range []int{8, 64} {
				beside(b, s, query, callers)
			}
		}
	}
}

// otherServer is the gate of another server on the same database.
func otherServer(b *testing.B, dbURL string) *guard.Guard {
	b.Helper()
	d := pgtest.OpenURL(b, dbURL)
	b.Cleanup(d.WatchHead().Stop) // which tells the others
	recorder := audit.NewRecorder(d, audit.DefaultQueue, pgtest.Quiet)
	b.Cleanup(recorder.Stop)
	g := guard.New(guard.Config{Recorder: recorder, Changer: d, Intents: d, Logger: pgtest.Quiet, Refusals: 1_000_000})
	b.Cleanup(g.Stop)
	return g
}

// delays prints how long after the commit entries came.
func delays(b *testing.B, s *apitest.Server, g *guard.Guard, streams int, every time.Duration, title string) {
	b.Helper()
	const lasts = 6 * time.Second
	w := watch(b, s, streams, "?action=timed", true)
	committed := map[int64]time.Time{}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for begun := time.Now(); time.Since(begun) < lasts; <-tick.C {
		committed[decide(b, g, "timed")] = time.Now()
	}
	time.Sleep(time.Second) // for the last ones to come
	w.stop()
	var took []time.Duration
	for _, heard := range w.heard {
		if len(heard) != len(committed) {
			b.Errorf("%d of %d entries came", len(heard), len(committed))
		}
		for id, at := range heard {
			took = append(took, max(0, at.Sub(committed[id])))
		}
	}
	fmt.Printf("%s: %4d entries, p50 %6.1f ms, p99 %6.1f ms\n", title, len(committed), ms(took, 0.5), ms(took, 0.99))
}

// decide leaves a row and returns its id.
func decide(b *testing.B, g *guard.Guard, action string) int64 {
	caller := &guard.Caller{Name: "system:bench"}
	if err := g.Do(guard.WithCaller(b.Context(), caller), guard.Action{
		Name: action, Resource: "x:y", Args: map[string]any{"target": "web*", "fun": "test.ping"}, Anonymous: true, Judge: guard.Allowed("a benchmark"),
	}, func(context.Context) error { return nil }); err != nil {
		b.Error(err)
		return 0
	}
	return caller.Rows()[0]
}

// beside prints how many decisions are recorded in a second with 64 streams and with none.
func beside(b *testing.B, s *apitest.Server, query string, callers int) {
	b.Helper()
	const rounds, slot = 7, time.Second
	var with, without, ratios []float64
	var sent int64
	for range rounds {
		none := rate(b, s, callers, slot)
		w := watch(b, s, live.MaxStreams, query, false)
		some := rate(b, s, callers, slot)
		w.stop()
		for _, n := range w.seen {
			sent += n
		}
		with, without, ratios = append(with, some), append(without, none), append(ratios, some/none)
	}
	for _, l := range [][]float64{with, without, ratios} {
		slices.Sort(l)
	}
	selected := "that select all"
	if query != "" {
		selected = "that select none"
	}
	fmt.Printf("%2d callers, 64 streams %-16s: %6.0f decisions/s, without streams %6.0f, ratio %.2f (%.2f to %.2f); %.0f entries sent a round\n",
		callers, selected, with[rounds/2], without[rounds/2], ratios[rounds/2], ratios[0], ratios[rounds-1], float64(sent)/rounds)
}

func rate(b *testing.B, s *apitest.Server, callers int, lasts time.Duration) float64 {
	b.Helper()
	var deciding sync.WaitGroup
	counts := make([]int, callers)
	begun := time.Now()
	for i := range callers {
		deciding.Go(func() {
			for time.Since(begun) < lasts {
				decide(b, s.Guard, "busy")
				counts[i]++
			}
		})
	}
	deciding.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(begun).Seconds()
}
