// Package fault is the closed set of ways in which a request can fail, and the one
// table that maps each to GraphQL and HTTP.
package fault

import (
	"errors"
	"net/http"
	"time"
)

// Code names a failure. It is what GraphQL clients see in extensions.code.
type Code string

// The closed set. What is not one of these is Internal.
const (
	Unauthenticated  Code = "UNAUTHENTICATED"
	Forbidden        Code = "FORBIDDEN"
	BadUserInput     Code = "BAD_USER_INPUT"
	NotFound         Code = "NOT_FOUND"
	Conflict         Code = "CONFLICT"
	RateLimited      Code = "RATE_LIMITED"
	SaltUnavailable  Code = "SALT_UNAVAILABLE"
	SaltError        Code = "SALT_ERROR"
	AuditUnavailable Code = "AUDIT_UNAVAILABLE"
	NotSealed        Code = "NOT_SEALED"   // no signed checkpoint covers it yet
	LogMismatch      Code = "LOG_MISMATCH" // the log is not what was sealed and signed
	Internal         Code = "INTERNAL_SERVER_ERROR"
)

var statuses = map[Code]int{
	Unauthenticated:  http.StatusUnauthorized,
	Forbidden:        http.StatusForbidden,
	BadUserInput:     http.StatusUnprocessableEntity,
	NotFound:         http.StatusNotFound,
	Conflict:         http.StatusConflict,
	RateLimited:      http.StatusTooManyRequests,
	SaltUnavailable:  http.StatusServiceUnavailable,
	SaltError:        http.StatusBadGateway,
	AuditUnavailable: http.StatusServiceUnavailable,
	NotSealed:        http.StatusConflict,
	LogMismatch:      http.StatusInternalServerError,
	Internal:         http.StatusInternalServerError,
}

// HTTPStatus is the status that stands for c, on the wire and in result_code.
func (c Code) HTTPStatus() int {
	if s, ok := statuses[c]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// Error is a failure that a caller may see. Message is written for the caller and
// holds nothing internal; Err is for the server's own log only.
type Error struct {
	Code           Code
	Message        string
	Field          string        // the argument that broke a rule, where one did
	Status         int           // recorded instead of the code's own status, where a contract wants another; 0 = not
	RetryAfter     time.Duration // when trying again makes sense; 0 = not said
	AuditID        int64         // the row that this failure left; 0 = none
	OutcomeUnknown bool          // it may have been done: an answer was lost that would have said
	Err            error
}

// HTTPStatus is the status that stands for e in result_code.
func (e *Error) HTTPStatus() int {
	if e.Status != 0 {
		return e.Status
	}
	return e.Code.HTTPStatus()
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// New returns an error that a caller may see.
func New(code Code, message string) *Error { return &Error{Code: code, Message: message} }

// Input returns the error for an argument that breaks a rule.
func Input(field, rule string) *Error {
	return &Error{Code: BadUserInput, Message: field + ": " + rule, Field: field}
}

// From finds the Error in err. Anything else, nil excepted, becomes Internal with a
// message that says nothing about the cause.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: Internal, Message: "Internal server error", Err: err}
}
