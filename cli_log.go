package main

import (
	"context"
	"errors"
	"fmt"

	"halite/db"
)

type migrateCmd struct {
	Direction string `arg:"" optional:"" enum:"up,down" default:"up" help:"up, or down: refused while the log has rows."`
}

type rankRebuildCmd struct{}

type generateCmd struct {
	Rows   int64  `required:"" help:"How many rows to make up."`
	Seed   uint64 `default:"1" help:"The same seed makes the same rows, but for their times."`
	Months int    `default:"12" help:"Over how many months up to now they are spread."`
}

// Validate is called by kong.
func (g *generateCmd) Validate() error {
	if g.Rows < 1 {
		return errors.New("--rows must be 1 or more")
	}
	if g.Months < 1 || g.Months > 1200 {
		return errors.New("--months must be from 1 to 1200")
	}
	return nil
}

func (m migrateCmd) run(ctx context.Context, c *common, io streams) error {
	return withOwner(ctx, c, io, func(store *db.DB) (err error) {
		if m.Direction == "down" {
			err = store.MigrateDown(ctx)
		} else {
			err = store.Migrate(ctx)
		}
		if err == nil {
			_, _ = fmt.Fprintln(io.out, "the schema is", map[string]string{"up": "up to date", "down": "gone"}[m.Direction])
		}
		return err
	})
}

func (g generateCmd) run(ctx context.Context, c *common, io streams) error {
	return withOwner(ctx, c, io, func(store *db.DB) error {
		if err := store.Migrate(ctx); err != nil {
			return err
		}
		p := newProgress(io.err)
		err := store.Generate(ctx, db.Generation{Rows: g.Rows, Seed: g.Seed, Months: g.Months, Progress: p.tell})
		p.clear()
		if err == nil {
			_, _ = fmt.Fprintln(io.out, "made up", p)
		}
		return err
	})
}

func (rankRebuildCmd) run(ctx context.Context, c *common, io streams) error {
	return withOwner(ctx, c, io, func(store *db.DB) error {
		p := newProgress(io.err)
		err := store.RebuildRank(ctx, p.tell)
		p.clear()
		if err == nil {
			_, _ = fmt.Fprintln(io.out, "the rank index covers", p)
		}
		return err
	})
}

// withOwner runs fn on the database as its owner, beside a running server or without.
func withOwner(ctx context.Context, c *common, io streams, fn func(*db.DB) error) error {
	logger := c.logger(io.err)
	where, closePlace, err := c.attach(ctx, logger)
	if err != nil {
		return err
	}
	defer closePlace()
	store, err := db.OpenOwner(ctx, c.database(where, logger))
	if err != nil {
		return err
	}
	defer store.Close()
	return fn(store)
}
