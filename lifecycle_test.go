package main

import (
	"encoding/json"
	"strings"
	"testing"

	"halite/internal/audit"
	"halite/internal/pgtest"
)

// TestStartAndStop: each server leaves a row when it begins to serve and one when it
// ends; one that is killed leaves the first alone.
func TestStartAndStop(t *testing.T) {
	t.Parallel()
	w := &world{}
	database := pgtest.URL(t)
	w.store = pgtest.OpenURL(t, database)
	a := w.start(t, database)
	b := w.start(t, database, "AUDIT_AUDIT_READS=false")
	a.stop(t)
	b.kill(t)
	w.start(t, database).stop(t)

	type args struct {
		Instance   string `json:"instance"`
		Version    string `json:"version"`
		AuditReads *bool  `json:"audit_reads"`
		Served     *int   `json:"served_s"`
	}
	var said []string
	instances := map[string]string{}
	for _, e := range a.Rows(t) {
		if !strings.HasPrefix(e.Action, "server.") {
			continue
		}
		var of args
		if err := json.Unmarshal(e.Args, &of); err != nil {
			t.Fatal(err)
		}
		if _, seen := instances[of.Instance]; !seen {
			instances[of.Instance] = string(rune('a' + len(instances)))
		}
		said = append(said, instances[of.Instance]+" "+e.Action)
		host := strings.TrimPrefix(e.Resource, "server:")
		if e.Decision != audit.Allow || e.ResultCode != 200 || e.Reason != "the server itself" || e.Username != "system:"+host || e.UserID.Valid {
			t.Errorf("%+v", e)
		}
		switch start := e.Action == "server.start"; {
		case start && (of.Version == "" || of.AuditReads == nil || *of.AuditReads != (instances[of.Instance] != "b")):
			t.Errorf("a start with %s", e.Args)
		case !start && of.Served == nil:
			t.Errorf("a stop with %s", e.Args)
		}
	}
	want := "a server.start, b server.start, a server.stop, c server.start, c server.stop"
	if got := strings.Join(said, ", "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	rows := a.Rows(t)
	if last := rows[len(rows)-1]; last.Action != "server.stop" {
		t.Errorf("the last row is %s", last.Action)
	}
}

// TestStartNotRecorded: a server whose start cannot be recorded does not serve.
func TestStartNotRecorded(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	c := pgtest.Conn(t, url, "postgres")
	for _, sql := range []string{
		"CREATE FUNCTION no_start() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no start today'; END $$",
		"CREATE TRIGGER no_start BEFORE INSERT ON audit_log FOR EACH ROW WHEN (NEW.action = 'server.start') EXECUTE FUNCTION no_start()",
	} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	code, out, said := runHere(t, "", "--listen-port=0", "--database-url="+url, "--cookie-secret="+testSecret, "--bootstrap-admin-password="+adminPassword)
	if code != 1 || !strings.Contains(said, "record the start") || strings.Contains(out, "/api/audit") {
		t.Errorf("exit status %d, %s\n%s", code, out, said)
	}
}
