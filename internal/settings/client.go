package settings

import (
	"context"

	"halite/internal/fault"
	"halite/internal/salt"
)

// Client returns a client for the settings of this moment. It is kept for as long as
// they do not change. SaltUnavailable says that there are none, or that the password
// cannot be read.
func (s *Service) Client(ctx context.Context) (*salt.Client, error) {
	stored, err := s.store.SaltSettings(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil && s.revision >= stored.Revision { // greater: another caller has read later than we
		return s.client, nil
	}
	if s.client != nil {
		go s.client.Close() // it waits for a login under way
		s.client = nil
	}
	if !stored.shown().Configured() {
		return nil, fault.New(fault.SaltUnavailable, "Salt is not configured: the settings need url, username and password")
	}
	password, err := s.password(stored)
	if err != nil {
		return nil, err
	}
	s.client, s.revision = salt.New(stored.connection(password), s.logger), stored.Revision
	return s.client, nil
}

// Test tries a connection that is not stored. All of c but the password must be given.
// Errors: BadUserInput; a connection that fails is a result.
func (s *Service) Test(ctx context.Context, c salt.Settings) (salt.TestResult, error) {
	switch {
	case c.URL == "":
		return salt.TestResult{}, fault.Input("url", "must not be empty")
	case c.Username == "":
		return salt.TestResult{}, fault.Input("username", "must not be empty")
	case c.EAuth == "":
		return salt.TestResult{}, fault.Input("eauth", "must not be empty")
	}
	if err := (Patch{URL: &c.URL, Username: &c.Username, Password: &c.Password, EAuth: &c.EAuth}).check(); err != nil {
		return salt.TestResult{}, err
	}
	return s.try(ctx, c), nil
}

// TestSaved tries the stored connection.
func (s *Service) TestSaved(ctx context.Context) (salt.TestResult, error) {
	stored, err := s.store.SaltSettings(ctx)
	switch {
	case err != nil:
		return salt.TestResult{}, err
	case stored.URL == "" || stored.Username == "":
		return salt.TestResult{Detail: "No saved salt-api configuration."}, nil
	case stored.SealedPassword == "":
		return salt.TestResult{Detail: "No saved salt-api password."}, nil
	}
	password, err := s.password(stored)
	if err != nil {
		return salt.TestResult{Detail: unreadable}, nil //nolint:nilerr // that is the result
	}
	return s.try(ctx, stored.connection(password)), nil
}

// try logs in with a client of its own, so that neither its token nor a refusal is kept.
func (s *Service) try(ctx context.Context, c salt.Settings) salt.TestResult {
	client := salt.New(c, s.logger)
	defer client.Close()
	return client.Test(ctx)
}
