package main

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"halite/internal/pgtest"
)

// TestOrderedShutdown: SIGTERM under load. Whatever was answered is in the log exactly
// once, no id is missing, and the program ends well.
func TestOrderedShutdown(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	server := start(t, database)
	url := server.URL
	cookie := signIn(t, url, "admin", adminPassword)

	const clients = 16
	var mu sync.Mutex
	answered := map[int64]bool{}
	enough := make(chan struct{})
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for {
				res, _, err := get(t.Context(), url+"/api/audit?limit=1", cookie)
				if err != nil {
					return // the server is gone
				}
				if res.StatusCode != http.StatusOK {
					t.Errorf("status %d", res.StatusCode)
					return
				}
				id, err := strconv.ParseInt(res.Header.Get("X-Audit-Id"), 10, 64)
				mu.Lock()
				if err != nil || answered[id] {
					t.Errorf("X-Audit-Id %q, seen: %v", res.Header.Get("X-Audit-Id"), answered[id])
				}
				if answered[id] = true; len(answered) == 200 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-enough:
	case <-server.ended:
		t.Fatalf("it ended by itself: %s", server.out)
	}
	server.stop(t)
	wg.Wait()
	c := pgtest.Conn(t, database, "halite")
	rows, err := c.Query(t.Context(), "SELECT id FROM audit_log ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	there := map[int64]bool{}
	for i, id := range ids {
		if id != int64(i+1) {
			t.Fatalf("id %d where %d was due", id, i+1)
		}
		there[id] = true
	}
	for id := range answered {
		if !there[id] {
			t.Errorf("row %d was answered and is not in the log", id)
		}
	}
}

// TestPortTaken: a second server on one port is told so.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	database := []string{"--database-url=" + pgtest.URL(t), "--cookie-secret=" + testSecret, "--bootstrap-admin-password=" + adminPassword}
	url, _ := serveHere(t, database...)
	port := url[strings.LastIndex(url, ":")+1:]
	code, _, said := runHere(t, "", append(database, "--listen-port="+port)...)
	if code != 1 || !strings.Contains(said, "LISTEN_PORT") || !strings.Contains(said, "in use") {
		t.Errorf("exit status %d, %s", code, said)
	}
}

// TestNoFirstPassword: where a random password could not be told, no user is made.
func TestNoFirstPassword(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	code, _, said := runHere(t, "", "--listen-port=0", "--database-url="+url, "--cookie-secret="+testSecret)
	if code != 1 || !strings.Contains(said, "BOOTSTRAP_ADMIN_PASSWORD") {
		t.Errorf("exit status %d, %s", code, said)
	}
	var users int
	if err := pgtest.Conn(t, url, "halite").QueryRow(t.Context(), "SELECT count(*) FROM users").Scan(&users); err != nil || users != 0 {
		t.Errorf("%d users, %v", users, err)
	}
}

func TestNoDatabase(t *testing.T) {
	t.Parallel()
	code, _, said := runHere(t, "", "--listen-port=0", "--database-url=postgres://halite:hunter2@127.0.0.1:1/halite", "--cookie-secret="+testSecret)
	if code != 1 || strings.Contains(said, "hunter2") {
		t.Errorf("exit status %d, %s", code, said)
	}
}
