package api_test

import (
	"testing"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/fault"
	"github.com/jackc/pgx/v5"
)

// asOwner runs a statement as the owner of the schema.
func (e *env) asOwner(statement string) {
	e.t.Helper()
	conn, err := pgx.Connect(e.t.Context(), e.reached.OwnerDSN)
	if err != nil {
		e.t.Fatal(err)
	}
	defer conn.Close(e.t.Context())
	if _, err := conn.Exec(e.t.Context(), statement); err != nil {
		e.t.Fatal(err)
	}
}

func TestAC42_WhatCannotBeRecordedIsNotDone(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.addPartner(contoso, fabrikam, `{}`)
	before := e.effective(contoso, fabrikam).GetPolicyVersion()
	change := func() map[string]error {
		_, add := e.policies.AddPartner(e.as(contoso, "sa"), &policypb.AddPartnerRequest{TenantId: woodgrve.String()})
		_, reset := e.policies.ResetDefault(e.as(contoso, "sa"), &policypb.ResetDefaultRequest{})
		return map[string]error{
			"PATCH partner":       e.patchPartner(contoso, fabrikam, `{"b2bCollaborationInbound":`+blockAll+`}`, "b2b_collaboration_inbound"),
			"PATCH authorization": e.patchAuthorization(contoso, `{"allowInvitesFrom":"none"}`, "allow_invites_from"),
			"add partner":         add,
			"reset":               reset,
		}
	}
	for what, broken := range map[string]struct{ breaks, mends string }{
		"the right to insert is gone": {
			"revoke insert on policy.audit_events from " + e.reached.Role, "grant insert on policy.audit_events to " + e.reached.Role},
		"the table refuses": {
			"alter table policy.audit_events add constraint closed check (activity = '') not valid", "alter table policy.audit_events drop constraint closed"},
	} {
		e.asOwner(broken.breaks)
		for call, err := range change() {
			refused(t, what+": "+call, err, fault.KindUnavailable, errorspb.Reason_UNAVAILABLE)
		}
		e.asOwner(broken.mends)
		if now := e.effective(contoso, fabrikam); now.GetPolicyVersion() != before || now.GetB2BCollaborationInbound().GetValue().GetUsersAndGroups().GetAccessType() != policypb.CrossTenantAccessPolicyTargetConfigurationAccessType_allowed {
			t.Errorf("%s: changed to %v", what, now)
		}
		if n := len(e.events(contoso)); n != 1 {
			t.Errorf("%s: %d records", what, n)
		}
	}
	for call, err := range change() {
		if err != nil {
			t.Errorf("afterwards: %s: %v", call, err)
		}
	}
}
