package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"halite/internal/directory"
	"halite/internal/pgtest"
)

// logged is the log of a database, a line for each row; ids of what was made are `?`.
func logged(t *testing.T, c *pgx.Conn) []string {
	t.Helper()
	rows, err := c.Query(t.Context(), `SELECT concat_ws(' ', id, coalesce(user_id::text, '-'), coalesce(username, '-'), action, resource,
		decision, result_code, coalesce(regexp_replace(args_json::text, '"id": "[0-9a-f-]{36}"', '"id": "?"'), '-'), coalesce(reason, '-')) FROM audit_log ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// TestUsersAtTheCommandLine, without a server: each change leaves its row.
func TestUsersAtTheCommandLine(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	c := pgtest.Conn(t, url, "halite")
	me := "cli:" + osUser()
	do := func(stdin string, args ...string) (int, string) {
		t.Helper()
		code, out, said := runHere(t, stdin, append(args, "--database-url="+url, "--cookie-secret="+testSecret)...)
		return code, out + said
	}
	for _, s := range []struct {
		stdin string
		args  []string
		code  int
		says  string
		row   string // without its id
	}{
		{
			"long enough\n",
			[]string{"user", "add", "Alice", "--role", "viewer", "--password-stdin"},
			0, "user Alice added with role viewer\n",
			`- ` + me + ` user.create user:Alice allow 201 {"role": "viewer", "after": {"id": "?", "roles": ["viewer"], "username": "Alice"}, "password": "<redacted>", "username": "Alice", "must_change_pw": false} command line`,
		},
		{
			"long enough",
			[]string{"user", "add", "ALICE", "--role", "viewer", "--password-stdin"},
			1, "halite: Username already exists\n",
			`- ` + me + ` user.create user:ALICE allow 409 {"role": "viewer", "password": "<redacted>", "username": "ALICE", "must_change_pw": false} command line`,
		},
		{
			"short\n",
			[]string{"user", "add", "bob", "--role", "viewer", "--password-stdin"},
			1, "halite: password: should have at least 8 characters\n",
			`- ` + me + ` user.create user:bob allow 422 {"role": "viewer", "password": "<redacted>", "username": "bob", "must_change_pw": false} command line`,
		},
		{
			"long enough",
			[]string{"user", "add", "bob", "--role", "none", "--password-stdin"},
			1, "halite: role: there is no role \"none\"\n",
			`- ` + me + ` user.create user:bob allow 422 {"role": "none", "password": "<redacted>", "username": "bob", "must_change_pw": false} command line`,
		},
		{"long enough", []string{"user", "add", "bob", "--role", "viewer"}, 1, "halite: there is no terminal to ask for the password at; use --password-stdin\n", ""},
		{
			"another one\r\n",
			[]string{"user", "passwd", "alice", "--password-stdin"},
			0, "password of alice set; the user's sessions have ended\n",
			`- ` + me + ` user.password_reset user:Alice allow 204 {"new_password": "<redacted>", "must_change_pw": false} command line`,
		},
		{
			"another one",
			[]string{"user", "passwd", "carol", "--password-stdin"},
			1, "halite: User not found\n",
			`- ` + me + ` user.password_reset user:carol allow 404 {"new_password": "<redacted>", "must_change_pw": false} command line`,
		},
		{
			"",
			[]string{"user", "list"},
			0, "NAME   ACTIVE  ROLES   LAST SIGN-IN\nAlice  yes     viewer  never\n",
			`- ` + me + ` user.list user:* allow 200 - command line`,
		},
	} {
		before := len(logged(t, c))
		code, said := do(s.stdin, s.args...)
		if code != s.code || said != s.says {
			t.Errorf("%v: exit status %d, %q", s.args, code, said)
		}
		var want []string
		if s.row != "" {
			want = []string{fmt.Sprint(before+1) + " " + s.row}
		}
		if diff := cmp.Diff(want, append([]string(nil), logged(t, c)[before:]...)); diff != "" {
			t.Errorf("%v: rows, -want +got\n%s", s.args, diff)
		}
	}
	for _, line := range logged(t, c) {
		if strings.Contains(line, "enough") || strings.Contains(line, "another") {
			t.Errorf("a password is in the log: %s", line)
		}
	}
	var role string
	if err := c.QueryRow(t.Context(), `SELECT string_agg(r.name, ' ') FROM users u JOIN user_roles ur ON ur.user_id = u.id JOIN roles r ON r.id = ur.role_id`).Scan(&role); err != nil || role != "viewer" {
		t.Errorf("roles %q, %v", role, err)
	}
}

// TestUserLine: one line for each user, whatever is in the names.
func TestUserLine(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	for want, u := range map[string]directory.User{
		"ada\tyes\ta,b\t2026-01-02T03:04:05Z":   {Username: "ada", Active: true, LastSignIn: &at, Roles: []directory.RoleRef{{Name: "a"}, {Name: "b"}}},
		"bob\tno\t-\tnever":                     {Username: "bob"},
		"é \ufffd\ufffd[2J\tno\tx\ufffd\tnever": {Username: "é \t\x1b[2J", Roles: []directory.RoleRef{{Name: "x\n"}}},
	} {
		if got := userLine(u); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestUsersBesideAServer: the new user can sign in at once, and a new password ends
// the sessions.
func TestUsersBesideAServer(t *testing.T) {
	t.Parallel()
	database := []string{"--database-url=" + pgtest.URL(t), "--cookie-secret=" + testSecret}
	url, _ := serveHere(t, append(database, "--bootstrap-admin-password="+adminPassword)...)
	if code, _, said := runHere(t, "first password\n", append(database, "user", "add", "dora", "--role=operator", "--password-stdin")...); code != 0 {
		t.Fatal(said)
	}
	cookie := signIn(t, url, "Dora", "first password")
	status := func() int {
		t.Helper()
		res, _, err := get(t.Context(), url+"/api/audit", cookie)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode
	}
	if got := status(); got != http.StatusOK {
		t.Errorf("status %d", got)
	}
	if code, _, said := runHere(t, "second password\n", append(database, "user", "passwd", "dora", "--password-stdin")...); code != 0 {
		t.Fatal(said)
	}
	if got := status(); got != http.StatusUnauthorized {
		t.Errorf("the session goes on: status %d", got)
	}
	signIn(t, url, "dora", "second password")
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	c := pgtest.Conn(t, url, "halite")
	there := func() (ok bool) {
		t.Helper()
		if err := c.QueryRow(t.Context(), "SELECT to_regclass('audit_log') IS NOT NULL").Scan(&ok); err != nil {
			t.Fatal(err)
		}
		return ok
	}
	do := func(args ...string) (int, string) {
		t.Helper()
		code, out, said := runHere(t, "", append(args, "--database-url="+url, "--cookie-secret="+testSecret)...)
		return code, out + said
	}
	if code, said := do("migrate"); code != 0 || !strings.Contains(said, "the schema is up to date") {
		t.Errorf("up: %d %s", code, said)
	}
	if code, said := do("migrate", "down"); code != 0 || !strings.Contains(said, "the schema is gone") || there() {
		t.Errorf("down: %d %s", code, said)
	}
	if code, said := do("migrate", "up"); code != 0 || !there() {
		t.Errorf("up again: %d %s", code, said)
	}
	code, _, said := runHere(t, "long enough", "user", "add", "x", "--role=viewer", "--password-stdin", "--database-url="+url, "--cookie-secret="+testSecret)
	if code != 0 {
		t.Fatal(said)
	}
	if code, said := do("migrate", "down"); code != 1 || !there() || !strings.Contains(said, "rows") {
		t.Errorf("down with rows: %d %s", code, said)
	}
	if got := logged(t, c); len(got) != 1 {
		t.Errorf("log %v", got)
	}
}

func TestReadAll(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "a": "a", "a\n": "a", "a\r\n": "a", "a\n\n": "a\n", " a ": " a ", "a\nb\n": "a\nb"} {
		if got, err := readAll(strings.NewReader(in)); got != want || err != nil {
			t.Errorf("%q became %q, %v", in, got, err)
		}
	}
}

// TestEmbedded is a whole life on the embedded database: a first start, a second one
// that is refused, users beside the server and without it.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	root := ""
	if _, err := os.Stat("/dev/shm"); err == nil {
		root = "/dev/shm"
	}
	parent, err := os.MkdirTemp(root, "halite-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(parent) })
	if err := os.Chmod(parent, 0o755); err != nil { // PostgreSQL may run as another user
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "data")
	url, stop := serveHere(t, "--data-dir="+dir)
	if code, _, said := runHere(t, "", "serve", "--listen-port=0", "--data-dir="+dir); code != 1 || !strings.Contains(said, dir) {
		t.Errorf("a second server: exit status %d, %s", code, said)
	}
	for _, name := range []string{"admin_password", "cookie_secret"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	first, err := os.ReadFile(filepath.Join(dir, "admin_password"))
	if err != nil {
		t.Fatal(err)
	}
	// The random password works, and must be changed before anything else.
	admin := signIn(t, url, "admin", strings.TrimSpace(string(first)))
	if res, body, err := get(t.Context(), url+"/api/audit", admin); err != nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("%v %s", err, body)
	}
	if code, _, said := runHere(t, "first password\n", "user", "add", "erin", "--role=admin", "--password-stdin", "--data-dir="+dir); code != 0 {
		t.Fatal(said)
	}
	cookie := signIn(t, url, "erin", "first password")
	if code := stop(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if code, _, said := runHere(t, "second password\n", "user", "passwd", "erin", "--password-stdin", "--data-dir="+dir); code != 0 {
		t.Fatal(said)
	}
	url, _ = serveHere(t, "--data-dir="+dir)
	if res, body, err := get(t.Context(), url+"/api/audit", cookie); err != nil || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a session that has ended: %v %s", err, body)
	}
	res, body, err := get(t.Context(), url+"/api/audit?limit=500", signIn(t, url, "erin", "second password"))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v %s", err, body)
	}
	var actions []string
	for _, part := range strings.Split(body, `"action":"`)[1:] {
		action, _, _ := strings.Cut(part, `"`)
		actions = append(actions, action)
	}
	want := []string{
		"auth.login", "audit.list", "server.start", "user.password_reset", "server.stop", "auth.login", "user.create", "audit.list", "auth.login",
		"server.start", "user.create",
	}
	if diff := cmp.Diff(want, actions); diff != "" {
		t.Errorf("the log, newest first, -want +got\n%s", diff)
	}
}

