package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/google/uuid"

	"halite/graph/internal/generated"
	"halite/graph/view"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/policy"
	"halite/internal/salt"
	"halite/internal/settings"
)

// done is the answer of a mutation that has nothing else to say.
func done(err error) (*bool, error) {
	if err != nil {
		return nil, err
	}
	ok := true
	return &ok, nil
}

// answer is a value that is not there if there is an error.
func answer[T any](v T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// shown are settings as they look in GraphQL.
func shown(s settings.Salt, err error) (*view.Settings, error) {
	if err != nil {
		return nil, err
	}
	return view.NewSettings(s), nil
}

// principal is who is signed in. It is for what is no decision.
func principal(ctx context.Context) (*policy.Principal, error) {
	caller := guard.CallerOf(ctx)
	if caller.Principal == nil {
		return nil, fault.New(fault.Unauthenticated, caller.Problem)
	}
	return caller.Principal, nil
}

// explain answers a question about another user. Unlike one about oneself it is an
// action, so that the directive cannot stand on the field.
func (r *queryResolver) explain(ctx context.Context, userID uuid.UUID, verb, resource string) (v *policy.Verdict, err error) {
	err = r.Guard.Do(ctx, guard.Action{
		Name: "policy.explain", Verb: "view", Args: map[string]any{"verb": verb, "resource": resource, "user_id": userID.String()},
		Named: func(ctx context.Context) (string, error) {
			name, ok, err := r.Directory.Name(ctx, "user", userID)
			if !ok {
				name = userID.String()
			}
			return "user:" + name, err
		},
	}, func(ctx context.Context) (err error) {
		v, err = answer(r.Directory.Explain(ctx, userID, verb, resource))
		return err
	})
	return v, err
}

// tested runs a test of a connection and puts what came of it into the row.
func tested(ctx context.Context, test func() (salt.TestResult, error)) (*salt.TestResult, error) {
	result, err := test()
	if err != nil {
		return nil, err
	}
	o := guard.OutcomeOf(ctx)
	o.After = map[string]any{"ok": result.OK, "detail": result.Detail}
	if result.MinionCount != nil {
		o.After["minion_count"] = *result.MinionCount
	}
	return &result, nil
}

// settingsPatch tells a field that was not sent from one that is to be cleared.
func settingsPatch(in generated.SaltSettingsInput) settings.Patch {
	var p settings.Patch
	cleared := func(v *string, sent bool) *string {
		if sent && v == nil {
			return new(string)
		}
		return v
	}
	p.URL = cleared(in.URL.ValueOK())
	p.Username = cleared(in.Username.ValueOK())
	p.Password = cleared(in.Password.ValueOK())
	if v, sent := in.Eauth.ValueOK(); sent {
		p.EAuth = new(string)
		if v != nil {
			*p.EAuth = string(*v)
		}
	}
	if v, sent := in.Verify.ValueOK(); sent {
		if p.Verify = v; v == nil {
			p.Verify = new(true)
		}
	}
	return p
}

// object reads a JSON object, its numbers as they were written. Null is an empty one.
func object(field string, raw json.RawMessage) (map[string]any, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v map[string]any
	if err := dec.Decode(&v); err != nil || v == nil {
		return nil, fault.Input(field, "must be an object")
	}
	return v, nil
}

// renamed puts the name of the GraphQL argument into an error about its value.
func renamed(err error, field string) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Field == "" {
		return err
	}
	out := *f
	out.Message, out.Field = field+strings.TrimPrefix(f.Message, f.Field), field
	return &out
}
