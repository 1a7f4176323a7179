package db

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"halite/internal/audit"
)

const (
	facetKnown = 1_000 // users, or actions, that are counted one by one at most
	facetKeys  = 2_000 // keys that the rank index is asked for at most
)

// Facets implements audit.Reader. Users and actions are counted by the rank index, one by
// one; resources, and what a filter searches for, by looking at the entries.
func (d *DB) Facets(ctx context.Context, f audit.Filter, by audit.Facet, limit int) (out audit.Facets, err error) {
	out.Values = []audit.FacetValue{}
	sel, ok := compile(f)
	if !ok {
		return out, nil
	}
	release, err := d.reader(ctx)
	if err != nil {
		return out, err
	}
	defer release()
	err = d.steady(ctx, func() (err error) {
		out, err = d.facets(ctx, f, sel, by, limit)
		return err
	})
	return out, err
}

// facets is Facets, unless old entries are dropped meanwhile.
func (d *DB) facets(ctx context.Context, f audit.Filter, sel selection, by audit.Facet, limit int) (out audit.Facets, err error) {
	out.Values = []audit.FacetValue{}
	s, err := d.span(ctx)
	if err != nil {
		return out, err
	}
	lo, hi, err := d.within(ctx, s, f)
	if err != nil || hi < lo {
		return out, err
	}
	n := neighbours{DB: d, span: s, selection: sel, lo: lo, hi: hi}
	counts, known, err := n.knownFacets(ctx, f, by)
	if err == nil && !known {
		counts, out.SearchedTo, err = n.searchFacets(ctx, by)
		out.Partial = out.SearchedTo != 0
	}
	if err != nil {
		return out, err
	}
	out.Values = topFacets(counts, limit)
	if by == audit.ByUser {
		err = d.nameUsers(ctx, out.Values)
	}
	if err == nil {
		err = d.checkKept(ctx, s)
	}
	return out, err
}

// facetCounts are values with their counts. Text is that of a user's id, too.
type facetCounts map[facetValue]tally

type facetValue struct {
	user uuid.NullUUID
	text string
}

// topFacets are the most frequent values; among equals, in their order.
func topFacets(counts facetCounts, limit int) []audit.FacetValue {
	out := make([]audit.FacetValue, 0, len(counts))
	for v, t := range counts {
		if t != (tally{}) {
			out = append(out, audit.FacetValue{User: v.user, Text: v.text, Allowed: t.allowed, Denied: t.denied})
		}
	}
	slices.SortFunc(out, func(a, b audit.FacetValue) int {
		return cmp.Or(cmp.Compare(b.Allowed+b.Denied, a.Allowed+a.Denied), cmp.Compare(a.Text, b.Text), slices.Compare(a.User.UUID[:], b.User.UUID[:]))
	})
	return out[:min(limit, len(out))]
}

// knownFacets counts each user, or each action, by the rank index. It reports false if
// that cannot be done, or not for so many.
func (n neighbours) knownFacets(ctx context.Context, f audit.Filter, by audit.Facet) (facetCounts, bool, error) {
	if n.rest != nil || by == audit.ByResource {
		return nil, false, nil
	}
	users, actions := usersOf(f), actionsOf(f)
	var err error
	if by == audit.ByUser && users == nil {
		var ids []uuid.UUID
		ids, err = distinct[uuid.UUID](ctx, n.DB, distinctUsers, facetKnown+1)
		users = []uuid.NullUUID{{}}
		for _, id := range ids {
			users = append(users, uuid.NullUUID{UUID: id, Valid: true})
		}
	} else if by == audit.ByAction && actions == nil {
		actions, err = distinct[string](ctx, n.DB, distinctActions, facetKnown+1)
	}
	if err != nil || len(users) > facetKnown || len(actions) > facetKnown || max(1, len(users))*max(1, len(actions)) > facetKeys {
		return nil, false, err
	}
	keys := combine(users, actions)
	if len(keys) == 0 {
		return nil, true, nil
	}
	counted, err := n.tallies(ctx, keys, n.decision, []idRange{{n.lo, n.hi}})
	counts := facetCounts{}
	for i, c := range counted {
		v := facetValue{text: keys[i].action}
		if by == audit.ByUser {
			v = facetValue{user: uuid.NullUUID{UUID: keys[i].user, Valid: keys[i].kind&ofUser != 0}}
		}
		t := counts[v]
		t.add(c[0])
		counts[v] = t
	}
	return counts, true, err
}

