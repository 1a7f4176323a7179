package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"halite/internal/fault"
	"halite/internal/guard"
)

// streams are the program's, so that tests can bring their own.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// cli is the command line.
type cli struct {
	common

	Serve   struct{}   `cmd:"" default:"1" help:"Serve the log (the default)."`
	Migrate migrateCmd `cmd:"" help:"Bring the database's schema up to date, or take it away."`
	Rank    struct {
		Rebuild rankRebuildCmd `cmd:"" help:"Empty the rank index and build it anew, beside a running server or without one."`
	} `cmd:"" help:"The index behind totals and offsets."`
	Import     importCmd `cmd:"" help:"Begin an empty log with the entries of another: a database of Halite, or NDJSON. Run again, it goes on where it ended."`
	Export     exportCmd `cmd:"" help:"Write the log, or a range of it, to a file: every column, oldest first, with a footer."`
	Verify     verifyCmd `cmd:"" help:"Check a server, or an export, against the tree of the log. The exit status is 3 if something is wrong with it."`
	Checkpoint struct {
		Key  checkpointKeyCmd  `cmd:"" help:"Make a key that signs checkpoints."`
		Show checkpointShowCmd `cmd:"" help:"Show the latest checkpoint."`
	} `cmd:"" help:"What the log says of itself, signed: its size and its root."`
	Generate generateCmd `cmd:"" help:"Fill an empty log with made-up rows, for measurements."`
	User     struct {
		Add    userAddCmd    `cmd:"" help:"Add a user."`
		List   userListCmd   `cmd:"" help:"List the users, with their roles and their last sign-in."`
		Passwd userPasswdCmd `cmd:"" help:"Set a user's password and end the user's sessions."`
	} `cmd:"" help:"Users, at the command line. Each command leaves its row in the log."`
	Settings struct {
		Salt settingsSaltCmd `cmd:"" help:"Set how the Salt master is reached; only what is given changes."`
	} `cmd:"" help:"Settings, at the command line. Each change leaves its row in the log."`
	Archive struct {
		Verify archiveVerifyCmd `cmd:"" help:"Read an archive and hold it against its manifest, line by line."`
	} `cmd:"" help:"What was archived before it was dropped from the log."`
	Version struct{} `cmd:"" help:"Print the version."`
	Help    struct{} `cmd:"" help:"Print this help."`
}

// run is the program. It returns the exit status: 0, 1 for a failure, 2 for a bad
// command line or configuration, 3 for a log that does not verify.
func run(ctx context.Context, args []string, io streams) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c, kong.Name("halite"),
		kong.Description("The audit log of a control plane: every decision recorded, served through GraphQL, REST and in the browser."),
		kong.Writers(io.out, io.err), kong.Exit(func(code int) { exited = code }), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 110}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "serving", Title: "Serving:"},
			{Key: "database", Title: "Database:"},
			{Key: "sessions", Title: "Sessions and the first user:"},
			{Key: "log", Title: "What is logged:"},
		}))
	if err != nil {
		return fail(io, 2, err)
	}
	k, err := parser.Parse(args)
	switch {
	case exited >= 0: // --help
		return exited
	case err != nil:
		return fail(io, 2, err)
	}
	switch k.Command() {
	case "serve":
		err = serve(ctx, &c.common, io)
	case "migrate", "migrate <direction>":
		err = c.Migrate.run(ctx, &c.common, io)
	case "rank rebuild":
		err = c.Rank.Rebuild.run(ctx, &c.common, io)
	case "import <source>":
		err = c.Import.run(ctx, &c.common, io)
	case "export":
		err = c.Export.run(ctx, &c.common, io)
	case "verify <source>":
		err = c.Verify.run(ctx, io)
	case "checkpoint key <name>":
		err = c.Checkpoint.Key.run(ctx, &c.common, io)
	case "checkpoint show":
		err = c.Checkpoint.Show.run(ctx, &c.common, io)
	case "generate":
		err = c.Generate.run(ctx, &c.common, io)
	case "user add <name>":
		err = c.User.Add.run(ctx, &c.common, io)
	case "user list":
		err = c.User.List.run(ctx, &c.common, io)
	case "user passwd <name>":
		err = c.User.Passwd.run(ctx, &c.common, io)
	case "settings salt":
		err = c.Settings.Salt.run(ctx, &c.common, io)
	case "archive verify <file>":
		err = c.Archive.Verify.run(ctx, io)
	case "version":
		_, err = fmt.Fprintln(io.out, version())
	case "help":
		k, err = parser.Parse([]string{"--help"})
		_ = k
		if exited == 0 {
			return 0
		}
	}
	if p, ok := errors.AsType[errProblem](err); ok {
		return fail(io, 3, p)
	}
	if err != nil {
		return fail(io, 1, err)
	}
	return 0
}

func fail(io streams, code int, err error) int {
	_, _ = fmt.Fprintln(io.err, "halite:", err)
	return code
}

// withCore runs fn as whoever runs the command.
func withCore(ctx context.Context, c *common, io streams, fn func(context.Context, *core) error) error {
	logger := c.logger(io.err)
	where, closePlace, err := c.attach(ctx, logger)
	if err != nil {
		return err
	}
	defer closePlace()
	k, closeCore, err := openCore(ctx, c, logger, where)
	if err != nil {
		return err
	}
	defer closeCore()
	if err := k.store.CheckImport(ctx); err != nil {
		return err
	}
	if err := k.console.SeedRoles(ctx); err != nil {
		return err
	}
	err = fn(guard.WithCaller(ctx, &guard.Caller{Name: "cli:" + osUser()}), k)
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Code != fault.Internal {
		return errors.New(f.Message)
	}
	return err
}

func osUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}

// version is the module's, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "commit " + s.Value[:min(12, len(s.Value))]
		}
	}
	return "development"
}
