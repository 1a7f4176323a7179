package directory

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"halite/internal/auth"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/policy"
)

// The reasons in the rows: why it was allowed.
const (
	commandLine = "command line"
	firstStart  = "first start"
)

// Console changes the directory on behalf of whoever runs the server's own commands:
// that is the permission, and the row says so. Users and roles go by their names. It is
// safe for concurrent use.
type Console struct {
	service *Service
	guard   *guard.Guard
}

// NewConsole returns a console on s that asks g.
func NewConsole(s *Service, g *guard.Guard) *Console { return &Console{service: s, guard: g} }

// AddUser makes a user with one role. Errors: BadUserInput, Conflict if the name is
// taken, AuditUnavailable.
func (c *Console) AddUser(ctx context.Context, name, password, role string) error {
	return c.addUser(ctx, NewUser{Username: name, Password: password}, role, false, commandLine)
}

func (c *Console) addUser(ctx context.Context, n NewUser, role string, builtin bool, reason string) error {
	n.DisplayName = n.Username
	return c.guard.Do(ctx, guard.Action{
		Name: "user.create", Resource: "user:" + n.Username, Effect: guard.Change, Success: http.StatusCreated, Anonymous: true,
		Args:  map[string]any{"username": n.Username, "password": n.Password, "role": role, "must_change_pw": n.MustChangePassword},
		Judge: guard.Allowed(reason),
	}, func(ctx context.Context) error {
		roles, err := c.service.Roles(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(roles, func(r Role) bool { return r.Name == role })
		if i < 0 {
			return fault.Input("role", fmt.Sprintf("there is no role %q", role))
		}
		n.RoleIDs = []uuid.UUID{roles[i].ID}
		_, err = c.service.create(ctx, n, builtin)
		return err
	})
}

// ResetPassword sets a user's password and ends all his sessions. No change at the next
// sign-in is asked for. Errors: BadUserInput, NotFound, AuditUnavailable.
func (c *Console) ResetPassword(ctx context.Context, name, password string) error {
	return c.guard.Do(ctx, guard.Action{
		Name: "user.password_reset", Resource: "user:" + name, Effect: guard.Change, Success: http.StatusNoContent, Anonymous: true,
		Args:  map[string]any{"new_password": password, "must_change_pw": false},
		Judge: guard.Allowed(commandLine),
	}, func(ctx context.Context) error {
		return c.service.resetPassword(ctx, "password", password, false, func(ctx context.Context) (User, error) {
			u, err := c.service.store.UserNamed(ctx, name)
			if err == nil {
				guard.OutcomeOf(ctx).Resource = "user:" + u.Username
			}
			return u, err
		})
	})
}

// Users returns all users, by name whatever the case. Errors: AuditUnavailable.
func (c *Console) Users(ctx context.Context) (users []User, err error) {
	err = c.guard.Do(ctx, guard.Action{
		Name: "user.list", Resource: "user:*", Anonymous: true, Judge: guard.Allowed(commandLine),
	}, func(ctx context.Context) error {
		for {
			page, err := c.service.Users(ctx, maxPage, len(users))
			if users = append(users, page.Users...); err != nil || len(page.Users) < maxPage {
				return err
			}
		}
	})
	return users, err
}

// SeedRoles makes the built-in roles and heals the permissions that they lack.
func (c *Console) SeedRoles(ctx context.Context) error {
	return c.service.store.SeedRoles(ctx, policy.BuiltinRoles())
}

// Bootstrap seeds the built-in roles and, if there is no user at all, makes the first
// admin. An empty password stands for a random one that must be changed at the first
// sign-in: tell gets it before the user is made, and if it cannot pass it on, no user
// is made.
func (c *Console) Bootstrap(ctx context.Context, name, password string, tell func(password string) error) error {
	if err := c.SeedRoles(ctx); err != nil {
		return err
	}
	if any, err := c.service.store.AnyUser(ctx); err != nil || any {
		return err
	}
	n := NewUser{Username: name, Password: password}
	if password == "" {
		n.Password, n.MustChangePassword = auth.RandomPassword(), true
		if err := tell(n.Password); err != nil {
			return err
		}
	}
	err := c.addUser(guard.WithCaller(ctx, &guard.Caller{Name: "system"}), n, "admin", true, firstStart)
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Code == fault.Conflict {
		if password != "" {
			return nil // another server was first, with the password of the configuration
		}
		return fmt.Errorf("another server made the user %s at the same moment; the password told here is void: %w", name, err)
	}
	return err
}
