package db

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"halite/internal/auth"
	"halite/internal/policy"
)

type sessionRow struct {
	bun.BaseModel `bun:"table:sessions"`

	IDHash    []byte    `bun:"id_hash,pk"`
	UserID    uuid.UUID `bun:"user_id"`
	UserAgent string    `bun:"user_agent"`
	IP        string    `bun:"ip"`
}

// CreateSession implements auth.Store. The times are the database's.
func (d *DB) CreateSession(ctx context.Context, s auth.Session, ttl time.Duration) error {
	r := sessionRow{IDHash: s.IDHash, UserID: s.UserID, UserAgent: s.UserAgent, IP: s.IP}
	_, err := d.conn(ctx).NewInsert().Model(&r).
		Value("expires_at", "clock_timestamp() + ?::float8 * interval '1 second'", ttl.Seconds()).Exec(ctx)
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	return nil
}

// sessionSQL is asked by every request, and planning its joins takes several times what
// running it does: it is prepared.
const sessionSQL = `SELECT u.id, u.username, u.display_name, u.must_change_pw, s.last_seen_at < clock_timestamp() - interval '1 minute', r.name, p.verb, p.resource_glob
	FROM sessions AS s JOIN users AS u ON u.id = s.user_id
	LEFT JOIN user_roles AS ur ON ur.user_id = u.id LEFT JOIN roles AS r ON r.id = ur.role_id
	LEFT JOIN permissions AS p ON p.role_id = r.id
	WHERE s.id_hash = $1 AND s.expires_at > clock_timestamp() AND u.is_active
	ORDER BY r.name, p.verb, p.resource_glob`

// SessionPrincipal implements auth.Store.
func (d *DB) SessionPrincipal(ctx context.Context, idHash []byte) (*policy.Principal, error) {
	p, stale := &policy.Principal{Active: true}, false
	err := d.each(ctx, func(r row) error {
		var role, verb, glob *string
		if err := r.Scan(&p.UserID, &p.Username, &p.DisplayName, &p.MustChangePassword, &stale, &role, &verb, &glob); err != nil || role == nil {
			return err
		}
		if n := len(p.Roles); n == 0 || p.Roles[n-1].Name != *role {
			p.Roles = append(p.Roles, policy.Role{Name: *role})
		}
		if verb != nil {
			last := &p.Roles[len(p.Roles)-1]
			last.Permissions = append(last.Permissions, policy.Permission{Verb: *verb, ResourceGlob: *glob})
		}
		return nil
	}, sessionSQL, idHash)
	if err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	if p.UserID == uuid.Nil {
		return nil, auth.ErrNoSession
	}
	if stale { // at most one write a minute, and no reason to refuse the request if it fails
		_, err := d.conn(ctx).NewRaw(`UPDATE sessions SET last_seen_at = clock_timestamp()
			WHERE id_hash = ? AND last_seen_at < clock_timestamp() - interval '1 minute'`, idHash).Exec(ctx)
		if err != nil {
			d.logger.Warn("last_seen_at not written", "error", err)
		}
	}
	return p, nil
}

// EndSession implements auth.Store.
func (d *DB) EndSession(ctx context.Context, idHash []byte) error {
	if _, err := d.conn(ctx).NewDelete().Model((*sessionRow)(nil)).Where("id_hash = ?", idHash).Exec(ctx); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// EndSessions implements auth.Store.
func (d *DB) EndSessions(ctx context.Context, userID uuid.UUID, except []byte) error {
	q := d.conn(ctx).NewDelete().Model((*sessionRow)(nil)).Where("user_id = ?", userID)
	if except != nil {
		q = q.Where("id_hash <> ?", except)
	}
	if _, err := q.Exec(ctx); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

// PurgeSessions implements auth.Store.
func (d *DB) PurgeSessions(ctx context.Context) (int64, error) {
	// What a change holds is left for the next time: who waits for nobody is in no deadlock.
	ended := d.conn(ctx).NewSelect().Model((*sessionRow)(nil)).Column("id_hash").
		Where("expires_at <= clock_timestamp()").For("UPDATE SKIP LOCKED")
	res, err := d.conn(ctx).NewDelete().Model((*sessionRow)(nil)).Where("id_hash IN (?)", ended).Exec(ctx)
	if err != nil {
		return 0, fmt.Errorf("purge sessions: %w", err)
	}
	return res.RowsAffected()
}
