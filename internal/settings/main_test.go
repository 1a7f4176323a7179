package settings_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"testing"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/guard"
	"halite/internal/pgtest"
	"halite/internal/salt/saltfake"
	"halite/internal/seal"
	"halite/internal/settings"
)

func TestMain(m *testing.M) { pgtest.Main(m, false) }

// newService is another server on the database d, with these secrets.
func newService(t *testing.T, d *db.DB, secrets ...string) *settings.Service {
	t.Helper()
	var raw [][]byte
	for _, s := range secrets {
		raw = append(raw, []byte(s))
	}
	sealer, err := seal.New("test", raw...)
	if err != nil {
		t.Fatal(err)
	}
	s := settings.NewService(d, sealer, pgtest.Quiet)
	t.Cleanup(s.Close)
	return s
}

// gate is one guard on a database.
type gate struct {
	*guard.Guard
	db *db.DB
}

func newGate(t *testing.T, d *db.DB) gate {
	t.Helper()
	r := audit.NewRecorder(d, audit.DefaultQueue, pgtest.Quiet)
	t.Cleanup(r.Stop)
	g := guard.New(guard.Config{Recorder: r, Changer: d, Logger: pgtest.Quiet, Refusals: 60})
	t.Cleanup(g.Stop)
	return gate{g, d}
}

// update changes settings as an action does, and returns the arguments of its row.
func (g gate) update(t *testing.T, s *settings.Service, p settings.Patch) (settings.Salt, map[string]any, error) {
	t.Helper()
	var now settings.Salt
	err := g.Do(t.Context(), guard.Action{
		Name: "settings.salt.update", Resource: "settings:salt", Effect: guard.Change, Anonymous: true, Judge: guard.Allowed("test"),
	}, func(ctx context.Context) (err error) {
		now, err = s.Update(ctx, p)
		return err
	})
	page, lerr := g.db.List(t.Context(), audit.Query{Limit: 1})
	if lerr != nil || len(page.Entries) != 1 {
		t.Fatalf("no row: %v", lerr)
	}
	var args map[string]any
	if raw := page.Entries[0].Args; raw != nil {
		if err := json.Unmarshal(raw, &args); err != nil {
			t.Fatal(err)
		}
	}
	return now, args, err
}

// master is a fake Salt master at an address.
func master(t *testing.T) (*saltfake.Master, string) {
	t.Helper()
	m := saltfake.New()
	m.AddMinion("web1", nil)
	srv := httptest.NewServer(m)
	t.Cleanup(srv.Close)
	return m, srv.URL
}
