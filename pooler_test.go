package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"halite/internal/audit"
	"halite/internal/pgtest"
)

// TestPooler runs the program behind a real PgBouncer in transaction mode with few
// connections, from an empty database on; with a way past it for the owner and without.
func TestPooler(t *testing.T) {
	t.Parallel()
	for _, direct := range []bool{false, true} {
		t.Run(fmt.Sprintf("direct=%v", direct), func(t *testing.T) {
			t.Parallel()
			p := newPooled(t, direct)
			p.readsAndRecords(t)
			p.keepsRank(t)
			p.leavesNothing(t)
			p.survivesRestarts(t)
		})
	}
}

const poolSize = 3

// pooled is an instance behind a pooler.
type pooled struct {
	*instance
	bouncer *pgtest.Bouncer
	app     string    // the login that serves
	owner   *pgx.Conn // past the pooler
	cookie  string
}

func newPooled(t *testing.T, direct bool) *pooled {
	t.Helper()
	url := pgtest.URL(t)
	p := &pooled{bouncer: pgtest.NewBouncer(t, poolSize), owner: pgtest.Conn(t, url, "halite")}
	p.app = p.bouncer.Login(t, url, "statement_timeout = '20s'", "idle_in_transaction_session_timeout = '60s'", "enable_sort = off", "enable_incremental_sort = off")
	if _, err := p.owner.Exec(t.Context(), "DROP SCHEMA public CASCADE; CREATE SCHEMA public"); err != nil {
		t.Fatal(err)
	}
	env := []string{"DATABASE_POOLER=transaction", "DATABASE_APP_URL=" + p.bouncer.URL(t, url, p.app)}
	if direct {
		env = append(env, "DATABASE_DIRECT_URL="+url)
	}
	p.instance = start(t, p.bouncer.URL(t, url, "halite"), env...)
	p.cookie = signIn(t, p.URL, "admin", adminPassword)
	if said := p.out.String(); strings.Contains(said, "WARN") {
		t.Errorf("with a login as it should be: %s", said)
	}
	return p
}

// readsAndRecords has many callers at once read pages in both ways; each leaves its row.
func (p *pooled) readsAndRecords(t *testing.T) {
	const callers, each = 16, 5
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				if status, err := p.ask(t.Context(), ""); status != http.StatusOK {
					t.Errorf("REST: %d, %v", status, err)
				}
				r := p.Query(t, p.cookie, `{ auditEntries(limit: 5, filter: {action: "audit.list"}) { total entries { id } }
					auditLog(first: 3, filter: {decision: ALLOW}) { totalCount edges { cursor } } }`, nil)
				if r.Errors != nil || !strings.Contains(string(r.Data), "cursor") {
					t.Errorf("GraphQL: %s", r.Body)
				}
			}
		})
	}
	wg.Wait()
	// One by REST, two by GraphQL; and each says the same once nobody writes any more.
	want := callers * each * 3
	if got := p.number(t, "SELECT count(*) FROM audit_log WHERE action = 'audit.list'"); got != want {
		t.Errorf("%d rows of reading, want %d", got, want)
	}
	r := p.Query(t, p.cookie, `{ auditEntries(limit: 1, filter: {action: "audit.list"}) { total } }`, nil)
	if !strings.Contains(string(r.Data), strconv.Itoa(want)) {
		t.Errorf("the total: %s, want %d", r.Body, want)
	}
	if ready, _, err := get(t.Context(), p.URL+"/readyz", ""); err != nil || ready.StatusCode != http.StatusOK {
		t.Errorf("readyz: %v, %v", ready, err)
	}
}

