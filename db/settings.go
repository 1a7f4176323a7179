package db

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"halite/internal/settings"
)

var _ settings.Store = (*DB)(nil)

type settingsRow struct {
	bun.BaseModel `bun:"table:settings"`

	Revision     int64     `bun:"revision"`
	UpdatedAt    time.Time `bun:"updated_at,nullzero"`
	SaltURL      string    `bun:"salt_url"`
	SaltUsername string    `bun:"salt_username"`
	SaltPassword string    `bun:"salt_password"`
	SaltVerify   bool      `bun:"salt_verify"`
	SaltEAuth    string    `bun:"salt_eauth"`
}

// SaltSettings implements settings.Store.
func (d *DB) SaltSettings(ctx context.Context) (settings.Stored, error) {
	var r settingsRow
	q := d.conn(ctx).NewSelect().Model(&r)
	if _, inTx := ctx.Value(txKey{}).(bun.IDB); inTx {
		q = q.For("UPDATE")
	}
	if err := q.Scan(ctx); err != nil {
		return settings.Stored{}, fmt.Errorf("read settings: %w", err)
	}
	return settings.Stored{
		Revision: r.Revision, UpdatedAt: r.UpdatedAt.UTC(), URL: r.SaltURL, Username: r.SaltUsername,
		SealedPassword: r.SaltPassword, Verify: r.SaltVerify, EAuth: r.SaltEAuth,
	}, nil
}

// SetSaltSettings implements settings.Store.
func (d *DB) SetSaltSettings(ctx context.Context, s settings.Stored) (settings.Stored, error) {
	var r settingsRow
	err := d.conn(ctx).NewUpdate().Model(&r).Set("salt_url = ?", s.URL).Set("salt_username = ?", s.Username).
		Set("salt_password = ?", s.SealedPassword).Set("salt_verify = ?", s.Verify).Set("salt_eauth = ?", s.EAuth).
		Set("revision = revision + 1").Set("updated_at = clock_timestamp()").Where("singleton").
		Returning("revision, updated_at").Scan(ctx)
	if err != nil {
		return s, fmt.Errorf("write settings: %w", err)
	}
	s.Revision, s.UpdatedAt = r.Revision, r.UpdatedAt.UTC()
	return s, nil
}

// ReplaceSaltPassword implements settings.Store.
func (d *DB) ReplaceSaltPassword(ctx context.Context, old, sealed string) error {
	_, err := d.conn(ctx).NewUpdate().Model((*settingsRow)(nil)).Set("salt_password = ?", sealed).
		Where("salt_password = ?", old).Exec(ctx)
	if err != nil {
		return fmt.Errorf("replace the sealed password: %w", err)
	}
	return nil
}
