package main

import (
	"context"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"halite/internal/audit"
	"halite/internal/pgembed"
	"halite/internal/pgtest"
)

var metricsLine = regexp.MustCompile(`Metrics +(http://\S+/metrics)`)

// scrape is what one scrape of an instance said, by name and labels as in the text format.
type scrape map[string]float64

func (i *instance) scrape(t *testing.T) (s scrape, text string) {
	t.Helper()
	m := metricsLine.FindStringSubmatch(i.out.String())
	if m == nil {
		t.Fatalf("it does not say where metrics are:\n%s", i.out)
	}
	res, text, err := get(t.Context(), m[1], "")
	if err != nil || res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		t.Fatalf("%v, %v", err, res)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	s = scrape{}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			key := name + labels(m)
			switch {
			case m.Histogram != nil:
				s[key+"_count"], s[key+"_sum"] = float64(m.Histogram.GetSampleCount()), m.Histogram.GetSampleSum()
			case m.Counter != nil:
				s[key] = m.Counter.GetValue()
			case m.Gauge != nil:
				s[key] = m.Gauge.GetValue()
			}
		}
	}
	return s, text
}

func labels(m *dto.Metric) string {
	var out []string
	for _, l := range m.GetLabel() {
		out = append(out, l.GetName()+"="+l.GetValue())
	}
	if out == nil {
		return ""
	}
	return "{" + strings.Join(out, ",") + "}"
}

// is checks values. A name that is not there is NaN.
func (s scrape) is(t *testing.T, want scrape) {
	t.Helper()
	for name, v := range want {
		if got, ok := s[name]; !ok && !math.IsNaN(v) || ok && got != v {
			t.Errorf("%s is %v (there: %v), want %v", name, got, ok, v)
		}
	}
}

var absent = math.NaN()

// TestMetrics: the numbers are those of what was done.
func TestMetrics(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	i := start(t, database, "METRICS_ADDRESS=127.0.0.1:0", "AUDIT_DISK_BYTES=1000000000000")
	before, text := i.scrape(t)
	before.is(t, scrape{
		"halite_entries_appended_total{decision=deny}": 0, "halite_log_mismatches": 0, "halite_database_up": 1,
		"halite_recorder_queue_limit_entries": audit.DefaultQueue, "halite_live_streams_limit": 64,
	})
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %+v", err, problems)
	}

	cookie := signIn(t, i.URL, "admin", adminPassword)
	ask := func(path, cookie string, status int) {
		t.Helper()
		if res, _, err := get(t.Context(), i.URL+path, cookie); err != nil || res.StatusCode != status {
			t.Errorf("%s: %v, %v, want %d", path, err, res, status)
		}
	}
	ask("/api/audit", cookie, http.StatusOK)
	ask("/api/audit", "", http.StatusUnauthorized)
	ask("/api/mallory", "", http.StatusNotFound)
	ask("/audit/17", "", http.StatusOK)
	ask("/mallory", "", http.StatusNotFound)
	ask("/metrics", "", http.StatusNotFound) // not where everybody is

	// A live stream that is open, and an effect elsewhere.
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.URL+"/api/audit/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", cookie)
	stream, err := http.DefaultClient.Do(req)
	if err != nil || stream.StatusCode != http.StatusOK {
		t.Fatal(err, stream)
	}
	defer func() { _ = stream.Body.Close() }()
	intent := audit.Intent{ID: uuid.New(), Entry: audit.Entry{Action: "salt.run", Resource: "salt:x", Decision: audit.Allow}}
	if err := pgtest.OpenURL(t, database).OpenIntent(t.Context(), intent, time.Hour); err != nil {
		t.Fatal(err)
	}

	var last, allowed, denied float64
	err = pgtest.Conn(t, database, "halite").QueryRow(t.Context(), `SELECT max(id), count(*) FILTER (WHERE decision = 'allow'), count(*) FILTER (WHERE decision = 'deny')
		FROM audit_log`).Scan(&last, &allowed, &denied)
	if err != nil || denied != 1 {
		t.Fatal(err, denied)
	}
	var after scrape
	eventually(t, "all of it signed", func() bool {
		after, text = i.scrape(t)
		return after["halite_checkpoint_size_entries"] == last && after["halite_intents_open"] == 1
	})
	after.is(t, scrape{
		"halite_entries_appended_total{decision=allow}": allowed, "halite_entries_appended_total{decision=deny}": denied,
		"halite_audit_unavailable_total{reason=queue_full}": 0, "halite_audit_unavailable_total{reason=unavailable}": 0,
		"halite_recorder_queue_entries": 0, "halite_log_last_id": last, "halite_tree_size_entries": last,
		"halite_rank_index_lag_entries": last, "halite_log_checked_id": 1, "halite_checkpoint_signer": 1, "halite_log_mismatches": 0,
		"halite_live_streams": 1, "halite_database_connections_limit{pool=serving}": 24, "halite_database_connections_limit{pool=owner}": 3,
		"halite_http_requests_total{class=2xx,route=/api/audit}": 1, "halite_http_requests_total{class=4xx,route=/api/audit}": 1,
		"halite_http_requests_total{class=4xx,route=other}": 3, "halite_http_requests_total{class=2xx,route=/}": 1,
		"halite_http_requests_total{class=2xx,route=/api/auth/login}": 1, "halite_http_request_duration_seconds{route=/api/audit}_count": 2,
		"halite_http_request_duration_seconds{route=/api/audit/stream}_count": absent,
	})
	for _, name := range []string{
		"halite_recorder_batch_entries_count", "halite_recorder_commit_duration_seconds_sum", "halite_log_size_bytes", "go_goroutines",
		"process_start_time_seconds", "halite_database_connections{pool=serving,state=acquired}",
	} {
		if after[name] <= 0 {
			t.Errorf("%s is %v", name, after[name])
		}
	}
	// What the recorder wrote and what changes wrote is all that there is.
	if n := after["halite_recorder_batch_entries_sum"]; n <= 0 || n > allowed+denied {
		t.Errorf("%v entries by the recorder", n)
	}
	if free := after["halite_disk_free_ratio"]; free <= 0.9 || free >= 1 {
		t.Errorf("%v of the disk is free", free)
	}
	if age := after["halite_checkpoint_age_seconds"]; age < 0 || age > patience.Seconds() {
		t.Errorf("the checkpoint is %v s old", age)
	}
	if age := after["halite_log_oldest_entry_age_seconds"]; age < 0 || age > patience.Seconds() {
		t.Errorf("the oldest entry is %v s old", age)
	}
	ours := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (halite_\S+)`).FindAllStringSubmatch(text, -1) {
		ours[m[1]] = true
	}
	if len(ours) < 27 {
		t.Errorf("only %d metrics", len(ours))
	}
	for _, name := range []string{"mallory", "admin", "audit.list", "127.0.0.1"} {
		if strings.Contains(text, name) {
			t.Errorf("it tells of %q:\n%s", name, text)
		}
	}

	manual, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range ours {
		if !strings.Contains(string(manual), "`"+name) {
			t.Errorf("docs/operations.md does not say what %s is", name)
		}
	}

	leave()
	eventually(t, "the end of the stream", func() bool {
		after, _ = i.scrape(t)
		return after["halite_live_streams"] == 0 && after["halite_http_requests_total{class=2xx,route=/api/audit/stream}"] == 1
	})
	after.is(t, scrape{"halite_http_request_duration_seconds{route=/api/audit/stream}_count": absent})
}

