package engine

import (
	"context"
	"errors"
	"fmt"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"

	"entente.dev/sync-svc/internal/job"
)

// CheckConnection tests whether one tenant may be synchronized into another
// and names the first failing condition in the order of SYN-34. The fault has
// one violation per side on which automatic redemption is missing.
func (e *Engine) CheckConnection(ctx context.Context, source tenant.ID, secrets map[string]string) error {
	if secrets[job.KeyAuthenticationType] != job.SyncPolicy {
		return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "%s", credentialText("Request_BadRequest", "The credential 'AuthenticationType' must be 'SyncPolicy'."))
	}
	target, err := tenant.Parse(secrets[job.KeyCompanyID])
	if err != nil {
		return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "%s", credentialText("Request_BadRequest", "The credential 'CompanyId' must be the id of a tenant."))
	}
	return e.checkTenants(ctx, source, target)
}

func (e *Engine) checkTenants(ctx context.Context, source, target tenant.ID) error {
	if target != source {
		facts, err := e.Tenants.LookupTenant(ctx, &directorypb.LookupTenantRequest{TenantId: target.String()})
		if fault.Is(err, errorspb.Reason_NOT_FOUND) || err == nil && (facts.GetState() != directorypb.Tenant_active || facts.GetTenantType() == directorypb.Tenant_external) {
			return fault.Invalid(errorspb.Reason_TARGET_TENANT_NOT_FOUND, "%s", credentialText(CodeUnknownTenant, "The target tenant "+target.String()+" was not found."))
		}
		if err != nil {
			return fmt.Errorf("look up target tenant: %w", err)
		}
	} else {
		return fault.Invalid(errorspb.Reason_INVALID_REQUEST, "%s", credentialText("Request_BadRequest", "The source and the target tenant are the same."))
	}
	answer, err := e.Policy.CheckSync(ctx, &policypb.CheckSyncRequest{SourceTenantId: source.String(), TargetTenantId: target.String()})
	if err != nil {
		return fmt.Errorf("check policy: %w", err)
	}
	if answer.GetAllowed() {
		return nil
	}
	var redemption *fault.Error
	for _, f := range answer.GetFailures() {
		if f.GetTarget() != "source.outbound" && f.GetTarget() != "target.inbound" {
			continue
		}
		if redemption == nil {
			redemption = fault.Invalid(errorspb.Reason_AUTOMATIC_REDEMPTION_MISSING, "%s", credentialText(CodeRedemption, "Policy permitting auto-redemption of invitations not configured."))
		}
		redemption = redemption.WithViolation(f.GetTarget(), "Automatic redemption is not configured on this side.", CodeInboundSync)
	}
	if redemption != nil {
		return redemption
	}
	return fault.Invalid(errorspb.Reason_INBOUND_SYNC_NOT_ALLOWED, "%s", credentialText(CodeInboundSync, "Inbound synchronization is not enabled by the target tenant."))
}

// credentialText is the sentence administrators search for.
func credentialText(code, details string) string {
	return "You appear to have entered invalid credentials. Please confirm you are using the correct information for an administrative account. Error code: " + code + " Details: " + details
}

// errUnconfigured says that the configuration of a job was deleted.
var errUnconfigured = errors.New("the configuration was deleted")

// configured makes sure that the configuration still exists. Without it nobody
// is assigned any more, which must not be taken for a wish to remove everybody
// (SYN-19, SYN-195).
func (r *run) configured(ctx context.Context) error {
	_, err := r.Source.GetSynchronizationApplication(ctx, &directorypb.GetSynchronizationApplicationRequest{
		TenantId: r.job.Tenant.String(), ServicePrincipalId: r.job.ServicePrincipal.String()})
	if fault.Is(err, errorspb.Reason_NOT_FOUND) {
		return errUnconfigured
	}
	if err != nil {
		return fmt.Errorf("look up configuration: %w", err)
	}
	return nil
}

// connection is the check of a run: nil while users may be synchronized.
func (r *run) connection(ctx context.Context) error {
	if err := r.checkTenants(ctx, r.job.Tenant, r.job.Target); err != nil {
		return err
	}
	return nil
}

// refused tells the failures that put a job into quarantine from those that
// only delay it, and gives their code.
func refused(err error) (code string, ok bool) {
	switch {
	case fault.Is(err, errorspb.Reason_AUTOMATIC_REDEMPTION_MISSING):
		return CodeRedemption, true
	case fault.Is(err, errorspb.Reason_INBOUND_SYNC_NOT_ALLOWED):
		return CodeInboundSync, true
	case fault.Is(err, errorspb.Reason_TARGET_TENANT_NOT_FOUND):
		return CodeUnknownTenant, true
	case fault.Is(err, errorspb.Reason_INVALID_REQUEST):
		return "Request_BadRequest", true
	}
	return "", false
}
