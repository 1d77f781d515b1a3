package service_test

import (
	"testing"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
)

func TestInternalUserIsInvited(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann := h.user("ann")
	begin := func(id, email string) (*pb.User, error) {
		return h.external().BeginExternalConversion(t.Context(), &pb.BeginExternalConversionRequest{TenantId: h.id, UserId: id, Email: email})
	}
	_, err := begin(ann.Id, "no address")
	wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	u, err := begin(ann.Id, "ann@fabrikam.com")
	h.must(err)
	if u.GetExternalUserState() != pb.User_PendingAcceptance || u.GetMail() != "ann@fabrikam.com" || u.GetUserPrincipalName() != ann.GetUserPrincipalName() || u.GetUserType() != pb.User_Member {
		t.Errorf("%v", u)
	}
	_, err = begin(ann.Id, "ann@fabrikam.com")
	wantReason(t, err, errorspb.Reason_EXTERNAL_ACCOUNT)
	bound, err := h.external().BindExternalIdentity(t.Context(), &pb.BindExternalIdentityRequest{TenantId: h.id, UserId: ann.Id, RedemptionId: "r1",
		HomeKey: &pb.HomeKey{Issuer: "mail", Subject: "ann@fabrikam.com"}})
	h.must(err)
	if bound.GetExternalUserState() != pb.User_Accepted || len(bound.Identities) != 2 {
		t.Errorf("%v", bound)
	}
}
