package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/mod/sumdb/note"

	"halite/internal/merkle"
	"halite/internal/verify"
)

type verifyCmd struct {
	Key        []string      `required:"" placeholder:"VERIFIER" env:"CHECKPOINT_VERIFIER" help:"The log's verifier key, as 'halite checkpoint key' or the server's start says it: NAME+HASH+KEY. May be given more than once."`
	State      string        `placeholder:"FILE" help:"Where the checkpoints that were seen of a server are kept; unset: in the user's state folder, by the name of the log."`
	Checkpoint string        `placeholder:"FILE" help:"For a file: a checkpoint that was kept, to hold it against: a signed note, or the file of --state."`
	User       string        `placeholder:"NAME" help:"Sign in to read the entries too, which needs 'export' on 'audit:*'. Unset: only the checkpoint and the tree are checked."`
	Watch      bool          `help:"Go on asking the server, and end when what it says does not agree with what it said before."`
	Every      time.Duration `default:"1m" help:"With --watch: how often."`
	Source     string        `arg:"" help:"The address of a server, or an export in NDJSON or an archive: a file, compressed (gzip, zstd) or not, or '-' for standard input."`
	passwordFlag
}

// errProblem is what a verification that failed ends with; its exit status is 3.
type errProblem struct{ *verify.Problem }

// Validate is called by the parser.
func (cmd *verifyCmd) Validate() error {
	switch {
	case cmd.online() && cmd.Checkpoint != "":
		return errors.New("--checkpoint is for a file; a server is held against --state")
	case !cmd.online() && (cmd.Watch || cmd.User != "" || cmd.State != ""):
		return errors.New("--watch, --user and --state are for a server")
	case cmd.Watch && cmd.User != "":
		return errors.New("--watch looks at the tree only: leave out --user")
	case cmd.Every < time.Second:
		return errors.New("--every must be 1s or more")
	}
	return nil
}

func (cmd *verifyCmd) online() bool {
	return strings.HasPrefix(cmd.Source, "http://") || strings.HasPrefix(cmd.Source, "https://")
}

// run verifies. It asks no database.
func (cmd *verifyCmd) run(ctx context.Context, io streams) error {
	var known []note.Verifier
	for _, k := range cmd.Key {
		v, err := note.NewVerifier(k)
		if err != nil {
			return fmt.Errorf("--key %s: not a verifier key", k)
		}
		known = append(known, v)
	}
	check := cmd.file
	if cmd.online() {
		check = cmd.server
	}
	err := check(ctx, io, known)
	if p, ok := errors.AsType[*verify.Problem](err); ok {
		return errProblem{p}
	}
	return err
}

func (cmd *verifyCmd) file(_ context.Context, io streams, known []note.Verifier) error {
	var seen *merkle.Checkpoint
	if cmd.Checkpoint != "" {
		var err error
		if seen, err = verify.ReadCheckpoint(cmd.Checkpoint, known); err != nil {
			return err
		}
	}
	in := io.in
	if cmd.Source != "-" {
		file, err := os.Open(cmd.Source)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	in, err := unzipped(in)
	if err != nil {
		return err
	}
	p := newProgress(io.err)
	report, err := verify.File(in, known, seen, p.tell)
	p.clear()
	if err != nil {
		return err
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(io.out, format+"\n", args...) }
	if report.Selected {
		say("%d entries that a filter selected from the ids %d to %d: the file is as it was written", report.Entries, report.First, report.Last)
	} else {
		say("%d entries, all from %d to %d: the file is as it was written", report.Entries, report.First, report.Last)
	}
	if report.Proven == 0 {
		return errors.New("not proven: the export holds no proof that its entries are the log's")
	}
	say("proven to be in %s", wordCheckpoint(report.Checkpoint))
	switch {
	case report.Seen != nil:
		say("which has grown from %s", wordCheckpoint(*report.Seen))
	case seen != nil:
		return fmt.Errorf("not held against %s: its end is not among the entries. Verify the server, or export more", wordCheckpoint(*seen))
	}
	return nil
}

// unzipped is in without its compression.
func unzipped(in io.Reader) (io.Reader, error) {
	b := bufio.NewReader(in)
	magic, _ := b.Peek(4)
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(b)
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(b, zstd.WithDecoderMaxWindow(32<<20), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return b, nil
}

func wordCheckpoint(c merkle.Checkpoint) string {
	return fmt.Sprintf("the log %s at the size %d, root %v", c.Origin, c.N, c.Hash)
}

func (cmd *verifyCmd) server(ctx context.Context, io streams, known []note.Verifier) error {
	path := cmd.State
	if path == "" {
		dir, err := stateDir()
		if err != nil {
			return fmt.Errorf("%w: give --state", err)
		}
		path = filepath.Join(dir, "halite", "seen-"+strings.NewReplacer("/", "_", ":", "_").Replace(known[0].Name())+".ndjson")
	}
	memory, err := verify.OpenMemory(path, known)
	if err != nil {
		return err
	}
	client, err := verify.NewClient(cmd.Source)
	if err != nil {
		return err
	}
	first := memory.Last() == nil
	look := func() (merkle.Checkpoint, error) {
		signed, cp, err := client.Verified(ctx, known, memory.Last())
		if err != nil {
			return cp, err
		}
		return cp, memory.Keep(signed, cp, time.Now())
	}
	if cmd.Watch {
		return cmd.watch(ctx, io, look)
	}
	cp, err := look()
	if err != nil {
		return err
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(io.out, format+"\n", args...) }
	say("%s", wordCheckpoint(cp))
	if first {
		say("seen for the first time, and kept in %s", path)
	} else {
		say("which has grown from what was seen before, in %s", path)
	}
	if cmd.User == "" {
		say("the entries were not looked at: --user reads them")
		return nil
	}
	password, err := cmd.read(io)
	if err != nil {
		return err
	}
	if err := client.SignIn(ctx, cmd.User, password); err != nil {
		return err
	}
	p := newProgress(io.err).of(cp.N, 0)
	report, err := client.Entries(ctx, cp, p.tell)
	p.clear()
	if err := errors.Join(err, client.SignOut(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	say("%d entries, all from %d to %d; %d of them are in the log at that size", report.Entries, report.First, report.Last, report.Proven)
	if report.Gone > 0 {
		say("the entries up to %d were dropped by the retention, as the log tells", report.Gone)
	}
	return nil
}

// watch looks again and again until something is wrong, or the program is told to end.
// That a server cannot be reached is said, and no reason to end.
func (cmd *verifyCmd) watch(ctx context.Context, io streams, look func() (merkle.Checkpoint, error)) error {
	tick := time.NewTicker(cmd.Every)
	defer tick.Stop()
	for last := int64(-1); ; {
		cp, err := look()
		now := time.Now().UTC().Format(time.RFC3339)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && cp.N != last:
			_, _ = fmt.Fprintf(io.out, "%s %s: grown from what was seen before\n", now, wordCheckpoint(cp))
			last = cp.N
		case err != nil:
			if _, ok := errors.AsType[*verify.Problem](err); ok {
				return err
			}
			_, _ = fmt.Fprintf(io.err, "%s not checked: %v\n", now, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// stateDir is where programs keep what outlives them, as the XDG base directories have it.
func stateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "state"), err
}
