package quota_test

import (
	"testing"

	"entente.dev/directory-svc/internal/quota"
	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	var none quota.Limits
	if none.Fits(quota.Owners, 100) != nil || none.Fits(quota.Owners, 101) == nil {
		t.Error("the default")
	}
	five := int32(5)
	some, err := none.With(quota.Owners, &five)
	if err != nil || some.Fits(quota.Owners, 5) != nil || some.Fits(quota.Owners, 6) == nil || len(none) != 0 {
		t.Errorf("%v %v", some, err)
	}
	if back, err := some.With(quota.Owners, nil); err != nil || back.Of(quota.Owners) != 100 {
		t.Errorf("%v %v", back, err)
	}
	negative := int32(-1)
	if _, err := none.With(quota.Owners, &negative); err == nil {
		t.Error("a negative limit")
	}
	if _, err := none.With("cows", &five); err == nil {
		t.Error("an unknown limit")
	}
	if none.ObjectsOf(false) != 50_000 || none.ObjectsOf(true) != 300_000 || (quota.Limits{quota.Objects: 7}).ObjectsOf(true) != 7 {
		t.Error("objects")
	}
	if err := none.Fits(quota.RoleGroups, 501); !fault.Is(err, errorspb.Reason_QUOTA_EXCEEDED) {
		t.Errorf("a quota: %v", err)
	}
	if kind, _ := fault.Of(none.Fits(quota.Sponsors, 6)); kind != fault.KindInvalid {
		t.Errorf("too many in one request: %v", kind)
	}
}

func TestEveryLimitOfTheApiIsKnown(t *testing.T) {
	t.Parallel()
	fields := (&pb.Tenant_Limits{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		item := quota.Item(fields.Get(i).JSONName())
		if n := (quota.Limits{}).Of(item); n == 0 {
			t.Errorf("%s has no default", item)
		}
		if quota.Check(item, 2, 1) == nil {
			t.Errorf("%s is not checked", item)
		}
	}
}
