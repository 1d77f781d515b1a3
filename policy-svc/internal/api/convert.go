package api

import (
	"entente.dev/policy-svc/internal/crosstenant"
	policypb "entente.dev/proto/gen/entente/policy/v1"
)

// The numbers of the enums are equal on both sides, but for the providers,
// which start at zero in audit records and at one on the wire.
const providerOffset = 1

type (
	accessType = policypb.CrossTenantAccessPolicyTargetConfigurationAccessType_Value
	targetType = policypb.CrossTenantAccessPolicyTargetType_Value
	provider   = policypb.B2BIdentityProvidersType_Value
)

func halfFromProto(p *policypb.CrossTenantAccessPolicyTargetConfiguration) *crosstenant.TargetConfiguration {
	if p == nil {
		return nil
	}
	c := &crosstenant.TargetConfiguration{Access: crosstenant.Access(p.GetAccessType()), Targets: make([]crosstenant.Target, len(p.GetTargets()))}
	for i, t := range p.GetTargets() {
		c.Targets[i] = crosstenant.Target{Target: t.GetTarget(), Type: crosstenant.TargetType(t.GetTargetType())}
	}
	return c
}

func halfToProto(c *crosstenant.TargetConfiguration) *policypb.CrossTenantAccessPolicyTargetConfiguration {
	if c == nil {
		return nil
	}
	p := &policypb.CrossTenantAccessPolicyTargetConfiguration{
		AccessType: accessType(c.Access).Enum(),
		Targets:    make([]*policypb.CrossTenantAccessPolicyTarget, len(c.Targets)),
	}
	for i, t := range c.Targets {
		p.Targets[i] = &policypb.CrossTenantAccessPolicyTarget{Target: &t.Target, TargetType: targetType(t.Type).Enum()}
	}
	return p
}

func settingToProto(s *crosstenant.Setting) *policypb.CrossTenantAccessPolicyB2BSetting {
	if s == nil {
		return nil
	}
	return &policypb.CrossTenantAccessPolicyB2BSetting{UsersAndGroups: halfToProto(s.UsersAndGroups), Applications: halfToProto(s.Applications)}
}

func devicesToProto(d *crosstenant.Devices) *policypb.DevicesFilter {
	if d == nil {
		return nil
	}
	p := &policypb.DevicesFilter{}
	if d.Mode != 0 {
		p.Mode = accessType(d.Mode).Enum()
	}
	if d.Rule != "" {
		p.Rule = &d.Rule
	}
	return p
}

func restrictionsToProto(r *crosstenant.Restrictions) *policypb.CrossTenantAccessPolicyTenantRestrictions {
	if r == nil {
		return nil
	}
	return &policypb.CrossTenantAccessPolicyTenantRestrictions{
		UsersAndGroups: halfToProto(r.Setting.UsersAndGroups), Applications: halfToProto(r.Setting.Applications), Devices: devicesToProto(r.Devices),
	}
}

func trustToProto(t *crosstenant.Trust) *policypb.CrossTenantAccessPolicyInboundTrust {
	if t == nil {
		return nil
	}
	return &policypb.CrossTenantAccessPolicyInboundTrust{
		IsMfaAccepted: t.MFA, IsCompliantDeviceAccepted: t.CompliantDevice, IsHybridAzureAdJoinedDeviceAccepted: t.HybridJoined,
	}
}

func consentToProto(c *crosstenant.Consent) *policypb.InboundOutboundPolicyConfiguration {
	if c == nil {
		return nil
	}
	return &policypb.InboundOutboundPolicyConfiguration{InboundAllowed: c.Inbound, OutboundAllowed: c.Outbound}
}

func redemptionToProto(o crosstenant.RedemptionOrder) *policypb.DefaultInvitationRedemptionIdentityProviderConfiguration {
	p := &policypb.DefaultInvitationRedemptionIdentityProviderConfiguration{
		FallbackIdentityProvider: provider(o.Fallback + providerOffset).Enum(),
	}
	for _, primary := range o.Primary {
		p.PrimaryIdentityProviderPrecedenceOrder = append(p.PrimaryIdentityProviderPrecedenceOrder, provider(primary+providerOffset))
	}
	return p
}

