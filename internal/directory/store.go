package directory

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"halite/internal/policy"
)

// What a Store can say no with.
var (
	ErrNotFound = errors.New("no such user or role")
	ErrExists   = errors.New("the name is taken")
)

// Store keeps users, roles and permissions. Inside guard's Change its methods take part
// in the transaction that the context carries. *db.DB is one.
type Store interface {
	// LockDirectory makes changes wait for each other, over all servers on the
	// database, until the end of the transaction. It comes before everything else
	// that a change locks.
	LockDirectory(ctx context.Context) error

	// Users returns a page of all users, by name whatever the case.
	Users(ctx context.Context, limit, offset int) (UserPage, error)
	// User and UserNamed return ErrNotFound where there is none. In a transaction the
	// user stays locked until its end. UserNamed finds a user whatever the case.
	User(ctx context.Context, id uuid.UUID) (User, error)
	UserNamed(ctx context.Context, name string) (User, error)
	AnyUser(ctx context.Context) (bool, error)
	// AnyAdministrator reports whether an active user holds the pair `*` `*`.
	AnyAdministrator(ctx context.Context) (bool, error)
	// Principal is a user, active or not, as decisions see him at this moment, or
	// ErrNotFound.
	Principal(ctx context.Context, userID uuid.UUID) (*policy.Principal, error)

	// CreateUser makes a user with the ids in u.Roles for roles, or returns ErrExists
	// or, for a role, ErrNotFound.
	CreateUser(ctx context.Context, u User, passwordHash string) error
	// UpdateUser writes DisplayName, Email and Active.
	UpdateUser(ctx context.Context, u User) error
	SetPassword(ctx context.Context, id uuid.UUID, hash string, mustChange bool) error
	// EndSessions ends all sessions of a user but one; nil spares none.
	EndSessions(ctx context.Context, userID uuid.UUID, except []byte) error
	// DeleteUser takes the user's sessions with it.
	DeleteUser(ctx context.Context, id uuid.UUID) error
	AddUserRole(ctx context.Context, userID, roleID uuid.UUID) error
	RemoveUserRole(ctx context.Context, userID, roleID uuid.UUID) error

	// Roles returns all roles, by name.
	Roles(ctx context.Context) ([]Role, error)
	// Role returns ErrNotFound where there is none.
	Role(ctx context.Context, id uuid.UUID) (Role, error)
	// CreateRole makes a role without permissions, or returns ErrExists.
	CreateRole(ctx context.Context, r Role) error
	SetDescription(ctx context.Context, roleID uuid.UUID, description string) error
	// DeleteRole takes its permissions with it, and takes it from who has it.
	DeleteRole(ctx context.Context, id uuid.UUID) error
	// AddPermission returns ErrNotFound if there is no such role.
	AddPermission(ctx context.Context, roleID uuid.UUID, p Permission) error
	RemovePermission(ctx context.Context, id uuid.UUID) error
	// SeedRoles makes missing roles and gives each the permissions it lacks.
	SeedRoles(ctx context.Context, roles []policy.Role) error
}
