package fault

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStatuses(t *testing.T) {
	t.Parallel()
	want := map[Code]int{
		"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "NOT_FOUND": 404, "CONFLICT": 409, "BAD_USER_INPUT": 422, "RATE_LIMITED": 429,
		"INTERNAL_SERVER_ERROR": 500, "SALT_ERROR": 502, "SALT_UNAVAILABLE": 503, "AUDIT_UNAVAILABLE": 503,
		"NOT_SEALED": 409, "LOG_MISMATCH": 500,
	}
	if diff := cmp.Diff(want, statuses); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := Code("SOMETHING_ELSE").HTTPStatus(); got != 500 {
		t.Errorf("a code outside of the set is %d", got)
	}
}

func TestFrom(t *testing.T) {
	t.Parallel()
	if From(nil) != nil {
		t.Error("no error became one")
	}
	conflict := New(Conflict, "There is one")
	if From(fmt.Errorf("add: %w", errors.Join(errors.New("x"), conflict))) != conflict {
		t.Error("a wrapped error lost its code")
	}
	cause := errors.New(`relation "users" does not exist`)
	if got := From(cause); got.Code != Internal || got.Message != "Internal server error" || !errors.Is(got, cause) {
		t.Errorf("an unknown error became %+v", got)
	}
	if got := Input("limit", "should be from 1 to 500"); got.Code != BadUserInput || got.Message != "limit: should be from 1 to 500" || got.Field != "limit" {
		t.Errorf("bad input became %+v", got)
	}
}
