package db_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"halite/internal/audit"
	"halite/internal/pgtest"
)

// maxClients is how many connections commit single rows at most: PostgreSQL's own
// group commit gains nothing beyond some ten.
const maxClients = 90

// BenchmarkGroupCommit compares the recorder with PostgreSQL itself: as many clients,
// each committing single rows into a table of the same shape with the same indexes.
// Both run by turns in the same run; the figures are medians over the rounds.
//
//	go test -run '^$' -bench GroupCommit -benchtime 1x -timeout 30m ./db
func BenchmarkGroupCommit(b *testing.B) {
	const rounds = 5
	url := pgtest.URL(b)
	d := pgtest.OpenURL(b, url)
	r := audit.NewRecorder(d, audit.DefaultQueue, pgtest.Quiet)
	b.Cleanup(r.Stop)
	pool := peer(b, url)

	record := func() error { _, err := r.Record(typical); return err }
	single := func() error {
		_, err := pool.Exec(context.Background(), peerInsert, pgx.QueryExecModeCacheStatement, typical.Action, typical.Resource,
			string(typical.Args), string(typical.Decision), typical.ResultCode, typical.DurationMS, typical.Username, typical.Verb,
			typical.Reason, typical.RequestID, typical.SourceIP, typical.UserAgent)
		return err
	}
	for b.Loop() {
		var one []result
		fmt.Printf("\n%8s %12s %12s %12s %12s %22s %22s\n", "callers", "recorder/s", "single/s", "x one client", "x as many", "recorder p50/p99 ms", "single p50/p99 ms")
		for _, callers := range []int{1, 8, 64, 512} {
			var ours, theirs []result
			for range rounds {
				one = append(one, load(b, 1, time.Second, single))
				ours = append(ours, load(b, callers, time.Second, record))
				theirs = append(theirs, load(b, min(callers, maxClients), time.Second, single))
			}
			o, t, base := median(ours), median(theirs), median(one)
			fmt.Printf("%8d %12.0f %12.0f %12.1f %12.2f %14.2f / %5.2f %14.2f / %5.2f\n", callers, o.rate, t.rate, o.rate/base.rate, o.rate/t.rate,
				o.p50, o.p99, t.p50, t.p99)
		}
		base := median(one)
		fmt.Printf("one client: %.0f commits a second, p50 %.2f ms, p99 %.2f ms\n", base.rate, base.p50, base.p99)
	}
}

// BenchmarkAgainstCopy compares the recorder with the most that PostgreSQL takes: COPY of
// batches of 1,000 ready rows by one connection, each committed, into a table of the same
// shape with the same indexes, without an order to keep or anybody to answer. All run by
// turns in the same run; the figures are medians over the rounds.
//
//	go test -run '^$' -bench AgainstCopy -benchtime 1x -timeout 30m ./db
func BenchmarkAgainstCopy(b *testing.B) {
	const rounds = 7
	url := pgtest.URL(b)
	d := pgtest.OpenURL(b, url)
	r := audit.NewRecorder(d, audit.DefaultQueue, pgtest.Quiet)
	b.Cleanup(r.Stop)
	pool := peer(b, url)
	record := func() error { _, err := r.Record(typical); return err }
	var last int64
	copied := func() error {
		const batch = 1000
		at := time.Now()
		_, err := pool.CopyFrom(context.Background(), pgx.Identifier{"peer"}, peerColumns, pgx.CopyFromSlice(batch, func(int) ([]any, error) {
			last++
			e := typical
			return []any{
				last, at, e.Action, e.Resource, e.Args, string(e.Decision), e.ResultCode, e.DurationMS, e.Username, e.Verb, e.Reason,
				e.RequestID, e.SourceIP, e.UserAgent,
			}, nil
		}))
		return err
	}
	for b.Loop() {
		callers := []int{1, 8, 64, 512}
		ours := make([][]result, len(callers))
		var theirs []result
		for range rounds {
			theirs = append(theirs, load(b, 1, time.Second, copied))
			for i, n := range callers {
				ours[i] = append(ours[i], load(b, n, time.Second, record))
			}
		}
		raw := median(theirs).rate * 1000
		fmt.Printf("\nraw COPY: %.0f rows/s\n%8s %12s %10s\n", raw, "callers", "recorder/s", "of COPY")
		for i, n := range callers {
			o := median(ours[i])
			fmt.Printf("%8d %12.0f %10.2f\n", n, o.rate, o.rate/raw)
		}
	}
}