// TestMetricsMismatch: what a superuser changed is an open mismatch, until it is mended.
func TestMetricsMismatch(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	i := start(t, database, "METRICS_ADDRESS=127.0.0.1:0")
	eventually(t, "a checkpoint", func() bool {
		s, _ := i.scrape(t)
		return s["halite_checkpoint_size_entries"] > 0 && s["halite_checkpoint_size_entries"] == s["halite_log_last_id"]
	})
	superman := pgtest.Conn(t, database, "postgres")
	for _, step := range []struct {
		sql  string
		want float64
	}{
		{"ALTER TABLE audit_log DISABLE TRIGGER USER; UPDATE audit_log SET resource = resource || 'x' WHERE id = 1", 1},
		{"UPDATE audit_log SET resource = left(resource, -1) WHERE id = 1", 0},
	} {
		if _, err := superman.Exec(t.Context(), step.sql); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the number of mismatches", func() bool {
			s, _ := i.scrape(t)
			return s["halite_log_mismatches"] == step.want
		})
	}
}

// TestMetricsWithoutDatabase: when PostgreSQL is gone, all that is known without it is
// still told, and what could not be recorded is counted.
func TestMetricsWithoutDatabase(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "halite-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // the server may run as another user
		t.Fatal(err)
	}
	pg, err := pgembed.Start(t.Context(), pgembed.Config{Dir: filepath.Join(dir, "data"), Logger: pgtest.Quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Stop() })
	i := start(t, pg.URL(), "METRICS_ADDRESS=127.0.0.1:0", "CHECKPOINT_KEY=")
	before, _ := i.scrape(t)
	before.is(t, scrape{"halite_database_up": 1, "halite_checkpoint_signer": 0, "halite_checkpoint_age_seconds": absent, "halite_checkpoint_size_entries": 0})
	if err := pg.Stop(); err != nil {
		t.Fatal(err)
	}
	var after scrape
	eventually(t, "that the database is gone", func() bool {
		after, _ = i.scrape(t)
		return after["halite_database_up"] == 0
	})
	if res, _, err := get(t.Context(), i.URL+"/api/audit", ""); err != nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("%v, %v", err, res)
	}
	after, _ = i.scrape(t)
	after.is(t, scrape{
		"halite_audit_unavailable_total{reason=unavailable}": 1, "halite_entries_appended_total{decision=deny}": 0,
		"halite_entries_appended_total{decision=allow}": before["halite_entries_appended_total{decision=allow}"],
		"halite_log_last_id":                            before["halite_log_last_id"], "halite_log_mismatches": 0,
		"halite_http_requests_total{class=5xx,route=/api/audit}": 1,
		"halite_log_size_bytes":                                  absent, "halite_tree_size_entries": absent, "halite_rank_index_lag_entries": absent, "halite_intents_open": absent,
	})
	if after["halite_entries_appended_total{decision=allow}"] == 0 || after["go_goroutines"] == 0 {
		t.Error("nothing is told")
	}
	i.kill(t) // it would wait for a database that does not come back
}

// TestMetricsPortTaken: a taken address is named.
func TestMetricsPortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := l.Addr().(*net.TCPAddr).Port
	code, _, said := runHere(t, "", "--listen-port=0", "--metrics-address=127.0.0.1:"+strconv.Itoa(port), "--database-url="+pgtest.URL(t), "--cookie-secret="+testSecret)
	if code != 1 || !strings.Contains(said, "METRICS_ADDRESS") || !strings.Contains(said, "in use") {
		t.Errorf("exit status %d, %s", code, said)
	}
}
