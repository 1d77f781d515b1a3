package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

func TestFromFindsTheFaultUnderWrapping(t *testing.T) {
	t.Parallel()
	f := fault.NotFound(errorspb.Reason_NOT_FOUND, "Resource '%s' does not exist.", "x")
	wrapped := fmt.Errorf("load user: %w", f)
	if got := fault.From(wrapped); got != f {
		t.Errorf("From = %v", got)
	}
	if !fault.Is(wrapped, errorspb.Reason_NOT_FOUND) || fault.Is(wrapped, errorspb.Reason_INTERNAL) {
		t.Error("Is does not tell reasons apart")
	}
	if fault.From(nil) != nil || fault.Is(nil, errorspb.Reason_NOT_FOUND) {
		t.Error("nil is a fault")
	}
}

func TestFromHidesWhatIsNoFault(t *testing.T) {
	t.Parallel()
	secret := errors.New("password=hunter2")
	got := fault.From(secret)
	if got.Kind != fault.KindInternal || got.Message == "" || got.Message == secret.Error() {
		t.Errorf("From = %+v", got)
	}
	if !errors.Is(got, secret) {
		t.Error("the cause is lost")
	}
	if k := fault.From(fmt.Errorf("x: %w", context.DeadlineExceeded)).Kind; k != fault.KindDeadline {
		t.Errorf("deadline became %v", k)
	}
	if k := fault.From(context.Canceled).Kind; k != fault.KindCanceled {
		t.Errorf("cancellation became %v", k)
	}
}

func TestWithLeavesTheOriginalAlone(t *testing.T) {
	t.Parallel()
	base := fault.Invalid(errorspb.Reason_INVALID_REQUEST, "100% wrong").WithMeta("a", "1")
	changed := base.WithMeta("b", "2").WithViolation("mail", "is too long", "InvalidLength").WithRetryAfter(time.Second)
	if len(base.Meta) != 1 || base.Violations != nil || base.RetryAfter != 0 {
		t.Errorf("the original changed: %+v", base)
	}
	if changed.Meta["b"] != "2" || changed.Violations[0].Field != "mail" || changed.RetryAfter != time.Second {
		t.Errorf("the copy lacks something: %+v", changed)
	}
	if base.Message != "100% wrong" {
		t.Errorf("a message without arguments was formatted: %q", base.Message)
	}
}