// BenchmarkInstances lets several servers, each with callers of its own, write to one
// database: what they write together must not fall below what one writes alone, and the
// ids stay contiguous.
//
//	go test -run '^$' -bench Instances -benchtime 1x -timeout 30m ./db
func BenchmarkInstances(b *testing.B) {
	const rounds, callers = 7, 64 // for each server
	url := pgtest.URL(b)
	servers := []int{1, 2, 4}
	var recorders []*audit.Recorder
	for range slices.Max(servers) {
		r := audit.NewRecorder(pgtest.OpenURL(b, url), audit.DefaultQueue, pgtest.Quiet)
		b.Cleanup(r.Stop)
		recorders = append(recorders, r)
	}
	for b.Loop() {
		rates := make([][]result, len(servers))
		for range rounds {
			for i, n := range servers {
				var next atomic.Int64
				rates[i] = append(rates[i], load(b, n*callers, time.Second, func() error {
					_, err := recorders[next.Add(1)%int64(n)].Record(typical)
					return err
				}))
			}
		}
		one := median(rates[0])
		fmt.Printf("\n%8s %12s %8s %22s\n", "servers", "rows/s", "of one", "p50/p99 ms")
		for i, n := range servers {
			m := median(rates[i])
			fmt.Printf("%8d %12.0f %8.2f %14.2f / %5.2f\n", n, m.rate, m.rate/one.rate, m.p50, m.p99)
		}
	}
	var rows, lowest, highest int64
	err := pgtest.Conn(b, url, "halite").QueryRow(b.Context(), "SELECT count(*), min(id), max(id) FROM audit_log").Scan(&rows, &lowest, &highest)
	if err != nil || lowest != 1 || highest != rows {
		b.Errorf("%d rows with ids from %d to %d, %v", rows, lowest, highest, err)
	}
}

var peerColumns = []string{
	"id", "at", "action", "resource", "args_json", "decision", "result_code", "duration_ms", "username", "verb", "reason",
	"request_id", "source_ip", "user_agent",
}

var typical = audit.Entry{
	Action: "audit.list", Resource: "audit:*", Args: []byte(`{"limit":50,"offset":0,"filter":{"action":"auth.login"}}`),
	Decision: audit.Allow, ResultCode: 200, DurationMS: 3, Username: "alice", Verb: "view",
	Reason: "allowed by role operator: view *", RequestID: "6298b3a3-c36a-47bd-ab25-a18366048b64", SourceIP: "10.1.2.3",
	UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
}

const peerInsert = `INSERT INTO peer (id, at, action, resource, args_json, decision, result_code, duration_ms, username, verb, reason,
	request_id, source_ip, user_agent) VALUES (nextval('peer_id'), clock_timestamp(), $1, $2, $3::text::jsonb, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

// peer makes a table like the log's partitions, ids from a sequence and no triggers,
// and a pool to write to it.
func peer(b *testing.B, url string) *pgxpool.Pool {
	b.Helper()
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		b.Fatal(err)
	}
	cfg.MaxConns = maxClients
	pool, err := pgxpool.NewWithConfig(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	for _, sql := range []string{
		"CREATE TABLE peer (LIKE " + partition(b, pool) + " INCLUDING ALL)", "CREATE SEQUENCE peer_id",
	} {
		if _, err := pool.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
	return pool
}

func partition(b *testing.B, pool *pgxpool.Pool) (name string) {
	b.Helper()
	err := pool.QueryRow(b.Context(), "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_log'::regclass LIMIT 1").Scan(&name)
	if err != nil {
		b.Fatal(err)
	}
	return name
}

// result is what a load gave: calls a second, and milliseconds.
type result struct{ rate, p50, p99 float64 }

// load calls fn from so many goroutines for that long.
func load(b *testing.B, callers int, d time.Duration, fn func() error) result {
	b.Helper()
	var wg sync.WaitGroup
	var stop atomic.Bool
	times := make([][]time.Duration, callers)
	start := time.Now()
	for i := range callers {
		wg.Go(func() {
			for !stop.Load() {
				t := time.Now()
				if err := fn(); err != nil {
					b.Error(err)
					return
				}
				times[i] = append(times[i], time.Since(t))
			}
		})
	}
	timer := time.AfterFunc(d, func() { stop.Store(true) })
	defer timer.Stop()
	wg.Wait()
	all := slices.Concat(times...)
	took := time.Since(start)
	slices.Sort(all)
	ms := func(q float64) float64 { return float64(all[int(q*float64(len(all)-1))]) / float64(time.Millisecond) }
	return result{float64(len(all)) / took.Seconds(), ms(0.5), ms(0.99)}
}

// median takes each figure by itself.
func median(rs []result) result {
	pick := func(f func(result) float64) float64 {
		v := make([]float64, len(rs))
		for i, r := range rs {
			v[i] = f(r)
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return result{
		pick(func(r result) float64 { return r.rate }), pick(func(r result) float64 { return r.p50 }),
		pick(func(r result) float64 { return r.p99 }),
	}
}
