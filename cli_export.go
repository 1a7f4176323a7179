package main

import (
	"bufio"
	"context"
	"errors"
	"os"
	"time"

	"halite/internal/export"
	"halite/internal/guard"
	"halite/internal/proof"
)

type exportCmd struct {
	Since  time.Time `placeholder:"TIME" help:"Only entries from this time on, such as 2026-01-02T15:04:05Z."`
	Until  time.Time `placeholder:"TIME" help:"Only entries before this time."`
	Format string    `default:"ndjson" enum:"ndjson,csv" help:"ndjson or csv."`
	Output string    `short:"o" placeholder:"FILE" help:"Write to this file, which must not exist; unset: to standard output."`
}

// run exports, and leaves the rows of it: that somebody runs the command is the permission.
func (cmd exportCmd) run(ctx context.Context, c *common, io streams) error {
	return withCore(ctx, c, io, func(ctx context.Context, k *core) (err error) {
		out := io.out
		if cmd.Output != "" {
			file, err := os.OpenFile(cmd.Output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // the log is nobody's business
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, file.Sync(), file.Close()) }()
			out = file
		}
		r := export.Range{}
		filter := map[string]any{}
		for name, t := range map[string]time.Time{"since": cmd.Since, "until": cmd.Until} {
			if !t.IsZero() {
				filter[name] = t.UTC().Format(time.RFC3339Nano)
			}
		}
		if !cmd.Since.IsZero() {
			r.Filter.Since = &cmd.Since
		}
		if !cmd.Until.IsZero() {
			r.Filter.Until = &cmd.Until
		}
		args := map[string]any{"format": cmd.Format}
		if len(filter) > 0 {
			args["filter"] = filter
		}
		s, err := k.guard.Begin(ctx, guard.Action{
			Name: "audit.export", Resource: "audit:*", Args: args, Anonymous: true, Judge: guard.Allowed("command line"),
		}, func(ctx context.Context) (err error) {
			r.First, r.Last, err = k.store.Bounds(ctx, r.Filter)
			return err
		})
		if err != nil {
			return err
		}
		buffered := bufio.NewWriterSize(out, 1<<20)
		w := export.NewWriter(buffered, export.Format(cmd.Format))
		p := newProgress(io.err).of(max(r.Last-r.First+1, 0), 0)
		return s.Run(func(ctx context.Context) (int64, error) {
			missing, err := export.Copy(ctx, k.store, r, w, func() error { p.tell(w.Count()); return nil })
			p.clear()
			var proven *export.Proof
			if err == nil && cmd.Format == string(export.NDJSON) {
				proven, err = proof.Export(ctx, k.store, r, missing)
			}
			if err == nil {
				err = w.Close(export.Footer{FirstID: r.First, LastID: r.Last, Filter: filter, Missing: missing, At: time.Now(), Proof: proven})
			}
			if err == nil {
				err = buffered.Flush()
			}
			return w.Count(), err
		})
	})
}
