package fault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
)

// Error is a failure that may cross the wire. It is immutable: the With
// methods answer changed copies, so a fault may be a package variable.
type Error struct {
	Kind    Kind
	Reason  errorspb.Reason
	Message string // safe for the client
	// Violations name the parts of the request that are at fault.
	Violations []Violation
	// Meta is what varies in Message, for programs; the comment of each
	// reason says which keys it has.
	Meta map[string]string
	// RetryAfter tells the client when to come back; 0 says nothing.
	RetryAfter time.Duration

	cause error
}

// Violation is one part of a request that is at fault.
type Violation struct {
	Field       string // property on the wire, for instance `userPrincipalName`
	Description string // safe for the client
	Code        string // Graph's detail code, for instance `ObjectConflict`
}

func newError(k Kind, r errorspb.Reason, format string, args []any) *Error {
	message := format
	if len(args) > 0 {
		message = fmt.Sprintf(format, args...)
	}
	return &Error{Kind: k, Reason: r, Message: message}
}

// Invalid refuses a request that can never succeed as it is.
func Invalid(r errorspb.Reason, format string, args ...any) *Error {
	return newError(KindInvalid, r, format, args)
}

// Unauthenticated refuses a call without a valid credential.
func Unauthenticated(r errorspb.Reason, format string, args ...any) *Error {
	return newError(KindUnauthenticated, r, format, args)
}

// Denied refuses an act that the credential does not cover.
func Denied(r errorspb.Reason, format string, args ...any) *Error {
	return newError(KindDenied, r, format, args)
}

// NotFound says that there is no such object for this caller.
func NotFound(r errorspb.Reason, format string, args ...any) *Error {
	return newError(KindNotFound, r, format, args)
}

// Exists says that an object with that key is there.
func Exists(r errorspb.Reason, format string, args ...any) *Error {
	return newError(KindExists, r, format, args)
}

// Precondition says that the state of the object forbids the act.
func Precondition(r errorspb.Reason, format string, args ...any) *Error {
	return newError(KindPrecondition, r, format, args)
}

// Exhausted says that a quota or rate limit is reached.
func Exhausted(r errorspb.Reason, format string, args ...any) *Error {
	return newError(KindExhausted, r, format, args)
}

// Aborted says that a concurrent change won.
func Aborted(r errorspb.Reason, format string, args ...any) *Error {
	return newError(KindAborted, r, format, args)
}

// OutOfRange says that a position lies outside of what is kept.
func OutOfRange(r errorspb.Reason, format string, args ...any) *Error {
	return newError(KindOutOfRange, r, format, args)
}

// Unimplemented says that the operation is known and not offered.
func Unimplemented(r errorspb.Reason, format string, args ...any) *Error {
	return newError(KindUnimplemented, r, format, args)
}

// Unavailable says that a part does not answer at the moment.
func Unavailable(r errorspb.Reason, format string, args ...any) *Error {
	return newError(KindUnavailable, r, format, args)
}

// Deadline says that the time ran out.
func Deadline(r errorspb.Reason, format string, args ...any) *Error {
	return newError(KindDeadline, r, format, args)
}

// Internal is a failure of ours; the message must carry no detail.
func Internal(r errorspb.Reason, format string, args ...any) *Error {
	return newError(KindInternal, r, format, args)
}

// Error is the message with the cause behind it: text for logs. Only Message
// may reach a client.
func (e *Error) Error() string {
	text := e.Reason.String()
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap is the cause, nil where there is none.
func (e *Error) Unwrap() error { return e.cause }

// WithCause keeps err for the log; it never leaves the process.
func (e *Error) WithCause(err error) *Error {
	c := e.clone()
	c.cause = err
	return c
}

// WithMeta adds one fact for programs.
func (e *Error) WithMeta(key, value string) *Error {
	c := e.clone()
	if c.Meta == nil {
		c.Meta = make(map[string]string, 1)
	}
	c.Meta[key] = value
	return c
}

// WithViolation names one part of the request that is at fault; code may be
// empty.
func (e *Error) WithViolation(field, description, code string) *Error {
	c := e.clone()
	c.Violations = append(c.Violations, Violation{Field: field, Description: description, Code: code})
	return c
}

// WithRetryAfter tells the client when to come back.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := e.clone()
	c.RetryAfter = d
	return c
}

func (e *Error) clone() *Error {
	c := *e
	c.Violations = slices.Clone(e.Violations)
	c.Meta = maps.Clone(e.Meta)
	return &c
}

// Is reports whether err is, or wraps, a fault with that reason.
func Is(err error, r errorspb.Reason) bool {
	var f *Error
	return errors.As(err, &f) && f.Reason == r
}

// Of reports the kind of err as From would give it; ok is false for nil.
func Of(err error) (kind Kind, ok bool) {
	if err == nil {
		return 0, false
	}
	return From(err).Kind, true
}

// From finds the fault in err. The end of a context becomes Deadline or
// Canceled; everything else that is no fault becomes Internal without text,
// err being its cause. From(nil) is nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var f *Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, context.DeadlineExceeded):
		return Deadline(errorspb.Reason_DEADLINE, "The operation did not finish in time.").WithCause(err)
	case errors.Is(err, context.Canceled):
		return newError(KindCanceled, errorspb.Reason_UNAVAILABLE, "The request was canceled.", nil).WithCause(err)
	}
	return Internal(errorspb.Reason_INTERNAL, "An internal server error occurred.").WithCause(err)
}
