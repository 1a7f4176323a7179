package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"halite/db"
	"halite/internal/guard"
	"halite/internal/intake"
)

type importCmd struct {
	Source string `arg:"" help:"A postgres:// URL, an SQLite file (a path or a sqlite: URL), an NDJSON file, or - for NDJSON on standard input."`
	Reject string `placeholder:"FILE" help:"Put the rows of which no entry can be made into this file, and go on without them. Unset: the first one ends the import before anything is written."`
}

// imported is what an import came to, for its row and for whoever ran it.
type imported struct {
	intake.Summary
	source   string
	entries  int64 // in the log, with the ids 1 and up
	repeated int64
	complete bool // else a row of somebody else got in between
}

// run imports, and leaves a row that says so: behind what was imported, in the
// transaction that opens the log to others. That somebody runs the command is the
// permission. What can be gone on with later leaves none yet: nothing could be put
// behind it.
func (cmd importCmd) run(ctx context.Context, c *common, io streams) error {
	logger := c.logger(io.err)
	where, closePlace, err := c.attach(ctx, logger)
	if err != nil {
		return err
	}
	defer closePlace()
	done, err := cmd.importInto(ctx, c.database(where, logger), io)
	if err != nil && !errors.Is(err, db.ErrOvertaken) {
		return err
	}
	k, closeCore, cerr := openCore(ctx, c, logger, where)
	if cerr != nil {
		return errors.Join(err, cerr)
	}
	defer closeCore()
	if gerr := done.record(ctx, k); gerr != nil || err != nil {
		return errors.Join(err, gerr)
	}
	_, err = fmt.Fprint(io.out, done)
	return err
}

// importInto reads the source and writes what the log does not hold yet.
func (cmd importCmd) importInto(ctx context.Context, cfg db.Config, io streams) (*imported, error) {
	store, err := db.OpenOwner(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	if err := store.Migrate(ctx); err != nil {
		return nil, err
	}
	into, err := store.BeginImport(ctx)
	if into == nil {
		return nil, err
	}
	defer into.Close()
	done := &imported{source: into.Source(), entries: into.Imported()}
	if err != nil {
		return done, err
	}
	entries, err := cmd.read(ctx, into, io)
	if err != nil {
		return nil, err
	}
	defer entries.Close()
	done.source = into.Source()
	p := newProgress(io.err).of(entries.Taken, into.Imported())
	err = intake.Write(ctx, entries, into, p.tell)
	p.clear()
	done.Summary, done.entries, done.repeated = entries.Summary, into.Imported(), entries.Repeated
	switch {
	case errors.Is(err, db.ErrOvertaken):
		return done, fmt.Errorf("%w (%d entries of %d are in the log)", err, into.Imported(), entries.Taken)
	case err != nil:
		return nil, fmt.Errorf("%w; %d entries of %d are in the log: run the same command again to go on", err, into.Imported(), entries.Taken)
	}
	done.complete = true
	return done, into.Tidy(ctx)
}

// read reads the whole source, before anything is written.
func (cmd importCmd) read(ctx context.Context, into *db.Import, io streams) (_ *intake.Sorted, err error) {
	source, err := intake.Open(ctx, cmd.Source, io.in)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	o := intake.Options{Now: into.Now()}
	if cmd.Reject != "" {
		file, err := os.OpenFile(cmd.Reject, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // there may be secrets in it
		if err != nil {
			return nil, err
		}
		w := bufio.NewWriter(file)
		defer func() { err = errors.Join(err, w.Flush(), file.Sync(), file.Close()) }()
		o.Reject = w
	}
	p := newProgress(io.err)
	o.Progress = p.tell
	entries, err := intake.Read(ctx, source, o)
	p.clear()
	if bad, ok := errors.AsType[*intake.BadRow](err); ok && into.Imported() == 0 {
		return nil, fmt.Errorf("%w; nothing was written. Mend it, or go on without such rows: --reject FILE", bad)
	}
	if err != nil {
		return nil, err
	}
	if entries.Taken == 0 {
		err = fmt.Errorf("%s holds no entries (%d rows, %d of them rejected)", source.Name, entries.Read, entries.Rejected)
	} else {
		err = into.From(source.Name, entries.Digest)
	}
	if err != nil {
		entries.Close()
		return nil, err
	}
	return entries, nil
}

// record leaves the row of the import, and opens the log to others.
func (d *imported) record(ctx context.Context, k *core) error {
	code := http.StatusOK
	if !d.complete {
		code = http.StatusConflict
	}
	ctx = guard.WithCaller(ctx, &guard.Caller{Name: "cli:" + osUser()})
	return k.guard.Do(ctx, guard.Action{
		Name: "audit.import", Resource: "audit:*", Effect: guard.Change, Anonymous: true, Success: code,
		Args: d.args(), Judge: guard.Allowed("command line"),
	}, k.store.FinishImport)
}

func (d *imported) args() map[string]any {
	args := map[string]any{
		"source": d.source, "complete": d.complete, "entries": d.entries, "first_id": min(1, d.entries), "last_id": d.entries,
	}
	if d.Read > 0 {
		args["first_at"], args["last_at"] = d.First.Format(time.RFC3339Nano), d.Last.Format(time.RFC3339Nano)
		args["rows"], args["rejected"], args["repeated"] = d.Read, d.Rejected, d.repeated
		args["altered"], args["redacted"] = d.Altered, d.Redacted
		args["sha256"] = fmt.Sprintf("%x", d.Digest)
	}
	return args
}

func (d *imported) String() string {
	return fmt.Sprintf(`imported %d entries, from %s to %s, as the ids 1 to %d
%d rows were read; %d were rejected, %d left out as repeated
%d entries had values cut or replaced to be storable, in %d a secret was redacted
`, d.entries, d.First.Format(time.RFC3339), d.Last.Format(time.RFC3339), d.entries, d.Read, d.Rejected, d.repeated, d.Altered, d.Redacted)
}
