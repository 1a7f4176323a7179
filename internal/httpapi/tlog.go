package httpapi

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/audit"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/merkle"
	"halite/internal/proof"
)

// maxProofs is how many answers about the tree are made at once, for who has no session
// too; the others wait.
const maxProofs = 4

// gated runs next behind the gate as a, or at once if the tree is public: its hashes and
// checkpoints say how much is logged, not what.
func (a *api) gated(r *http.Request, act guard.Action, next func(ctx context.Context) error) error {
	limited := func(ctx context.Context) error {
		select {
		case a.proofs <- struct{}{}:
			defer func() { <-a.proofs }()
			return next(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if a.PublicTree {
		return limited(r.Context())
	}
	act.Verb, act.Resource = "view", "audit:*"
	return a.Guard.Do(r.Context(), act, limited)
}

// checkpoint is GET /api/audit/checkpoint and /tlog/checkpoint: the latest one, a signed
// note. Where the tree is not public it needs `view` on `audit:*`, recorded as
// audit.checkpoint. 200; 401, 403; 404 before the first; 503.
func (a *api) checkpoint(w http.ResponseWriter, r *http.Request) {
	var note []byte
	err := a.gated(r, guard.Action{Name: "audit.checkpoint"}, func(ctx context.Context) error {
		signed, err := proof.Latest(ctx, a.Tree)
		if err == nil {
			note = signed.Note
		}
		return err
	})
	if err != nil {
		failProof(w, err)
		return
	}
	sendPlain(w, "text/plain; charset=utf-8", "no-cache", note)
}

// tile is GET /tlog/tile/{level}/{n} as C2SP tlog-tiles has it: hashes of the tree. Where
// the tree is not public it needs `view` on `audit:*`, recorded as audit.tile. What
// /tlog/tile/entries/{n} holds is the log: see entries. 200; 401, 403; 404; 503.
func (a *api) tile(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/tlog/")
	t, err := merkle.ParseTilePath(path)
	switch {
	case err != nil:
		detail(w, http.StatusNotFound, "Not Found")
		return
	case t.L < 0:
		a.entries(w, r, t)
		return
	}
	var hashes []byte
	err = a.gated(r, guard.Action{Name: "audit.tile", Args: map[string]any{"tile": path}}, func(ctx context.Context) error {
		data, err := a.Tree.ReadTiles(ctx, []tlog.Tile{t})
		if err == nil && len(data[0]) != t.W*tlog.HashSize {
			err = fault.New(fault.NotFound, "There is no such tile yet")
		}
		if err == nil {
			hashes = data[0]
		}
		return err
	})
	if err != nil {
		failProof(w, err)
		return
	}
	a.sendTile(w, t, hashes)
}

// entries is GET /tlog/tile/entries/{n}: leaves, each behind its length in two bytes, big
// endian. It always needs `export` on `audit:*`, recorded as audit.leaves. 200; 401, 403;
// 404; 503.
func (a *api) entries(w http.ResponseWriter, r *http.Request, t tlog.Tile) {
	var out []byte
	err := a.Guard.Do(r.Context(), guard.Action{
		Name: "audit.leaves", Verb: "export", Resource: "audit:*", Args: map[string]any{"tile": merkle.TilePath(t)},
	}, func(ctx context.Context) error {
		signed, err := proof.Latest(ctx, a.Tree)
		if err != nil {
			return err
		}
		first := t.N*merkle.TileWidth + 1
		last := first + int64(t.W) - 1
		if err := signed.Covers(last); err != nil {
			return err
		}
		found, err := a.Log.Ascend(ctx, audit.Filter{}, first, last, t.W)
		if err != nil {
			return err
		}
		if len(found) != t.W {
			return fault.New(fault.NotFound, "Some of these entries are not there")
		}
		var leaf []byte
		for i := range found {
			leaf = merkle.AppendLeaf(leaf[:0], &found[i])
			out = append(binary.BigEndian.AppendUint16(out, uint16(len(leaf))), leaf...)
		}
		return nil
	})
	if err != nil {
		failProof(w, err)
		return
	}
	a.sendTile(w, t, out)
}

// inclusion is GET /api/audit/proof?id=: that an entry is in the tree of the latest
// checkpoint. Where the tree is not public it needs `view` on `audit:*`, recorded as
// audit.proof. 200; 401, 403, 422 in this order; 404 where nothing is signed so far; 503.
func (a *api) inclusion(w http.ResponseWriter, r *http.Request) {
	given, ok := paramValues(r.URL.RawQuery)["id"]
	id, perr := strconv.ParseInt(given, 10, 64)
	var bad []fieldError
	switch {
	case !ok:
		bad = []fieldError{{Type: "missing", Loc: []any{"query", "id"}, Msg: "Field required"}}
	case perr != nil:
		bad = []fieldError{{Type: "int_parsing", Loc: []any{"query", "id"}, Msg: "Input should be a valid integer, unable to parse string as an integer", Input: &given}}
	case id < 1:
		bad = []fieldError{{Type: "greater_than_equal", Loc: []any{"query", "id"}, Msg: "Input should be greater than or equal to 1", Input: &given, Ctx: map[string]any{"ge": 1}}}
	}
	var signed *proof.Signed
	var in proof.Inclusion
	err := a.gated(r, guard.Action{Name: "audit.proof", Args: map[string]any{"id": given}}, func(ctx context.Context) (err error) {
		if len(bad) > 0 {
			return fault.New(fault.BadUserInput, "a query parameter is not valid")
		}
		if signed, err = proof.Latest(ctx, a.Tree); err != nil {
			return err
		}
		ins, err := signed.Inclusion(ctx, id)
		if err == nil {
			in = ins[0]
		}
		return err
	})
	switch {
	case err != nil && len(bad) > 0 && fault.From(err).Code == fault.BadUserInput:
		sendInvalid(w, bad)
	case err != nil:
		failProof(w, err)
	default:
		sendJSON(w, http.StatusOK, struct {
			LeafIndex  int64       `json:"leaf_index"`
			LeafHash   tlog.Hash   `json:"leaf_hash"`
			TreeSize   int64       `json:"tree_size"`
			Hashes     []tlog.Hash `json:"hashes"`
			Checkpoint string      `json:"checkpoint"`
		}{in.Index(), in.Leaf, signed.N, append([]tlog.Hash{}, in.Hashes...), string(signed.Note)})
	}
}

// failProof is fail; what is not signed yet is not there.
func failProof(w http.ResponseWriter, err error) {
	if f := fault.From(err); f.Code == fault.NotSealed {
		detail(w, http.StatusNotFound, f.Message)
		return
	}
	fail(w, err)
}

// sendTile writes a tile. A full one never changes, and one that is not full goes on being
// true.
func (a *api) sendTile(w http.ResponseWriter, t tlog.Tile, b []byte) {
	cache := "no-store"
	if a.PublicTree && t.L >= 0 {
		cache = fmt.Sprintf("public, max-age=%d, immutable", 365*24*60*60)
	}
	sendPlain(w, "application/octet-stream", cache, b)
}

func sendPlain(w http.ResponseWriter, contentType, cache string, b []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", cache)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(b)
}
