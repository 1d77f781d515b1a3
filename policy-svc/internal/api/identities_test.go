package api_test

import (
	"testing"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
)

func TestExternalIdentitiesPolicy(t *testing.T) {
	t.Parallel()
	e := start(t)
	patch := func(of tenant.ID, who, text string, paths ...string) (*policypb.ExternalIdentitiesPolicy, error) {
		p, m := read(t, &policypb.ExternalIdentitiesPolicy{}, text, paths...)
		return e.settings.UpdateExternalIdentitiesPolicy(e.as(of, who), &policypb.UpdateExternalIdentitiesPolicyRequest{Policy: p, UpdateMask: m})
	}
	get := func(of tenant.ID) *policypb.ExternalIdentitiesPolicy {
		t.Helper()
		p, err := e.settings.GetExternalIdentitiesPolicy(e.as(of, "sr"), &policypb.GetExternalIdentitiesPolicyRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	const leave, removal = "allow_external_identities_to_leave", "allow_deleted_identities_data_removal"
	if p := get(contoso); !p.GetAllowExternalIdentitiesToLeave() || p.AllowDeletedIdentitiesDataRemoval == nil || p.GetAllowDeletedIdentitiesDataRemoval() {
		t.Errorf("at first %v", p)
	}
	got, err := patch(contoso, "ga", `{"allowExternalIdentitiesToLeave":false,"allowDeletedIdentitiesDataRemoval":false}`, leave, removal)
	if err != nil || got.GetAllowExternalIdentitiesToLeave() {
		t.Fatalf("changed to %v, %v", got, err)
	}
	if diff := cmp.Diff(got, get(contoso), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	event := e.last(contoso)
	if m := modified(t, event, 0); event.GetActivityDisplayName() != "Update policy" || event.GetCategory() != "Policy" ||
		m.GetDisplayName() != "allowExternalIdentitiesToLeave" || m.GetOldValue() != "true" || m.GetNewValue() != "false" {
		t.Errorf("event %v", event)
	}
	if got := get(fabrikam); !got.GetAllowExternalIdentitiesToLeave() {
		t.Errorf("another tenant's %v", got)
	}
	for what, c := range map[string]struct {
		of         tenant.ID
		text, path string
	}{
		"without privacy information": {fabrikam, `{"allowExternalIdentitiesToLeave":false}`, leave},
		"null":                        {contoso, `{}`, leave},
		"the reserved property":       {contoso, `{"allowDeletedIdentitiesDataRemoval":true}`, removal},
	} {
		_, err := patch(c.of, "ga", c.text, c.path)
		refused(t, what, err, fault.KindInvalid, errorspb.Reason_INVALID_REQUEST)
	}
	_, err = patch(contoso, "ga", `{"displayName":"x"}`, "display_name")
	refused(t, "the name", err, fault.KindInvalid, errorspb.Reason_PROPERTY_READ_ONLY)
	_, err = patch(contoso, "sa", `{"allowExternalIdentitiesToLeave":true}`, leave)
	refused(t, "a Security Administrator", err, fault.KindDenied, errorspb.Reason_ACCESS_DENIED)
	if got, err = patch(fabrikam, "ga", `{"allowExternalIdentitiesToLeave":true}`, leave); err != nil || !got.GetAllowExternalIdentitiesToLeave() {
		t.Errorf("to what it is: %v, %v", got, err)
	}
	if n := len(e.events(fabrikam)); n != 0 {
		t.Errorf("%d records of no change", n)
	}
}
