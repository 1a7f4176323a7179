package main

import (
	"context"
	"errors"
	"fmt"

	"halite/internal/guard"
	"halite/internal/settings"
)

type settingsSaltCmd struct {
	URL           *string `name:"url" help:"Where salt-api is, such as https://salt.example.org:8000; empty disconnects."`
	Username      *string `help:"The account at salt-api."`
	EAuth         *string `name:"eauth" help:"The backend that checks the account: pam, sharedsecret, ldap, file, auto."`
	Verify        *bool   `negatable:"" help:"Check the TLS certificate."`
	AskPassword   bool    `help:"Ask for the account's password at the terminal."`
	PasswordStdin bool    `help:"Read the account's password from standard input."`
}

// run changes the settings on behalf of whoever runs the command: that is the
// permission, and the row says so.
func (cmd settingsSaltCmd) run(ctx context.Context, c *common, io streams) error {
	patch, args, err := cmd.patch(io)
	if err != nil {
		return err
	}
	return withCore(ctx, c, io, func(ctx context.Context, k *core) error {
		var now settings.Salt
		err := k.guard.Do(ctx, guard.Action{
			Name: "settings.salt.update", Resource: "settings:salt", Effect: guard.Change, Anonymous: true,
			Args: args, Judge: guard.Allowed("command line"),
		}, func(ctx context.Context) (err error) {
			now, err = k.settings.Update(ctx, patch)
			return err
		})
		if err != nil {
			return err
		}
		if !now.Configured() {
			_, err = fmt.Fprintln(io.out, "Salt is not configured: url, username and password are needed")
			return err
		}
		_, err = fmt.Fprintf(io.out, "Salt is reached at %s as %s (%s)\n", now.URL, now.Username, now.EAuth)
		return err
	})
}

// patch is what was given, and the arguments that are recorded of it.
func (cmd settingsSaltCmd) patch(io streams) (settings.Patch, map[string]any, error) {
	p := settings.Patch{URL: cmd.URL, Username: cmd.Username, EAuth: cmd.EAuth, Verify: cmd.Verify}
	args := map[string]any{}
	for name, value := range map[string]*string{"url": p.URL, "username": p.Username, "eauth": p.EAuth} {
		if value != nil {
			args[name] = *value
		}
	}
	if p.Verify != nil {
		args["verify"] = *p.Verify
	}
	if cmd.AskPassword || cmd.PasswordStdin {
		password, err := passwordFlag{PasswordStdin: cmd.PasswordStdin}.read(io)
		if err != nil {
			return p, nil, err
		}
		p.Password, args["password"] = &password, password
	}
	if len(args) == 0 {
		return p, nil, errors.New("nothing is given to change: see halite settings salt --help")
	}
	return p, args, nil
}