func redemptionPatch(m mask, p *policypb.DefaultInvitationRedemptionIdentityProviderConfiguration) *crosstenant.RedemptionPatch {
	const path = "invitation_redemption_identity_provider_configuration"
	if !m.names(path) {
		return nil
	}
	if p == nil {
		return &crosstenant.RedemptionPatch{Clear: true}
	}
	var primary *[]crosstenant.Provider
	if list := p.GetPrimaryIdentityProviderPrecedenceOrder(); len(list) > 0 {
		ps := make([]crosstenant.Provider, len(list))
		for i, v := range list {
			ps[i] = crosstenant.Provider(v) - providerOffset
		}
		primary = &ps
	}
	var fallback *crosstenant.Provider
	if p.FallbackIdentityProvider != nil {
		f := crosstenant.Provider(p.GetFallbackIdentityProvider()) - providerOffset
		fallback = &f
	}
	return &crosstenant.RedemptionPatch{
		Primary:  partOf(m, path+".primary_identity_provider_precedence_order", primary),
		Fallback: partOf(m, path+".fallback_identity_provider", fallback),
	}
}

func settingPatch(m mask, path string, p *policypb.CrossTenantAccessPolicyB2BSetting) *crosstenant.SettingPatch {
	if !m.names(path) {
		return nil
	}
	if p == nil {
		return &crosstenant.SettingPatch{Clear: true}
	}
	return &crosstenant.SettingPatch{
		UsersAndGroups: partOf(m, path+".users_and_groups", halfFromProto(p.GetUsersAndGroups())),
		Applications:   partOf(m, path+".applications", halfFromProto(p.GetApplications())),
	}
}

func restrictionsPatch(m mask, p *policypb.CrossTenantAccessPolicyTenantRestrictions) *crosstenant.RestrictionsPatch {
	const path = "tenant_restrictions"
	if !m.names(path) {
		return nil
	}
	if p == nil {
		return &crosstenant.RestrictionsPatch{Setting: crosstenant.SettingPatch{Clear: true}}
	}
	var devices *crosstenant.Devices
	if d := p.GetDevices(); d != nil {
		devices = &crosstenant.Devices{Mode: crosstenant.Access(d.GetMode()), Rule: d.GetRule()}
	}
	return &crosstenant.RestrictionsPatch{
		Setting: crosstenant.SettingPatch{
			UsersAndGroups: partOf(m, path+".users_and_groups", halfFromProto(p.GetUsersAndGroups())),
			Applications:   partOf(m, path+".applications", halfFromProto(p.GetApplications())),
		},
		Devices: partOf(m, path+".devices", devices),
	}
}

func trustPatch(m mask, p *policypb.CrossTenantAccessPolicyInboundTrust) *crosstenant.TrustPatch {
	const path = "inbound_trust"
	if !m.names(path) {
		return nil
	}
	if p == nil {
		return &crosstenant.TrustPatch{Clear: true}
	}
	return &crosstenant.TrustPatch{
		MFA:             partOf(m, path+".is_mfa_accepted", p.IsMfaAccepted),
		CompliantDevice: partOf(m, path+".is_compliant_device_accepted", p.IsCompliantDeviceAccepted),
		HybridJoined:    partOf(m, path+".is_hybrid_azure_ad_joined_device_accepted", p.IsHybridAzureAdJoinedDeviceAccepted),
	}
}

func consentPatch(m mask, p *policypb.InboundOutboundPolicyConfiguration) *crosstenant.ConsentPatch {
	const path = "automatic_user_consent_settings"
	if !m.names(path) {
		return nil
	}
	if p == nil {
		return &crosstenant.ConsentPatch{Clear: true}
	}
	return &crosstenant.ConsentPatch{
		Inbound:  partOf(m, path+".inbound_allowed", p.InboundAllowed),
		Outbound: partOf(m, path+".outbound_allowed", p.OutboundAllowed),
	}
}

