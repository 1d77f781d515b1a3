package api

import (
	"entente.dev/policy-svc/internal/crosstenant"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/tenant"
)

type effectiveSource = policypb.EffectiveAccess_Source

func effectiveToProto(other tenant.ID, version int64, e crosstenant.Effective) *policypb.EffectiveAccess {
	out := &policypb.EffectiveAccess{
		TenantId:                                          other.String(),
		PolicyVersion:                                     version,
		B2BCollaborationInbound:                           effectiveSetting(e.CollaborationInbound),
		B2BCollaborationOutbound:                          effectiveSetting(e.CollaborationOutbound),
		B2BDirectConnectInbound:                           effectiveSetting(e.DirectConnectInbound),
		B2BDirectConnectOutbound:                          effectiveSetting(e.DirectConnectOutbound),
		TenantRestrictions:                                effectiveSetting(crosstenant.Sourced[crosstenant.Setting]{Value: e.Restrictions.Value.Setting, Source: e.Restrictions.Source}),
		TenantRestrictionsDevices:                         devicesToProto(e.Restrictions.Value.Devices),
		IsMfaAccepted:                                     effectiveSwitch(e.MFA),
		IsCompliantDeviceAccepted:                         effectiveSwitch(e.CompliantDevice),
		IsHybridAzureAdJoinedDeviceAccepted:               effectiveSwitch(e.HybridJoined),
		AutomaticRedemptionInbound:                        effectiveSwitch(e.ConsentInbound),
		AutomaticRedemptionOutbound:                       effectiveSwitch(e.ConsentOutbound),
		UserSyncInbound:                                   effectiveSwitch(e.UserSync),
		GroupSyncInbound:                                  effectiveSwitch(e.GroupSync),
		InvitationRedemptionIdentityProviderConfiguration: redemptionToProto(e.Redemption.Value),
		InvitationRedemptionSource:                        effectiveSource(e.Redemption.Source),
		IsServiceProvider:                                 effectiveSwitch(e.ServiceProvider),
		IsInMultiTenantOrganization:                       effectiveSwitch(e.InOrganization),
	}
	return out
}

func effectiveSetting(s crosstenant.Sourced[crosstenant.Setting]) *policypb.EffectiveAccess_Setting {
	return &policypb.EffectiveAccess_Setting{Value: settingToProto(&s.Value), Source: effectiveSource(s.Source)}
}

func effectiveSwitch(s crosstenant.Sourced[bool]) *policypb.EffectiveAccess_Switch {
	return &policypb.EffectiveAccess_Switch{Value: s.Value, Source: effectiveSource(s.Source)}
}
