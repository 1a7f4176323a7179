package salt

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"halite/internal/fault"
)

// What the master may think of a key.
const (
	KeyAccepted = "accepted"
	KeyPending  = "pending"
	KeyRejected = "rejected"
	KeyDenied   = "denied"
)

const maxKeyID = 255 // characters

// Key is the key of a minion, as the master keeps it. One id can have several, such as an
// accepted one and a denied one.
type Key struct {
	ID     string
	Status string // accepted, pending, rejected or denied
}

// buckets are the master's lists of ids.
type buckets struct {
	Accepted []string `json:"minions"`
	Pending  []string `json:"minions_pre"`
	Rejected []string `json:"minions_rejected"`
	Denied   []string `json:"minions_denied"`
}

// CheckKeyID returns a BAD_USER_INPUT unless id can be the id of one minion and nothing
// else: Salt itself would take a pattern, a list and a path.
func CheckKeyID(id string) error {
	switch {
	case id == "" || id == "." || id == "..":
		return fault.Input("id", "must be the id of a minion")
	case utf8.RuneCountInString(id) > maxKeyID:
		return fault.Input("id", fmt.Sprintf("must have at most %d characters", maxKeyID))
	case strings.ContainsAny(id, `*?[],/\`):
		return fault.Input("id", `must be one id, without any of * ? [ ] , / \`)
	case !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl):
		return fault.Input("id", "must not have control characters")
	case strings.TrimSpace(id) != id:
		return fault.Input("id", "must not begin or end with white space")
	}
	return nil
}

// Keys returns the keys that the master has, ordered by id and then by status.
func (c *Client) Keys(ctx context.Context) ([]Key, error) {
	b, err := c.listKeys(ctx)
	if err != nil {
		return nil, err
	}
	var keys []Key
	for status, ids := range b.each {
		for _, id := range ids {
			keys = append(keys, Key{id, status})
		}
	}
	slices.SortFunc(keys, func(a, b Key) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Status, b.Status)) })
	return keys, nil
}

// KeyStatuses returns what the master thinks of the keys of id; nothing if it has none. An
// error means that Salt could not be asked.
func (c *Client) KeyStatuses(ctx context.Context, id string) ([]string, error) {
	b, err := c.listKeys(ctx)
	if err != nil {
		return nil, err
	}
	var statuses []string
	for status, ids := range b.each {
		if slices.Contains(ids, id) {
			statuses = append(statuses, status)
		}
	}
	return statuses, nil
}

// AcceptKey accepts the key of id, whatever its status. It is NOT_FOUND if there is none.
func (c *Client) AcceptKey(ctx context.Context, id string, begin Begin) error {
	if _, err := c.hasKey(ctx, id); err != nil {
		return err
	}
	after, err := c.changeKey(ctx, lowstate{"fun": "key.accept", "match": id, "include_rejected": true, "include_denied": true}, begin)
	if err == nil && !slices.Contains(after.Accepted, id) {
		return fault.New(fault.SaltError, "salt-api: key.accept: the key was not accepted")
	}
	return err
}

// RejectKey rejects the key of id, whatever its status. It is NOT_FOUND if there is none.
func (c *Client) RejectKey(ctx context.Context, id string, begin Begin) error {
	if _, err := c.hasKey(ctx, id); err != nil {
		return err
	}
	after, err := c.changeKey(ctx, lowstate{"fun": "key.reject", "match": id, "include_accepted": true, "include_denied": true}, begin)
	if err == nil && !slices.Contains(after.Rejected, id) {
		return fault.New(fault.SaltError, "salt-api: key.reject: the key was not rejected")
	}
	return err
}

// DeleteKey deletes every key of id. It is NOT_FOUND if there is none. A minion that is
// running may ask to be accepted again at once; its new key is pending then.
func (c *Client) DeleteKey(ctx context.Context, id string, begin Begin) error {
	before, err := c.hasKey(ctx, id)
	if err != nil {
		return err
	}
	if _, err := c.changeKey(ctx, lowstate{"fun": "key.delete", "match": id}, begin); err != nil {
		return err
	}
	// Salt answers the same whether it has deleted the key or not.
	ctx, cancel := within(ctx, confirmTimeout)
	defer cancel()
	after, err := c.KeyStatuses(ctx, id)
	if err != nil {
		f := fault.From(err)
		f.Message += "; whether the key was deleted could not be seen"
		f.OutcomeUnknown = true
		return f
	}
	if slices.ContainsFunc(before, func(status string) bool { return slices.Contains(after, status) }) {
		return fault.New(fault.SaltError, "salt-api: key.delete: the key is still there")
	}
	return nil
}

// hasKey returns the statuses of the keys of id, at least one.
func (c *Client) hasKey(ctx context.Context, id string) ([]string, error) {
	if err := CheckKeyID(id); err != nil {
		return nil, err
	}
	statuses, err := c.KeyStatuses(ctx, id)
	if err == nil && len(statuses) == 0 {
		return nil, fault.New(fault.NotFound, "There is no key "+id)
	}
	return statuses, err
}

func (c *Client) listKeys(ctx context.Context) (buckets, error) {
	raw, err := c.read(ctx, lowstate{"client": "wheel", "fun": "key.list_all"})
	if err != nil {
		return buckets{}, err
	}
	b, err := c.wheelResult(raw, "key.list_all")
	return b, harmless(err)
}

// changeKey makes a call of the wheel, and returns where the keys that it names are now.
func (c *Client) changeKey(ctx context.Context, l lowstate, begin Begin) (buckets, error) {
	l["client"] = "wheel"
	raw, err := c.effect(ctx, l, callTimeout, begin)
	if err != nil {
		return buckets{}, err
	}
	return c.wheelResult(raw, l["fun"].(string))
}

// wheelResult reads the answer of a wheel function, which tells of its failures in an
// answer like any other.
func (c *Client) wheelResult(raw json.RawMessage, fun string) (buckets, error) {
	var result struct {
		Data *struct {
			Return  json.RawMessage
			Success *bool
		}
	}
	if err := json.Unmarshal(raw, &result); err != nil || result.Data == nil || result.Data.Success == nil {
		return buckets{}, c.misunderstood("no result of " + fun)
	}
	if !*result.Data.Success {
		var text string
		if json.Unmarshal(result.Data.Return, &text) != nil {
			text = string(result.Data.Return)
		}
		return buckets{}, c.failed(fun, text)
	}
	var b *buckets
	if err := json.Unmarshal(result.Data.Return, &b); err != nil || b == nil {
		return buckets{}, c.misunderstood("no keys from " + fun)
	}
	return *b, nil
}

// each yields the buckets with the status of their keys.
func (b buckets) each(yield func(status string, ids []string) bool) {
	_ = yield(KeyAccepted, b.Accepted) && yield(KeyDenied, b.Denied) && yield(KeyPending, b.Pending) && yield(KeyRejected, b.Rejected)
}
