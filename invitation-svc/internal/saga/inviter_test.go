package saga_test

import (
	"context"
	"errors"
	"testing"

	"entente.dev/invitation-svc/internal/saga"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

func TestAFaultIsSaidAsTheEnvelopeSaysIt(t *testing.T) {
	t.Parallel()
	const ours = "It did not work."
	for name, tc := range map[string]struct {
		err           error
		code, message string
	}{
		"a refusal":                  {fault.Denied(errorspb.Reason_ACCESS_DENIED, "No."), "Authorization_RequestDenied", "No."},
		"a fault of ours":            {fault.Internal(errorspb.Reason_INTERNAL, "disk full"), "InternalServerError", ours},
		"an error that is no fault":  {errors.New("secret"), "InternalServerError", ours},
		"a refusal without words":    {fault.Denied(errorspb.Reason_ACCESS_DENIED, ""), "InternalServerError", ours},
		"a reason that is not known": {fault.Denied(errorspb.Reason(-1), "No."), "InternalServerError", ours},
		"a reason that was left out": {fault.Denied(errorspb.Reason_REASON_UNSPECIFIED, "No."), "InternalServerError", ours},
		"a neighbour that is away":   {fault.Unavailable(errorspb.Reason_UNAVAILABLE, "Away."), "ServiceNotAvailable", "Away."},
		"a deadline that ran out":    {context.DeadlineExceeded, "GatewayTimeout", "The operation did not finish in time."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, message := saga.Public(tc.err, ours)
			if code != tc.code || message != tc.message {
				t.Errorf("%q, %q", code, message)
			}
		})
	}
}
