package tree_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"halite/internal/merkle"
	"halite/internal/pgtest"
	"halite/internal/tree"
)

// unlocked is what a superuser does first.
const unlocked = "ALTER TABLE audit_log DISABLE TRIGGER USER; ALTER TABLE audit_head DISABLE TRIGGER USER; " +
	"ALTER TABLE tree_tile DISABLE TRIGGER USER; ALTER TABLE tree_head DISABLE TRIGGER USER; ALTER TABLE checkpoint DISABLE TRIGGER USER; "

// columns are all of the log's, with a value that each did not have.
var columns = map[string]string{
	"id": "-5", "at": "at + interval '1 microsecond'", "user_id": "gen_random_uuid()", "action": "'x'", "resource": "resource || ' '",
	"args_json": `'{"z": 1}'`, "salt_jid": "'1'", "decision": "CASE decision WHEN 'deny' THEN 'allow' ELSE 'deny' END", "result_code": "result_code + 1",
	"duration_ms": "duration_ms + 1", "username": "'root'", "verb": "'x'", "reason": "'x'", "request_id": "'x'", "source_ip": "'::2'", "user_agent": "'x'",
}

// TestNotices is what a superuser can do, each named by the first entry that it is about.
// Nothing is signed afterwards, and again once it is mended.
func TestNotices(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ harm, mend, want string }{
		"row deleted":              {"CREATE TABLE kept AS SELECT * FROM audit_log WHERE id = 300; DELETE FROM audit_log WHERE id = 300", "INSERT INTO audit_log SELECT * FROM kept", "missing 300"},
		"oldest deleted":           {"DELETE FROM audit_log WHERE id <= 20", "", "missing 1"},
		"newest deleted":           {"DELETE FROM audit_log WHERE id >= 1190", "", "missing 1190"},
		"all deleted":              {"DELETE FROM audit_log", "", "missing 1"},
		"row twice":                {"INSERT INTO audit_log (id, at, action, resource, decision, result_code) SELECT id, at + interval '1 second', 'x', 'x:y', 'allow', 200 FROM audit_log WHERE id = 700", "DELETE FROM audit_log WHERE id = 700 AND action = 'x'", "inserted 700"},
		"row in another partition": {"INSERT INTO audit_log (id, at, action, resource, decision, result_code) SELECT id, at + interval '1 month', 'x', 'x:y', 'allow', 200 FROM audit_log WHERE id = 5", "", "inserted 5"},
		"row beyond the head":      {"INSERT INTO audit_log (id, at, action, resource, decision, result_code) SELECT 1300, at, 'x', 'x:y', 'allow', 200 FROM audit_log WHERE id = 5", "DELETE FROM audit_log WHERE id = 1300", "beyond 1300"},
		"row before the first":     {"INSERT INTO audit_log (id, at, action, resource, decision, result_code) SELECT -1, at, 'x', 'x:y', 'allow', 200 FROM audit_log WHERE id = 5", "DELETE FROM audit_log WHERE id < 1", "beyond -1"},
		"reordered":                {"UPDATE audit_log SET id = CASE id WHEN 400 THEN -1 ELSE 400 END WHERE id IN (400, 401); UPDATE audit_log SET id = 401 WHERE id = -1", "", "changed 400"},
		"NULL to empty":            {"UPDATE audit_log SET salt_jid = '' WHERE id = 1", "UPDATE audit_log SET salt_jid = NULL WHERE id = 1", "changed 1"},
		"all changed":              {"UPDATE audit_log SET reason = 'x'", "", "changed 1"},
		"log head rewound":         {"UPDATE audit_head SET last_id = 600", "UPDATE audit_head SET last_id = 1200", "log_head 601"},
		"log head deleted":         {"DELETE FROM audit_head", "", ""},
		"partition dropped":        {"DROP TABLE $p", "", "missing 1"},
		"partition detached":       {"ALTER TABLE audit_log DETACH PARTITION $p", "", unwritable},
		"table replaced":           {"ALTER TABLE audit_log RENAME TO old; CREATE TABLE audit_log (LIKE old); GRANT SELECT, INSERT ON audit_log TO halite_app; INSERT INTO audit_log SELECT * FROM old WHERE id <> 900", "", "missing 900"},
		"leaf tile changed":        {"UPDATE tree_tile SET hashes = set_byte(hashes, 39, get_byte(hashes, 39) # 1) WHERE level = 0 AND n = 2", "", "tile 513"},
		"leaf tile deleted":        {"DELETE FROM tree_tile WHERE level = 0 AND n = 1", "", "tile 257"},
		"edge changed":             {"UPDATE tree_tile SET hashes = set_byte(hashes, 39, get_byte(hashes, 39) # 1) WHERE level = 0 AND n = 4", itself, "root 1200"},
		"upper tile changed":       {"UPDATE tree_tile SET hashes = set_byte(hashes, 1, get_byte(hashes, 1) # 1) WHERE level = 1", "", "root 1200"},
		"tree emptied":             {"DELETE FROM tree_tile; UPDATE tree_head SET size = 0, root = sha256('')", itself, "tree_head 1"},
		"tree head rewound": {"UPDATE tree_head SET size = 1100, root = (SELECT root FROM checkpoint WHERE size = 1100); UPDATE audit_head SET last_id = 1100; " +
			"DELETE FROM audit_log WHERE id > 1100; DELETE FROM checkpoint WHERE size > 1100; UPDATE tree_tile SET hashes = substring(hashes FROM 1 FOR 76 * 32) WHERE level = 0 AND n = 4", "", "checkpoint 1200"},
		"checkpoint deleted": {"CREATE TABLE kept AS SELECT * FROM checkpoint WHERE size = 1200; DELETE FROM checkpoint WHERE size = 1200", "INSERT INTO checkpoint SELECT * FROM kept", "checkpoint 1200"},
		"checkpoint changed": {"UPDATE checkpoint SET note = set_byte(note, length(note) - 11, CASE get_byte(note, length(note) - 11) WHEN 120 THEN 121 ELSE 120 END) WHERE size = 1200", "", "checkpoint 1200"},
		"its root changed":   {"UPDATE checkpoint SET root = sha256('') WHERE size = 1200", "", "checkpoint 1200"},
	}
	for column, value := range columns {
		if column != "id" {
			id := 100 + len(column)*50
			tests["column "+column] = struct{ harm, mend, want string }{
				fmt.Sprintf("CREATE TABLE kept AS SELECT * FROM audit_log WHERE id = %d; UPDATE audit_log SET %s = %s WHERE id = %[1]d", id, column, value),
				fmt.Sprintf("DELETE FROM audit_log WHERE id = %d; INSERT INTO audit_log SELECT * FROM kept", id), fmt.Sprintf("changed %d", id),
			}
		}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLog(t)
			l.write(t, 1100)
			l.work(t)
			l.write(t, 100)
			l.work(t)
			var p string
			if err := l.owner.QueryRow(t.Context(), "SELECT tableoid::regclass::text FROM audit_log LIMIT 1").Scan(&p); err != nil {
				t.Fatal(err)
			}
			l.exec(t, unlocked+strings.ReplaceAll(tt.harm, "$p", p))
			if tt.want == "" { // no row can be written, and none is
				if err := l.Whole(t.Context()); err == nil {
					t.Error("it is checked")
				}
				return
			}
			if tt.want == unwritable {
				if err := l.Whole(t.Context()); err == nil {
					t.Error("a row was written")
				}
				if s := l.Status(t.Context()); !s.TreeBad || !strings.Contains(s.Tree, "entry 1: the row that was sealed is gone") {
					t.Errorf("%+v", s)
				}
				return
			}
			for range 2 { // once is enough to be told once
				if err := l.Whole(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := l.mismatches(t); !slices.Contains(got, tt.want) {
				t.Fatalf("found %q, want %q", got, tt.want)
			}
			l.wantRows(t)
			if s := l.Status(t.Context()); !s.TreeBad || !s.CheckpointBad || !strings.Contains(s.Tree, "entry "+strings.Fields(l.mismatches(t)[0])[1]+":") {
				t.Errorf("%+v", s)
			}
			signed := l.facts(t).Noted
			if tt.mend == itself {
				l.write(t, 10)
				l.work(t)
				l.work(t)
				if f := l.facts(t); f.Tree != l.want(t, f.LastID) || f.Noted.N <= signed.N || len(l.mismatches(t)) > 0 {
					t.Errorf("%+v, found %q", f, l.mismatches(t))
				}
				return
			}
			l.write(t, 10)
			_, _ = l.Work(t.Context(), true)
			if now := l.facts(t).Noted; now != signed {
				t.Errorf("signed over it: %+v", now)
			}
			if tt.mend == "" {
				return
			}
			l.exec(t, unlocked+tt.mend)
			if strings.HasPrefix(tt.want, "log_head") { // rows were written behind it meanwhile
				return
			}
			if err := l.Whole(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := l.mismatches(t); len(got) > 0 {
				t.Fatalf("mended, it is still found: %q", got)
			}
			l.work(t)
			l.work(t)
			f := l.facts(t)
			if f.Noted.N <= signed.N || f.Tree != l.want(t, f.Tree.N) {
				t.Errorf("not signed again: %+v", f)
			}
			if s := l.Status(t.Context()); s != (tree.Status{Tree: "ok", Checkpoint: "ok"}) {
				t.Errorf("%+v", s)
			}
			ends := l.texts(t, "SELECT resource FROM audit_log WHERE action = 'audit.mismatch.end'")
			if want := l.texts(t, "SELECT resource FROM audit_log WHERE action = 'audit.mismatch'"); !slices.Equal(ends, want) {
				t.Errorf("rows of the end: %q, want %q", ends, want)
			}
		})
	}
}