// searchFacets counts by looking at the entries, the newest first.
func (n neighbours) searchFacets(ctx context.Context, by audit.Facet) (facetCounts, int64, error) {
	counts := facetCounts{}
	searchedTo, err := n.look(ctx, n.lo, n.hi, false, func(b batch) (bool, error) {
		rows, err := n.ask(ctx, facetSQL[by], b)
		if err != nil {
			return false, err
		}
		var v facetValue
		var t tally
		_, err = pgx.ForEachRow(rows, []any{&v.user, &v.text, &t.allowed, &t.denied}, func() error {
			sum := counts[v]
			sum.add(t)
			counts[v] = sum
			return nil
		})
		return true, err
	})
	return counts, searchedTo, err
}

var facetSQL = map[audit.Facet]asked{
	audit.ByUser:     facetOf("user_id, ''::text"),
	audit.ByAction:   facetOf("NULL::uuid, action"),
	audit.ByResource: facetOf("NULL::uuid, resource"),
}

func facetOf(value string) asked {
	return asking(value+", count(*) FILTER (WHERE decision = 'allow'), count(*) FILTER (WHERE decision = 'deny')", "GROUP BY 1, 2")
}

// nameSQL finds the names that users had in their newest entries.
var nameSQL = "SELECT coalesce((SELECT username FROM (" + newestName(audit.Allow) + " UNION ALL " + newestName(audit.Deny) +
	") AS e ORDER BY id DESC LIMIT 1), '') FROM unnest($1::uuid[]) WITH ORDINALITY AS u (id, i) ORDER BY i"

// newestName is a query in the order that one index alone has: see rankKind.entries.
func newestName(d audit.Decision) string {
	return "(SELECT id, username FROM audit_log WHERE user_id = ANY (ARRAY[u.id]) AND decision = '" + string(d) + "' ORDER BY " + ofUser.order("DESC") + " LIMIT 1)"
}

// nameUsers puts the users' names into values: those of their newest entries.
func (d *DB) nameUsers(ctx context.Context, values []audit.FacetValue) error {
	users := make([]uuid.NullUUID, len(values))
	for i, v := range values {
		users[i] = v.User
	}
	rows, err := d.pool.Query(ctx, nameSQL, d.hot, users)
	if err != nil {
		return fmt.Errorf("name users: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("name users: %w", err)
	}
	for i := range names {
		values[i].Name = names[i]
	}
	return nil
}

// Actions implements audit.Reader.
func (d *DB) Actions(ctx context.Context) ([]string, error) {
	release, err := d.reader(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	actions, err := distinct[string](ctx, d, distinctActions, audit.MaxActions)
	slices.Sort(actions)
	return actions, err
}

// distinct are the values that a column of the log has, limit at most.
func distinct[T any](ctx context.Context, d *DB, sql string, limit int) ([]T, error) {
	rows, err := d.pool.Query(ctx, sql, d.hot, limit)
	if err != nil {
		return nil, fmt.Errorf("find the values of the log: %w", err)
	}
	values, err := pgx.AppendRows([]T{}, rows, pgx.RowTo[T])
	if err != nil {
		return nil, fmt.Errorf("find the values of the log: %w", err)
	}
	return values, nil
}

var distinctUsers, distinctActions = distinctSQL("user_id"), distinctSQL("action")

// distinctSQL goes from value to value in the indexes of a column, and so reads as many
// entries as there are values.
func distinctSQL(column string) string {
	walk := func(d audit.Decision) string {
		next := "SELECT " + column + " FROM audit_log WHERE decision = '" + string(d) + "' AND " + column + " %s ORDER BY " + column + " LIMIT 1"
		return "(WITH RECURSIVE walk (value) AS ((" + fmt.Sprintf(next, "IS NOT NULL") + ") UNION ALL SELECT (" +
			fmt.Sprintf(next, "> walk.value") + ") FROM walk WHERE value IS NOT NULL) SELECT value FROM walk WHERE value IS NOT NULL LIMIT $1)"
	}
	return "SELECT value FROM (" + walk(audit.Allow) + " UNION " + walk(audit.Deny) + ") AS v ORDER BY value LIMIT $1"
}
