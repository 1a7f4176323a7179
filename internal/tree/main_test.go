package tree_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/guard"
	"halite/internal/merkle"
	"halite/internal/pgtest"
	"halite/internal/tree"
)

// Benchmarks are about durable writes, so they run on a disk.
func TestMain(m *testing.M) {
	flag.Parse()
	pgtest.Main(m, flag.Lookup("test.bench").Value.String() != "")
}

// log is a log with what looks after it.
type log struct {
	*db.DB
	*tree.Keeper
	url   string
	owner *pgx.Conn
	key   *merkle.Key
	guard *guard.Guard
}

func newLog(t testing.TB) *log {
	t.Helper()
	u := pgtest.URL(t)
	l := &log{DB: pgtest.OpenURL(t, u), url: u, owner: pgtest.Conn(t, u, "postgres"), key: newKey(t, "example.org/log")}
	r := audit.NewRecorder(l.DB, audit.DefaultQueue, pgtest.Quiet)
	t.Cleanup(r.Stop)
	l.guard = guard.New(guard.Config{Recorder: r, Changer: l.DB, Logger: pgtest.Quiet, AuditReads: true, Refusals: 60})
	t.Cleanup(l.guard.Stop)
	l.Keeper = l.keeper(l.DB, l.key)
	return l
}

// keeper is one more, on a store that may do harm.
func (l *log) keeper(s tree.Store, keys ...*merkle.Key) *tree.Keeper {
	k := tree.New(tree.Config{Store: s, Gate: l.guard, Logger: pgtest.Quiet, Keys: keys})
	k.Hold()
	return k
}

func newKey(t testing.TB, name string) *merkle.Key {
	t.Helper()
	secret, err := merkle.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	k, err := merkle.ParseKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// write appends n entries of different kinds.
func (l *log) write(t testing.TB, n int) {
	t.Helper()
	var batch []*audit.Entry
	for i := range n {
		e := audit.Entry{Action: "test.write", Resource: fmt.Sprintf("test:%d", i), Decision: audit.Allow, ResultCode: 200}
		switch i % 4 {
		case 1:
			e.Args = json.RawMessage(`{"z":1,"a":[1.50,"é\u0001"],"bb":{}}`)
		case 2:
			e = audit.Entry{
				Action: "test.write", Resource: "test:ü", Decision: audit.Deny, ResultCode: 403, DurationMS: i,
				UserID: uuid.NullUUID{UUID: uuid.New(), Valid: true}, SaltJID: "20261103", Username: "zoë \"\\", Verb: "view", Reason: "none\n",
				RequestID: "r", SourceIP: "::1", UserAgent: "a/1", Args: json.RawMessage("{}"),
			}
		}
		batch = append(batch, &e)
		if len(batch) == 1000 || i == n-1 {
			if err := l.Append(context.Background(), batch); err != nil {
				t.Fatal(err)
			}
			batch = nil
		}
	}
}

// work seals all that is there, and checks and signs.
func (l *log) work(t testing.TB) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = l.Work(context.Background(), false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Work(context.Background(), true); err != nil {
		t.Fatal(err)
	}
}

func (l *log) facts(t testing.TB) tree.Facts {
	t.Helper()
	f, err := l.Facts(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// want is the tree over the log by an independent implementation, and by what the reader
// of the log gives.
func (l *log) want(t testing.TB, size int64) merkle.Tree {
	t.Helper()
	r := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for next := int64(1); next <= size; {
		entries, err := l.Ascend(context.Background(), audit.Filter{}, next, size, 500)
		if err != nil || len(entries) == 0 {
			t.Fatal(next, err)
		}
		for i := range entries {
			if err := r.Append(rfc6962.DefaultHasher.HashLeaf(merkle.AppendLeaf(nil, &entries[i])), nil); err != nil {
				t.Fatal(err)
			}
		}
		next += int64(len(entries))
	}
	root, err := r.GetRootHash(nil)
	if err != nil {
		t.Fatal(err)
	}
	return merkle.Tree{N: size, Hash: tlog.Hash(root)}
}

func (l *log) exec(t testing.TB, sql string) {
	t.Helper()
	if _, err := l.owner.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// texts returns the one column of a query.
func (l *log) texts(t testing.TB, sql string) []string {
	t.Helper()
	rows, err := l.owner.Query(context.Background(), sql)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// mismatches are those that are open, as kind and id.
func (l *log) mismatches(t testing.TB) []string {
	t.Helper()
	return l.texts(t, "SELECT kind || ' ' || id FROM tree_mismatch ORDER BY id, kind")
}