// itself says that hashes which are gone come back with the next entries that are sealed:
// the rows are there, and what comes of them is held against the latest checkpoint.
const itself = "itself"

// unwritable says that the row of what is found cannot be written: nor can any other.
const unwritable = "unwritable"

// wantRows wants one row for each mismatch.
func (l *log) wantRows(t *testing.T) {
	t.Helper()
	rows := l.texts(t, `SELECT args_json->>'kind' || ' ' || (args_json->>'id') FROM audit_log WHERE action = 'audit.mismatch'
		AND decision = 'allow' AND result_code = 409 AND username = 'system' AND resource = 'audit:' || (args_json->>'id') ORDER BY (args_json->>'id')::bigint, 1`)
	if got := l.mismatches(t); !slices.Equal(rows, got) {
		t.Errorf("rows %q of mismatches %q", rows, got)
	}
}

// TestNoticesUnsealed: rows that are gone before they were sealed are not passed over.
func TestNoticesUnsealed(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(t, 10)
	l.work(t)
	l.write(t, 10)
	l.exec(t, unlocked+"DELETE FROM audit_log WHERE id = 15")
	l.work(t)
	l.work(t)
	if got := l.mismatches(t); !slices.Equal(got, []string{"unsealed 15"}) {
		t.Errorf("found %q", got)
	}
	if f := l.facts(t); f.Tree.N != 14 {
		t.Errorf("%+v", f)
	}
	l.wantRows(t)
}

