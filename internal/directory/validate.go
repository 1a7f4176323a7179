package directory

import (
	"fmt"
	"net/http"
	"net/mail"
	"strings"
	"unicode/utf8"

	"halite/internal/auth"
	"halite/internal/fault"
)

// Bounds, in characters: those of the columns.
const (
	maxName     = 255 // of a user
	maxText     = 255 // display name, e-mail address, description
	maxRoleName = 64
	maxVerb     = 64
	maxGlob     = 255
)

// checkText returns the fault of an argument that is no text of low to high characters.
func checkText(field, s string, low, high int) error {
	switch n := utf8.RuneCountInString(s); {
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		return fault.Input(field, "should be text without NUL characters")
	case n >= low && n <= high:
		return nil
	case low == 0:
		return fault.Input(field, fmt.Sprintf("should have at most %d characters", high))
	default:
		return fault.Input(field, fmt.Sprintf("should have %d to %d characters", low, high))
	}
}

// checkEmail takes the bare address, without a name beside it. nil is none.
func checkEmail(field string, email *string) error {
	if email == nil {
		return nil
	}
	if err := checkText(field, *email, 0, maxText); err != nil {
		return err
	}
	if a, err := mail.ParseAddress(*email); err != nil || a.Address != *email {
		return fault.Input(field, "should be an e-mail address")
	}
	return nil
}

// checkPassword takes what can be typed again.
func checkPassword(field, password string) error {
	if bad := auth.CheckPassword(field, password); bad != nil {
		return bad
	}
	return checkText(field, password, auth.MinPassword, auth.MaxPassword)
}

// firstOf returns the first error there is.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// badRequest is for arguments that name what is not there: the contract wants 400.
func badRequest(field, message string) *fault.Error {
	return &fault.Error{Code: fault.BadUserInput, Message: message, Field: field, Status: http.StatusBadRequest}
}
