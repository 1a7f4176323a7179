package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"halite/internal/merkle"
)

type checkpointKeyCmd struct {
	Name string `arg:"" help:"The name of the log, its origin, such as example.org/halite: no white space, no plus sign. Another log needs another name."`
}

type checkpointShowCmd struct{}

// run makes a key. It alone goes to standard output.
func (cmd checkpointKeyCmd) run(_ context.Context, _ *common, io streams) error {
	secret, err := merkle.GenerateKey(rand.Reader, cmd.Name)
	if err != nil {
		return err
	}
	k, err := merkle.ParseKey(secret)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(io.out, secret); err != nil {
		return err
	}
	_, err = fmt.Fprintf(io.err, "The line on standard output is CHECKPOINT_KEY, a secret.\nThe verifier, for everybody:\n%s\n", k.VerifierText())
	return err
}

// run shows the latest checkpoint as it was signed, and what its signatures are checked
// with.
func (checkpointShowCmd) run(ctx context.Context, c *common, io streams) error {
	return withCore(ctx, c, io, func(ctx context.Context, k *core) error {
		f, err := k.store.Facts(ctx)
		if err != nil {
			return err
		}
		if f.Signed == nil {
			return errors.New("nothing was signed yet")
		}
		if _, err := io.out.Write(f.Signed); err != nil {
			return err
		}
		for _, key := range k.signing {
			if _, err := fmt.Fprintf(io.err, "The verifier: %s\n", key.VerifierText()); err != nil {
				return err
			}
		}
		return nil
	})
}