// TestNoticesAtStart: a new server sees at its start what was done while none ran.
func TestNoticesAtStart(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ harm, want string }{
		"row":        {"UPDATE audit_log SET decision = 'deny' WHERE id = 590", "changed 590"},
		"head":       {"UPDATE audit_head SET last_id = 590", "log_head 591"},
		"tile":       {"UPDATE tree_tile SET hashes = set_byte(hashes, 39, get_byte(hashes, 39) # 1) WHERE level = 0 AND n = 2", "root 600"},
		"checkpoint": {"UPDATE checkpoint SET note = set_byte(note, length(note) - 11, CASE get_byte(note, length(note) - 11) WHEN 120 THEN 121 ELSE 120 END)", "checkpoint 600"},
		"tree":       {"UPDATE tree_head SET size = 512, root = (SELECT root FROM checkpoint WHERE size = 512)", "checkpoint 513"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLog(t)
			l.write(t, 512)
			l.work(t)
			l.write(t, 88)
			l.work(t)
			l.exec(t, unlocked+tt.harm)
			k := tree.New(tree.Config{Store: l.DB, Gate: l.guard, Logger: pgtest.Quiet, Keys: []*merkle.Key{l.key}})
			k.Start(t.Context())
			found := l.mismatches(t)
			k.Stop()
			if !slices.Contains(found, tt.want) {
				t.Errorf("found %q, want %q", found, tt.want)
			}
		})
	}
}

// TestForgedTree: whoever changes a row and makes the tree over it anew is found out by
// the checkpoint.
func TestForgedTree(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(t, 600)
	l.work(t)
	l.exec(t, unlocked+"UPDATE audit_log SET decision = 'deny', result_code = 403 WHERE id = 5; DELETE FROM tree_tile; UPDATE tree_head SET size = 0, root = sha256(''), last_at = '-infinity'; CREATE TABLE notes AS SELECT * FROM checkpoint; DELETE FROM checkpoint")
	again := tree.New(tree.Config{Store: l.DB, Gate: l.guard, Logger: pgtest.Quiet}) // it has no key
	again.Hold()
	if _, err := again.Work(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	l.exec(t, "INSERT INTO checkpoint SELECT * FROM notes")
	for name, k := range map[string]*tree.Keeper{"running": l.Keeper, "new": l.keeper(l.DB, l.key)} {
		l.exec(t, "DELETE FROM tree_mismatch")
		if err := k.Whole(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := l.mismatches(t); !slices.Contains(got, "checkpoint 600") {
			t.Errorf("%s: found %q", name, got)
		}
	}
}

// TestRetained: what retention says it dropped may be missing, and nothing beside.
func TestRetained(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(t, 1000)
	l.work(t)
	k := tree.New(tree.Config{
		Store: l.DB, Gate: l.guard, Logger: pgtest.Quiet, Keys: []*merkle.Key{l.key},
		Retained: func(context.Context) (int64, error) { return 300, nil },
	})
	k.Hold()
	l.exec(t, unlocked+"DELETE FROM audit_log WHERE id <= 300")
	if err := k.Whole(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := l.mismatches(t); len(got) > 0 {
		t.Fatalf("found %q", got)
	}
	l.exec(t, "DELETE FROM audit_log WHERE id = 301")
	if err := k.Whole(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := l.mismatches(t); !slices.Equal(got, []string{"missing 301"}) {
		t.Errorf("found %q", got)
	}
}