// keepsRank: the rank index grows behind the log.
func (p *pooled) keepsRank(t *testing.T) {
	store := pgtest.OpenURL(t, p.owner.Config().ConnString())
	for range 5 {
		batch := make([]*audit.Entry, 1000)
		for i := range batch {
			batch[i] = &audit.Entry{Action: "pooler.fill", Resource: "test:x", Decision: audit.Deny, ResultCode: 403}
		}
		if err := store.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the rank index grows", func() bool { return p.number(t, "SELECT count(*) FROM audit_rank") > 0 })
	r := p.Query(t, p.cookie, `{ auditEntries(limit: 1, offset: 4999, filter: {action: "pooler.fill"}) { total entries { action } } }`, nil)
	if !strings.Contains(string(r.Data), `"total":5000,"entries":[{"action":"pooler.fill"}]`) {
		t.Errorf("a page deep in the log: %s", r.Body)
	}
}

// leavesNothing looks at each of the connections that the pooler has for the serving login:
// there is nothing on them that a session would keep.
func (p *pooled) leavesNothing(t *testing.T) {
	cfg, err := pgx.ParseConfig(p.bouncer.URL(t, p.DBURL, p.app))
	if err != nil {
		t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	seen := map[int]bool{}
	for range poolSize { // all at once, so that each has its own
		c, err := pgx.ConnectConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		tx, err := c.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.Background()) }()
		var pid, statements int
		var settings []string
		// What clients are told of by the protocol is the pooler's to set.
		err = tx.QueryRow(t.Context(), `SELECT pg_backend_pid(), (SELECT count(*) FROM pg_prepared_statements),
			(SELECT array_agg(name::text ORDER BY name) FROM pg_settings WHERE source = 'session'
				AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings'))`).
			Scan(&pid, &statements, &settings)
		if err != nil || statements != 0 || len(settings) != 0 {
			t.Errorf("connection %d holds %d statements and the settings %q, %v", pid, statements, settings, err)
		}
		seen[pid] = true
	}
	if len(seen) != poolSize {
		t.Errorf("%d connections seen, want %d", len(seen), poolSize)
	}
	// A lock that is held between transactions is a session's.
	if n := p.number(t, `SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
		WHERE l.locktype = 'advisory' AND a.datname = current_database() AND a.state = 'idle'`); n != 0 {
		t.Errorf("%d locks of sessions", n)
	}
}

// survivesRestarts ends the pooler again and again while callers read, each of whom leaves a
// row: who was answered has exactly one, nobody has two, and no id is missing.
func (p *pooled) survivesRestarts(t *testing.T) {
	var mu sync.Mutex
	answered, refused := map[string]bool{}, 0
	progress, quit := make(chan struct{}, 1), make(chan struct{})
	var wg sync.WaitGroup
	for caller := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-quit:
					return
				default:
				}
				id := fmt.Sprintf("restart-%d-%d", caller, n)
				status, err := p.ask(t.Context(), id)
				mu.Lock()
				switch {
				case status == http.StatusOK:
					answered[id] = true
				case status >= http.StatusInternalServerError:
					refused++
				default:
					t.Errorf("%s: %d, %v", id, status, err)
				}
				mu.Unlock()
				if status == http.StatusOK {
					select {
					case progress <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	for _, end := range []func(){p.bouncer.Kill, p.bouncer.Stop, p.bouncer.Kill} {
		for range 5 {
			receive(t, "callers are answered", progress)
		}
		end()
		p.bouncer.Start(t)
	}
	for range 5 {
		receive(t, "callers are answered", progress)
	}
	close(quit)
	wg.Wait()

	rows, err := p.owner.Query(t.Context(), "SELECT request_id FROM audit_log WHERE request_id LIKE 'restart-%'")
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ids)
	if all := len(ids); all != len(slices.Compact(ids)) {
		t.Errorf("a request has two rows")
	}
	for id := range answered {
		if _, found := slices.BinarySearch(ids, id); !found {
			t.Errorf("%s was answered and has no row", id)
		}
	}
	if n := p.number(t, "SELECT max(id) - count(*) + min(id) - 1 FROM audit_log"); n != 0 {
		t.Errorf("%d ids are missing", n)
	}
	t.Logf("%d answered, %d refused, %d rows", len(answered), refused, len(ids))
}

// ask reads a page by REST, with a request id if any.
func (p *pooled) ask(ctx context.Context, id string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/api/audit?limit=5", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Cookie", p.cookie)
	if id != "" {
		req.Header.Set("X-Request-Id", id)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

func (p *pooled) number(t *testing.T, sql string) (n int) {
	t.Helper()
	if err := p.owner.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}
