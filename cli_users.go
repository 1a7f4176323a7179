package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"

	"halite/internal/directory"
)

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
