package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"halite/internal/merkle"
)

const (
	maxAnswer = 64 << 10 // of a checkpoint or a tile
	maxTiles  = 2048     // that are kept
	askFor    = 30 * time.Second
)

// Client asks a server. It is for one goroutine.
type Client struct {
	base  string
	http  *http.Client
	tiles map[tlog.Tile][]byte
	ctx   context.Context // of the call under way: a tlog.TileReader is given none
}

// NewClient returns a client of the server at an address such as https://halite.example.
func NewClient(address string) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not the address of a server, such as https://halite.example", address)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	h := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Client{base: strings.TrimSuffix(address, "/"), http: h, tiles: map[tlog.Tile][]byte{}}, nil
}

// do sends a request and returns the answer, which is a 2xx.
func (c *Client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", "halite-verify")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	said, _ := io.ReadAll(io.LimitReader(res.Body, 300))
	return nil, &StatusError{Status: res.StatusCode, Path: path, Said: strings.TrimSpace(string(said))}
}

// StatusError is an answer that is not the one that was asked for.
type StatusError struct {
	Status     int
	Path, Said string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: %d %s: %s", e.Path, e.Status, http.StatusText(e.Status), e.Said)
}

// get returns a short answer.
func (c *Client) get(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	res, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(b) > maxAnswer {
		err = fmt.Errorf("%s: the answer is longer than %d bytes", path, maxAnswer)
	}
	return b, err
}

// SignIn signs in, for what needs a permission.
func (c *Client) SignIn(ctx context.Context, username, password string) error {
	body, err := json.Marshal(map[string]string{"username": username, "password": password})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	res, err := c.do(ctx, http.MethodPost, "/api/auth/login", body)
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	return res.Body.Close()
}

// SignOut ends the session.
func (c *Client) SignOut(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	res, err := c.do(ctx, http.MethodPost, "/api/auth/logout", []byte("{}"))
	if err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	return res.Body.Close()
}

// Checkpoint returns the newest signed checkpoint, unchecked.
func (c *Client) Checkpoint(ctx context.Context) ([]byte, error) {
	return c.get(ctx, "/tlog/checkpoint")
}

// Export begins to read the whole log. The caller closes it.
func (c *Client) Export(ctx context.Context) (io.ReadCloser, error) {
	res, err := c.do(ctx, http.MethodGet, "/api/audit/export", nil)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// hashes reads hashes of a tree, each of which is checked to lead to its root.
func (c *Client) hashes(ctx context.Context, tree merkle.Tree) tlog.HashReader {
	c.ctx = ctx
	return tlog.TileHashReader(tree, c)
}

// Height implements tlog.TileReader.
func (c *Client) Height() int { return merkle.TileHeight }

// ReadTiles implements tlog.TileReader.
func (c *Client) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		if b, ok := c.tiles[t]; ok {
			out[i] = b
			continue
		}
		b, err := c.get(c.ctx, "/tlog/"+merkle.TilePath(t))
		if s, ok := errors.AsType[*StatusError](err); ok && s.Status == http.StatusNotFound && t.W < merkle.TileWidth {
			full := t // a server may have dropped it since the tile is full
			full.W = merkle.TileWidth
			if b, err = c.get(c.ctx, "/tlog/"+merkle.TilePath(full)); err == nil && len(b) == merkle.TileWidth*tlog.HashSize {
				b = b[:t.W*tlog.HashSize]
			}
		}
		if err != nil {
			return nil, err
		}
		if len(b) != t.W*tlog.HashSize {
			return nil, problem("the tile %s has %d bytes", merkle.TilePath(t), len(b))
		}
		out[i] = b
	}
	return out, nil
}

// SaveTiles implements tlog.TileReader: these are good.
func (c *Client) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	if len(c.tiles) > maxTiles {
		clear(c.tiles)
	}
	for i, t := range tiles {
		c.tiles[t] = data[i]
	}
}
