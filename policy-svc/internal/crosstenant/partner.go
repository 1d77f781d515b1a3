package crosstenant

import (
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
)

// ParsePartner reads the tenant id of a new partner (POL-39).
func ParsePartner(own tenant.ID, id string) (tenant.ID, error) {
	if id == "" {
		return tenant.ID{}, invalid("tenantId is required.")
	}
	t, err := tenant.Parse(id)
	if err != nil {
		return tenant.ID{}, invalid("tenantId '%s' is not a GUID.", id)
	}
	if t == own {
		return tenant.ID{}, invalid("tenantId names this tenant itself.")
	}
	return t, nil
}

// Remove decides whether a partner may be removed (POL-39).
func Remove(p Partner) error {
	switch {
	case isTrue(p.ServiceProvider):
		return fault.Denied(errorspb.Reason_ACCESS_DENIED, "The configuration of a service provider cannot be deleted.")
	case isTrue(p.InOrganization):
		return fault.Precondition(errorspb.Reason_CONFLICT, "The partner is an active member of the multi-tenant organization.")
	case p.Sync != nil:
		return fault.Invalid(errorspb.Reason_SYNC_POLICY_EXISTS, "Please delete the user synchronization policy first.")
	}
	return nil
}
