package main

import (
	"context"
	"fmt"
	"time"

	"halite/internal/retention"
)

type archiveVerifyCmd struct {
	File string `arg:"" help:"The archive, a .ndjson.zst file. Its manifest lies beside it."`
}

// run needs no database: an archive is verified by itself.
func (cmd archiveVerifyCmd) run(ctx context.Context, io streams) error {
	m, err := retention.Verify(ctx, cmd.File)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(io.out, "%s is whole: %d entries, %d to %d, from %s to %s\n", cmd.File, m.Count, m.FirstID, m.LastID,
		m.FirstAt.Format(time.RFC3339), m.LastAt.Format(time.RFC3339))
	return err
}
