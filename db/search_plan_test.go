package db_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"halite/db"
	"halite/internal/audit"
	"halite/internal/pgtest"
	"halite/internal/synthetic"
)

// TestSearchPlans runs the statements of searches and of counts with the plans that serve
// requests, and counts what they read of the log.
func TestSearchPlans(t *testing.T) {
	t.Parallel()
	const rows, block = 60_000, 128
	d, c := ranked(t, pgtest.URL(t), rows, 3, block)
	prepared := 0
	read := func(sql, types, values string, most int) {
		t.Helper()
		prepared++
		exec(t, c, fmt.Sprintf("PREPARE s%d (%s) AS %s", prepared, types, sql))
		var out struct{ Plan plan }
		unwrap(t, texts(t, c, fmt.Sprintf(explained+"EXECUTE s%d (%s)", prepared, values)), &out)
		if n := out.Plan.read(); n > most || n == 0 {
			t.Errorf("%d entries read, want %d at most: %s\n%.600s", n, most, values, sql)
		}
	}

	// A search reads the ids that it is told, whatever it looks for, and nothing else.
	const restTypes = "text, text, text, bigint, bigint, bigint, bigint, text, uuid[], boolean, text[], "
	for _, rest := range []string{
		"null, null, null, null, null, null, null, '%no such text%', null, false, null, ",
		"'minion:%', null, null, null, null, null, null, null, null, false, null, ",
		"null, '2026', 'x', 200, 300, 0, 9, null, '{}', true, '{job.test.ping}', ",
	} {
		statements := [][2]string{}
		byRange, byIDs := db.SearchSQL()
		statements = append(statements, [2]string{byRange, byIDs})
		for _, by := range []audit.Facet{audit.ByUser, audit.ByAction, audit.ByResource} {
			byRange, byIDs = db.FacetSQL(by)
			statements = append(statements, [2]string{byRange, byIDs})
		}
		for _, s := range statements {
			for _, r := range [][2]int{{1, 1_000}, {19_000, 23_000}, {rows - 15_999, rows}} {
				read(s[0], restTypes+"timestamptz, timestamptz, bigint, bigint", rest+fmt.Sprintf("'-infinity', 'infinity', %d, %d", r[0], r[1]), r[1]-r[0]+1)
			}
			read(s[1], restTypes+"timestamptz, timestamptz, bigint[]", rest+"'-infinity', 'infinity', '{1, 500, 20000, 59999}'", 4)
		}
	}

	// Several keys: less than two blocks of each at the edges and behind the last block,
	// and of those found the limit and two blocks of each.
	var users, actions []string
	var five []*uuid.UUID
	for i := range 5 {
		u := synthetic.UserID(i)
		five = append(five, &u)
		users, actions = append(users, synthetic.UserID(i).String()), append(actions, synthetic.Action(i))
	}
	deny, id, name := audit.Deny, synthetic.UserID(0), ""
	const ranges = 10
	var los, his []string
	for i := range ranges {
		los, his = append(los, fmt.Sprint(i*5_500+301)), append(his, fmt.Sprint((i+1)*5_500+300))
	}
	list := func(of []string) string { return "'{" + strings.Join(of, ", ") + "}'" }
	for _, f := range []audit.Filter{
		{UserID: &id}, {UserID: &id, Decision: &deny}, {Action: &name}, {UserID: &id, Action: &name},
	} {
		us, as := users, actions
		if f.UserID == nil {
			us = slices.Repeat([]string{uuid.Nil.String()}, 5)
		}
		if f.Action == nil {
			as = slices.Repeat([]string{`""`}, 5)
		}
		read(db.TallySQL(f), "uuid[], text[], bigint[], bigint[], bigint, bigint",
			strings.Join([]string{list(us), list(as), list(los), list(his), los[0], his[ranges-1]}, ", "), 5*(ranges+1)*block)
		for _, oldest := range []bool{false, true} {
			several := f // five keys: of each user, or of each action
			if f.Action == nil {
				several.UserID, several.UserIDIn = nil, five
			} else {
				several.Action, several.ActionIn = nil, actions
			}
			sql, args, err := d.Next(t.Context(), several, 301, 55_300, 50, oldest)
			if err != nil {
				t.Fatal(err)
			}
			if n := entriesRead(t, texts(t, c, explained+sql, args...), 0); n > 5*(3*block+51) || n == 0 {
				t.Errorf("%d entries read of several keys", n)
			}
		}
	}
	read(db.TallySQL(audit.Filter{}), "uuid[], text[], bigint[], bigint[], bigint, bigint",
		fmt.Sprintf("'{00000000-0000-0000-0000-000000000000}', '{\"\"}', %s, %s, %s, %s", list(los), list(his), los[0], his[ranges-1]), (ranges+1)*block)

	// One entry of each partition for each value and decision.
	distinctUsers, distinctActions := db.DistinctSQL()
	read(distinctUsers, "int", "1000", 2*5*(synthetic.Users+1))
	read(distinctActions, "int", "1000", 2*5*(synthetic.Actions()+1))
}

// read is how many entries of the log a plan has read.
func (p plan) read() (n int) {
	if strings.HasPrefix(p.Table, "audit_log_") {
		n = (p.Rows + p.Filtered + p.Rechecked) * p.Loops
	}
	for _, q := range p.Plans {
		n += q.read()
	}
	return n
}
