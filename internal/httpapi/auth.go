package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"halite/internal/auth"
	"halite/internal/fault"
	"halite/internal/guard"
	"halite/internal/policy"
)

const maxAuthBody = 64 << 10 // bytes

// userOut is a user as the REST contract shows him to himself.
type userOut struct {
	Username    string          `json:"username"`
	DisplayName string          `json:"display_name"`
	MustChange  bool            `json:"must_change_pw"`
	Permissions []permissionOut `json:"permissions"`
}

type permissionOut struct {
	Verb         string `json:"verb"`
	ResourceGlob string `json:"resource_glob"`
}

func newUserOut(p *policy.Principal) userOut {
	u := userOut{Username: p.Username, DisplayName: p.DisplayName, MustChange: p.MustChangePassword, Permissions: []permissionOut{}}
	for _, r := range p.Roles {
		for _, perm := range r.Permissions {
			u.Permissions = append(u.Permissions, permissionOut(perm))
		}
	}
	return u
}

// login is POST /api/auth/login: 200 with the user and a cookie; 401, 422, 429, 503.
func (a *api) login(w http.ResponseWriter, r *http.Request) {
	body, bad := readBody(w, r, "username", "password")
	if len(bad) > 0 {
		invalid(w, bad)
		return
	}
	p, err := a.Auth.SignIn(r.Context(), body["username"], body["password"])
	if err != nil {
		fail(w, err)
		return
	}
	sendJSON(w, http.StatusOK, newUserOut(p))
}

// logout is POST /api/auth/logout: 204, with a session or without; 503.
func (a *api) logout(w http.ResponseWriter, r *http.Request) {
	if err := a.Auth.SignOut(r.Context()); err != nil {
		fail(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// me is GET /api/auth/me: 200 with the user; 401. It is no decision and leaves no row.
func (a *api) me(w http.ResponseWriter, r *http.Request) {
	caller := guard.CallerOf(r.Context())
	if caller.Principal == nil {
		detail(w, http.StatusUnauthorized, caller.Problem)
		return
	}
	sendJSON(w, http.StatusOK, newUserOut(caller.Principal))
}

// changePassword is POST /api/auth/change-password: 204; 401, 422, 403, 429, 503.
func (a *api) changePassword(w http.ResponseWriter, r *http.Request) {
	body, bad := readBody(w, r, "current_password", "new_password")
	signedIn := guard.CallerOf(r.Context()).Principal != nil
	if len(bad) > 0 && (signedIn || bad[0].Type == "json_invalid") {
		invalid(w, bad)
		return
	}
	err := a.Auth.ChangePassword(r.Context(), body["current_password"], body["new_password"])
	f := fault.From(err)
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case f.Code == fault.BadUserInput:
		invalid(w, []fieldError{passwordError(f.Field, body[f.Field])})
	default:
		fail(w, err)
	}
}

func invalid(w http.ResponseWriter, bad []fieldError) {
	sendJSON(w, http.StatusUnprocessableEntity, struct {
		Detail []fieldError `json:"detail"`
	}{bad})
}

func passwordError(field, value string) fieldError {
	if auth.TooShort(value) {
		return fieldError{
			Type: "string_too_short", Loc: []any{"body", field}, Msg: "String should have at least 8 characters",
			Ctx: map[string]any{"min_length": auth.MinPassword},
		}
	}
	return fieldError{
		Type: "string_too_long", Loc: []any{"body", field}, Msg: "String should have at most 1024 characters",
		Ctx: map[string]any{"max_length": auth.MaxPassword},
	}
}

// readBody reads a JSON object and its string fields. Other keys are ignored.
func readBody(w http.ResponseWriter, r *http.Request, fields ...string) (map[string]string, []fieldError) {
	if ct := r.Header.Get("Content-Type"); ct != "" {
		if media, _, err := mime.ParseMediaType(ct); err != nil || media != "application/json" {
			return nil, []fieldError{{Type: "model_attributes_type", Loc: []any{"body"}, Msg: "Input should be a valid dictionary or object to extract fields from"}}
		}
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAuthBody))
	if err != nil {
		return nil, []fieldError{{Type: "json_invalid", Loc: []any{"body", 0}, Msg: "The body could not be read, or is larger than 64 KiB"}}
	}
	if len(raw) == 0 {
		return nil, []fieldError{{Type: "missing", Loc: []any{"body"}, Msg: "Field required"}}
	}
	if !json.Valid(raw) {
		pos := int64(0)
		if s, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(raw, new(any))); ok {
			pos = max(0, s.Offset-1)
		}
		return nil, []fieldError{{Type: "json_invalid", Loc: []any{"body", pos}, Msg: "JSON decode error"}}
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil || object == nil {
		return nil, []fieldError{{Type: "model_attributes_type", Loc: []any{"body"}, Msg: "Input should be a valid dictionary or object to extract fields from"}}
	}
	out := map[string]string{}
	var bad []fieldError
	for _, f := range fields {
		v, ok := object[f]
		s, isString := v.(string)
		switch {
		case !ok:
			bad = append(bad, fieldError{Type: "missing", Loc: []any{"body", f}, Msg: "Field required"})
		case !isString:
			bad = append(bad, fieldError{Type: "string_type", Loc: []any{"body", f}, Msg: "Input should be a valid string"})
		}
		out[f] = s
	}
	return out, bad
}