// shared are the properties that default and partner configurations have in
// common, whose names are the same in both messages.
type shared interface {
	GetB2BCollaborationInbound() *policypb.CrossTenantAccessPolicyB2BSetting
	GetB2BCollaborationOutbound() *policypb.CrossTenantAccessPolicyB2BSetting
	GetB2BDirectConnectInbound() *policypb.CrossTenantAccessPolicyB2BSetting
	GetB2BDirectConnectOutbound() *policypb.CrossTenantAccessPolicyB2BSetting
	GetInboundTrust() *policypb.CrossTenantAccessPolicyInboundTrust
	GetAutomaticUserConsentSettings() *policypb.InboundOutboundPolicyConfiguration
	GetTenantRestrictions() *policypb.CrossTenantAccessPolicyTenantRestrictions
}

func settingsPatch(m mask, p shared) crosstenant.SettingsPatch {
	return crosstenant.SettingsPatch{
		CollaborationInbound:  settingPatch(m, "b2b_collaboration_inbound", p.GetB2BCollaborationInbound()),
		CollaborationOutbound: settingPatch(m, "b2b_collaboration_outbound", p.GetB2BCollaborationOutbound()),
		DirectConnectInbound:  settingPatch(m, "b2b_direct_connect_inbound", p.GetB2BDirectConnectInbound()),
		DirectConnectOutbound: settingPatch(m, "b2b_direct_connect_outbound", p.GetB2BDirectConnectOutbound()),
		Trust:                 trustPatch(m, p.GetInboundTrust()),
		Consent:               consentPatch(m, p.GetAutomaticUserConsentSettings()),
		Restrictions:          restrictionsPatch(m, p.GetTenantRestrictions()),
	}
}

func defaultToProto(id string, d crosstenant.Default) *policypb.CrossTenantAccessPolicyConfigurationDefault {
	s, order := d.Shown()
	system := !d.Customized
	return &policypb.CrossTenantAccessPolicyConfigurationDefault{
		Id:                           id,
		IsServiceDefault:             &system,
		B2BCollaborationInbound:      settingToProto(s.CollaborationInbound),
		B2BCollaborationOutbound:     settingToProto(s.CollaborationOutbound),
		B2BDirectConnectInbound:      settingToProto(s.DirectConnectInbound),
		B2BDirectConnectOutbound:     settingToProto(s.DirectConnectOutbound),
		InboundTrust:                 trustToProto(s.Trust),
		AutomaticUserConsentSettings: consentToProto(s.Consent),
		TenantRestrictions:           restrictionsToProto(s.Restrictions),
		InvitationRedemptionIdentityProviderConfiguration: redemptionToProto(order),
	}
}

func partnerToProto(p crosstenant.Partner, expand bool) *policypb.CrossTenantAccessPolicyConfigurationPartner {
	id := p.TenantID.String()
	out := &policypb.CrossTenantAccessPolicyConfigurationPartner{
		TenantId:                     &id,
		B2BCollaborationInbound:      settingToProto(p.Settings.CollaborationInbound),
		B2BCollaborationOutbound:     settingToProto(p.Settings.CollaborationOutbound),
		B2BDirectConnectInbound:      settingToProto(p.Settings.DirectConnectInbound),
		B2BDirectConnectOutbound:     settingToProto(p.Settings.DirectConnectOutbound),
		InboundTrust:                 trustToProto(p.Settings.Trust),
		AutomaticUserConsentSettings: consentToProto(p.Settings.Consent),
		TenantRestrictions:           restrictionsToProto(p.Settings.Restrictions),
		IsServiceProvider:            p.ServiceProvider,
		IsInMultiTenantOrganization:  p.InOrganization,
	}
	if expand && p.Sync != nil {
		out.IdentitySynchronization = syncToProto(p)
	}
	return out
}

func syncToProto(p crosstenant.Partner) *policypb.CrossTenantIdentitySyncPolicyPartner {
	id := p.TenantID.String()
	out := &policypb.CrossTenantIdentitySyncPolicyPartner{TenantId: &id, DisplayName: p.Sync.DisplayName}
	if p.Sync.UserSync != nil {
		out.UserSyncInbound = &policypb.CrossTenantUserSyncInbound{IsSyncAllowed: p.Sync.UserSync}
	}
	if p.Sync.GroupSync != nil {
		out.GroupSyncInbound = &policypb.CrossTenantGroupSyncInbound{IsSyncAllowed: p.Sync.GroupSync}
	}
	return out
}
