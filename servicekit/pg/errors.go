package pg

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	queryCanceled        = "57014" // by statement_timeout: our own cancellation ends the context first
)

// SQLState is the five-character code that the server gave, "" for errors
// that did not come from it.
func SQLState(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Code
	}
	return ""
}

// Constraint names the constraint or unique index that a statement broke, ""
// for other errors. Indexes have names so that they can be told apart here.
func Constraint(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) && strings.HasPrefix(pe.Code, "23") {
		return pe.ConstraintName
	}
	return ""
}

// unavailable makes a fault of the failures that mean the same in every
// store: the server is not there, or took too long. Others pass unchanged.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	var f *fault.Error
	if errors.As(err, &f) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	state := SQLState(err)
	var connect *pgconn.ConnectError
	switch {
	case state == queryCanceled:
		return fault.Deadline(errorspb.Reason_DEADLINE, "The operation did not finish in time.").WithCause(err)
	case strings.HasPrefix(state, "08"), strings.HasPrefix(state, "57P"), strings.HasPrefix(state, "53"),
		state == "25P03", // idle in transaction for too long
		state == "" && (errors.As(err, &connect) || errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err)):
		return fault.Unavailable(errorspb.Reason_UNAVAILABLE, "The service is temporarily unavailable.").WithCause(err)
	}
	return err
}