// TestGenerateAtTheCommandLine: rows are made up in an empty log only, and the rank
// index is built over them.
func TestGenerateAtTheCommandLine(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	c := pgtest.Conn(t, url, "halite")
	for _, s := range []struct {
		stdin string
		args  []string
		code  int
		says  string
	}{
		{"", []string{"generate", "--rows=0"}, 2, "--rows must be 1 or more"},
		{"", []string{"generate", "--rows=1", "--months=0"}, 2, "--months must be from 1 to 1200"},
		{"", []string{"generate", "--rows=2500", "--months=2"}, 0, "made up 2500 rows, "},
		{"", []string{"rank", "rebuild"}, 0, "the rank index covers 2304 rows, "},
		{"long enough", []string{"user", "add", "Alice", "--role", "viewer", "--password-stdin"}, 0, "user Alice added"},
		{"", []string{"generate", "--rows=1"}, 1, "the log holds rows that were not made up"},
		{"", []string{"rank", "rebuild"}, 0, "the rank index covers 2304 rows, "},
	} {
		code, out, said := runHere(t, s.stdin, append(s.args, "--database-url="+url, "--cookie-secret="+testSecret)...)
		if code != s.code || !strings.Contains(out+said, s.says) {
			t.Errorf("%q: status %d, %s", s.args, code, out+said)
		}
	}
	var blocks, last int64
	if err := c.QueryRow(t.Context(), "SELECT count(*), max(id) FROM audit_rank WHERE kind = 0").Scan(&blocks, &last); err != nil || blocks != 9 || last != 2304 {
		t.Errorf("%d blocks of the log up to %d, error %v", blocks, last, err)
	}
}

// TestServeBuildsRank: a server that serves lets the rank index grow.
func TestServeBuildsRank(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	c := pgtest.Conn(t, url, "postgres")
	if code, _, said := runHere(t, "", "generate", "--rows=3000", "--months=1", "--database-url="+url, "--cookie-secret="+testSecret); code != 0 {
		t.Fatal(said)
	}
	serveHere(t, "--database-url="+url, "--cookie-secret="+testSecret, "--bootstrap-admin-password="+adminPassword)
	for blocks := 0; blocks < 2; {
		if err := c.QueryRow(t.Context(), "SELECT count(*) FROM audit_rank WHERE kind = 0").Scan(&blocks); err != nil {
			t.Fatal(err)
		}
	}
}
