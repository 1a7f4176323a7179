package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"halite/db"
	"halite/internal/directory"
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
	Import   importCmd   `cmd:"" help:"Begin an empty log with the entries of another: a database of Halite, or NDJSON. Run again, it goes on where it ended."`
	Generate generateCmd `cmd:"" help:"Fill an empty log with made-up rows, for measurements."`
	User     struct {
		Add    userAddCmd    `cmd:"" help:"Add a user."`
		List   userListCmd   `cmd:"" help:"List the users, with their roles and their last sign-in."`
		Passwd userPasswdCmd `cmd:"" help:"Set a user's password and end the user's sessions."`
	} `cmd:"" help:"Users, at the command line. Each command leaves its row in the log."`
	Settings struct {
		Salt settingsSaltCmd `cmd:"" help:"Set how the Salt master is reached; only what is given changes."`
	} `cmd:"" help:"Settings, at the command line. Each change leaves its row in the log."`
	Version struct{} `cmd:"" help:"Print the version."`
	Help    struct{} `cmd:"" help:"Print this help."`
}

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

type userAddCmd struct {
	Name string `arg:"" help:"Name of the user, 1 to 255 characters."`
	Role string `required:"" help:"Role to give, such as admin, operator or viewer."`
	passwordFlag
}

type userListCmd struct{}

type userPasswdCmd struct {
	Name string `arg:"" help:"Name of the user."`
	passwordFlag
}

type passwordFlag struct {
	PasswordStdin bool `help:"Read the password from standard input instead of the terminal."`
}

// run is the program. It returns the exit status: 0, 1 for a failure, 2 for a bad
// command line or configuration.
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
	case "version":
		_, err = fmt.Fprintln(io.out, version())
	case "help":
		k, err = parser.Parse([]string{"--help"})
		_ = k
		if exited == 0 {
			return 0
		}
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
	store, err := db.OpenOwner(ctx, db.Config{URL: where.databaseURL, Logger: logger})
	if err != nil {
		return err
	}
	defer store.Close()
	return fn(store)
}

func (u userAddCmd) run(ctx context.Context, c *common, io streams) error {
	return withPassword(ctx, c, io, u.passwordFlag, func(ctx context.Context, console *directory.Console, password string) error {
		if err := console.AddUser(ctx, u.Name, password, u.Role); err != nil {
			return err
		}
		_, err := fmt.Fprintf(io.out, "user %s added with role %s\n", u.Name, u.Role)
		return err
	})
}

func (userListCmd) run(ctx context.Context, c *common, io streams) error {
	return withCore(ctx, c, io, func(ctx context.Context, k *core) error {
		users, err := k.console.Users(ctx)
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(table, "NAME\tACTIVE\tROLES\tLAST SIGN-IN")
		for _, u := range users {
			_, _ = fmt.Fprintln(table, userLine(u))
		}
		return table.Flush()
	})
}

func userLine(u directory.User) string {
	active, signedIn := "yes", "never"
	if !u.Active {
		active = "no"
	}
	if u.LastSignIn != nil {
		signedIn = u.LastSignIn.Format(time.RFC3339)
	}
	var roles []string
	for _, r := range u.Roles {
		roles = append(roles, plain(r.Name))
	}
	return strings.Join([]string{plain(u.Username), active, cmp.Or(strings.Join(roles, ","), "-"), signedIn}, "\t")
}

// plain keeps a name from doing something to the table or the terminal.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, name)
}

func (u userPasswdCmd) run(ctx context.Context, c *common, io streams) error {
	return withPassword(ctx, c, io, u.passwordFlag, func(ctx context.Context, console *directory.Console, password string) error {
		if err := console.ResetPassword(ctx, u.Name, password); err != nil {
			return err
		}
		_, err := fmt.Fprintf(io.out, "password of %s set; the user's sessions have ended\n", u.Name)
		return err
	})
}

// withPassword asks for a password and runs fn as withCore does.
func withPassword(ctx context.Context, c *common, io streams, from passwordFlag, fn func(context.Context, *directory.Console, string) error) error {
	password, err := from.read(io)
	if err != nil {
		return err
	}
	return withCore(ctx, c, io, func(ctx context.Context, k *core) error { return fn(ctx, k.console, password) })
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

// read asks for the password twice at a terminal, or takes standard input but for one
// newline at its end.
func (p passwordFlag) read(io streams) (string, error) {
	file, isFile := io.in.(*os.File)
	if p.PasswordStdin {
		return readAll(io.in)
	}
	if !isFile || !term.IsTerminal(int(file.Fd())) {
		return "", errors.New("there is no terminal to ask for the password at; use --password-stdin")
	}
	var got [2]string
	for i, prompt := range []string{"Password: ", "Once more: "} {
		_, _ = fmt.Fprint(io.err, prompt)
		b, err := term.ReadPassword(int(file.Fd()))
		_, _ = fmt.Fprintln(io.err)
		if err != nil {
			return "", err
		}
		got[i] = string(b)
	}
	if got[0] != got[1] {
		return "", errors.New("the two passwords differ")
	}
	return got[0], nil
}

func readAll(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(bufio.NewReader(r), 64<<10))
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), err
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
