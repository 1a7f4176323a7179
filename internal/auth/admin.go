package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/policy"
)

// NewUser is what AddUser makes.
type NewUser struct {
	Username, Password string
	Role               string
	Builtin            bool
	MustChangePassword bool
}

// AddUser makes a user on behalf of whoever runs the server's own commands: that is
// the permission, and reason says so in the row.
func (s *Service) AddUser(ctx context.Context, u NewUser, reason string) error {
	var hash string
	return s.guard.Do(ctx, guard.Action{
		Name: "user.create", Resource: "user:" + u.Username, Effect: guard.Change, Success: http.StatusCreated, Anonymous: true,
		Args: map[string]any{"username": u.Username, "password": u.Password, "role": u.Role, "must_change_pw": u.MustChangePassword},
		Judge: func(ctx context.Context) (v policy.Verdict, err error) {
			hash, err = s.hasher.hash(ctx, u.Password)
			return policy.Verdict{Allowed: true, Reason: reason}, err
		},
	}, func(ctx context.Context) error {
		if n := utf8.RuneCountInString(u.Username); n < 1 || n > maxUsername || strings.ContainsRune(u.Username, 0) || !utf8.ValidString(u.Username) {
			return fault.Input("username", "should have 1 to 255 characters")
		}
		if bad := CheckPassword("password", u.Password); bad != nil {
			return bad
		}
		err := s.store.CreateUser(ctx, User{
			ID: uuid.New(), Username: u.Username, DisplayName: u.Username, PasswordHash: hash,
			Active: true, Builtin: u.Builtin, MustChangePassword: u.MustChangePassword,
		}, u.Role)
		switch {
		case errors.Is(err, ErrUserExists):
			return fault.New(fault.Conflict, "Username already exists")
		case errors.Is(err, ErrNoRole):
			return fault.Input("role", fmt.Sprintf("there is no role %q", u.Role))
		}
		return err
	})
}

// ResetPassword sets a user's password on behalf of whoever runs the server's own
// commands, and ends all his sessions. No change at the next sign-in is asked for.
func (s *Service) ResetPassword(ctx context.Context, name, password, reason string) error {
	var hash string
	return s.guard.Do(ctx, guard.Action{
		Name: "user.password_reset", Resource: "user:" + name, Effect: guard.Change, Success: http.StatusNoContent, Anonymous: true,
		Args: map[string]any{"new_password": password, "must_change_pw": false},
		Judge: func(ctx context.Context) (v policy.Verdict, err error) {
			hash, err = s.hasher.hash(ctx, password)
			return policy.Verdict{Allowed: true, Reason: reason}, err
		},
	}, func(ctx context.Context) error {
		if bad := CheckPassword("password", password); bad != nil {
			return bad
		}
		user, err := s.store.UserByName(ctx, name)
		if errors.Is(err, ErrNoUser) {
			return fault.New(fault.NotFound, "User not found")
		}
		if err != nil {
			return err
		}
		guard.OutcomeOf(ctx).Resource = "user:" + user.Username
		if err := s.store.SetPassword(ctx, user.ID, hash, false); err != nil {
			return err
		}
		return s.store.EndSessions(ctx, user.ID, nil)
	})
}

// SeedRoles makes the built-in roles and heals the permissions that they lack.
func (s *Service) SeedRoles(ctx context.Context) error {
	return s.store.SeedRoles(ctx, policy.BuiltinRoles())
}

// Bootstrap seeds the built-in roles and, if there is no user at all, makes the first
// admin. An empty password stands for a random one that must be changed at the first
// sign-in: tell gets it before the user is made, and if it cannot pass it on, no user
// is made.
func (s *Service) Bootstrap(ctx context.Context, name, password string, tell func(password string) error) error {
	if err := s.SeedRoles(ctx); err != nil {
		return err
	}
	if any, err := s.store.AnyUser(ctx); err != nil || any {
		return err
	}
	u := NewUser{Username: name, Password: password, Role: "admin", Builtin: true}
	if password == "" {
		u.Password, u.MustChangePassword = randomPassword(), true
		if err := tell(u.Password); err != nil {
			return err
		}
	}
	err := s.AddUser(guard.WithCaller(ctx, &guard.Caller{Name: "system"}), u, "first start")
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Code == fault.Conflict {
		if password != "" {
			return nil // another server was first, with the password of the configuration
		}
		return fmt.Errorf("another server made the user %s at the same moment; the password told here is void: %w", name, err)
	}
	return err
}

func foldName(name string) string { return strings.ToLower(name) }
