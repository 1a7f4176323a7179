package db_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"halite/internal/auth"
	"halite/internal/directory"
	"halite/internal/pgtest"
)

// TestUsers: names are unique whatever the case, and a user needs a role that exists.
func TestUsers(t *testing.T) {
	t.Parallel()
	d := pgtest.Open(t)
	if there, err := d.AnyUser(t.Context()); there || err != nil {
		t.Errorf("at first: %v, %v", there, err)
	}
	id := newUser(t, d, "Ärger", "s")
	if there, err := d.AnyUser(t.Context()); !there || err != nil {
		t.Errorf("then: %v, %v", there, err)
	}
	if err := d.CreateUser(t.Context(), directory.User{ID: uuid.New(), Username: "äRGER"}, "none"); !errors.Is(err, directory.ErrExists) {
		t.Errorf("the name in another case: %v", err)
	}
	nowhere := []directory.RoleRef{{ID: uuid.New()}}
	if err := d.CreateUser(t.Context(), directory.User{ID: uuid.New(), Username: "bob", Roles: nowhere}, "none"); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("a role that is none: %v", err)
	}
	if err := d.SetPassword(t.Context(), id, "changed", false); err != nil {
		t.Fatal(err)
	}
	want := auth.User{ID: id, Username: "Ärger", PasswordHash: "changed", Active: true}
	if got, err := d.UserByName(t.Context(), "ÄRGER"); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for _, name := range []string{"", "nobody", "\x00", "\xff", "Ärger\x00", "%"} {
		if got, err := d.UserByName(t.Context(), name); !errors.Is(err, auth.ErrNoUser) {
			t.Errorf("%q: %+v, %v", name, got, err)
		}
	}
}
