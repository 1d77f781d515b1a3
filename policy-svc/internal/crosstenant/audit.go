package crosstenant

import (
	"entente.dev/policy-svc/internal/patch"
	"entente.dev/servicekit/tenant"
)

// Names of properties in audit records.
const (
	nameTenantID = "tenantId"
	namePartner  = "PartnerIdentifier"
)

type auditTarget struct {
	Target     string
	TargetType int
}

type auditHalf struct {
	AccessType int
	Targets    []auditTarget
}

type auditSetting struct {
	UsersAndGroups *auditHalf    `json:",omitempty"`
	Applications   *auditHalf    `json:",omitempty"`
	Devices        *auditDevices `json:",omitempty"`
}

type auditDevices struct {
	Mode int    `json:",omitempty"`
	Rule string `json:",omitempty"`
}

func settingText(s *Setting) *string {
	if s == nil {
		return nil
	}
	return patch.Text([]auditSetting{{UsersAndGroups: half(s.UsersAndGroups), Applications: half(s.Applications)}})
}

func half(c *TargetConfiguration) *auditHalf {
	if c == nil {
		return nil
	}
	h := &auditHalf{AccessType: int(c.Access), Targets: make([]auditTarget, len(c.Targets))}
	for i, t := range c.Targets {
		h.Targets[i] = auditTarget{Target: t.Target, TargetType: int(t.Type)}
	}
	return h
}

func restrictionsText(r *Restrictions) *string {
	if r == nil {
		return nil
	}
	a := auditSetting{UsersAndGroups: half(r.Setting.UsersAndGroups), Applications: half(r.Setting.Applications)}
	if r.Devices != nil {
		a.Devices = &auditDevices{Mode: int(r.Devices.Mode), Rule: r.Devices.Rule}
	}
	return patch.Text([]auditSetting{a})
}

func trustText(t *Trust) *string {
	if t == nil {
		return nil
	}
	return patch.Text([]struct {
		IsMfaAccepted                       *bool `json:",omitempty"`
		IsCompliantDeviceAccepted           *bool `json:",omitempty"`
		IsHybridAzureADJoinedDeviceAccepted *bool `json:",omitempty"`
	}{{t.MFA, t.CompliantDevice, t.HybridJoined}})
}

func consentText(c *Consent) *string {
	if c == nil {
		return nil
	}
	return patch.Text([]struct {
		InboundAllowed  *bool `json:",omitempty"`
		OutboundAllowed *bool `json:",omitempty"`
	}{{c.Inbound, c.Outbound}})
}

func redemptionText(o *RedemptionOrder) *string {
	if o == nil {
		return nil
	}
	primary := make([]int, len(o.Primary))
	for i, p := range o.Primary {
		primary[i] = int(p)
	}
	return patch.Text([]struct {
		PrimaryIdentityProviderPrecedenceOrder []int
		FallbackIdentityProvider               int
	}{{primary, int(o.Fallback)}})
}

func syncText(allowed *bool) *string {
	if allowed == nil {
		return nil
	}
	return patch.Text([]struct{ IsSyncAllowed bool }{{*allowed}})
}

// compare lists the shared properties in canonical order (POL-122).
func compare(old, cur Settings) []patch.Modified {
	return []patch.Modified{
		patch.Modify("inboundTrust", trustText(old.Trust), trustText(cur.Trust)),
		patch.Modify("b2bCollaborationInbound", settingText(old.CollaborationInbound), settingText(cur.CollaborationInbound)),
		patch.Modify("b2bCollaborationOutbound", settingText(old.CollaborationOutbound), settingText(cur.CollaborationOutbound)),
		patch.Modify("b2bDirectConnectInbound", settingText(old.DirectConnectInbound), settingText(cur.DirectConnectInbound)),
		patch.Modify("b2bDirectConnectOutbound", settingText(old.DirectConnectOutbound), settingText(cur.DirectConnectOutbound)),
		patch.Modify("automaticUserConsentSettings", consentText(old.Consent), consentText(cur.Consent)),
		patch.Modify("tenantRestrictions", restrictionsText(old.Restrictions), restrictionsText(cur.Restrictions)),
	}
}

// DefaultChanges are the modified properties of a changed default; none means
// that no event is due.
func DefaultChanges(old, cur Default) []patch.Modified {
	oldShown, oldOrder := old.Shown()
	curShown, curOrder := cur.Shown()
	mods := patch.Changed(append(compare(oldShown, curShown),
		patch.Modify("invitationRedemptionIdentityProviderConfiguration", redemptionText(&oldOrder), redemptionText(&curOrder))))
	if len(mods) == 0 && old.Customized != cur.Customized {
		return []patch.Modified{patch.Modify("isServiceDefault", patch.Text(!old.Customized), patch.Text(!cur.Customized))}
	}
	return mods
}

// ResetChanges are those of a reset; there is always at least one (POL-27).
func ResetChanges(old Default) []patch.Modified {
	first := patch.Modify("isServiceDefault", patch.Text(!old.Customized), patch.Text(true))
	rest := append(compare(old.Settings, Settings{}),
		patch.Modify("invitationRedemptionIdentityProviderConfiguration", redemptionText(old.Redemption), nil))
	return append([]patch.Modified{first}, patch.Changed(rest)...)
}

// AddPartnerChanges are those of a new partner.
func AddPartnerChanges(p Partner) []patch.Modified {
	return append([]patch.Modified{patch.Modify(nameTenantID, nil, patch.Text(p.TenantID.String()))}, partnerProperties(Partner{}, p)...)
}

// PartnerChanges are those of a changed partner; none means that no event is
// due.
func PartnerChanges(old, cur Partner) []patch.Modified {
	mods := partnerProperties(old, cur)
	if len(mods) == 0 {
		return nil
	}
	id := patch.Text(cur.TenantID.String())
	return append(mods, patch.Modify(nameTenantID, id, id))
}

// DeletePartnerChanges are those of a removed partner.
func DeletePartnerChanges(p Partner) []patch.Modified {
	return append([]patch.Modified{patch.Modify(nameTenantID, patch.Text(p.TenantID.String()), nil)}, partnerProperties(p, Partner{})...)
}

func partnerProperties(old, cur Partner) []patch.Modified {
	return patch.Changed(append(compare(old.Settings, cur.Settings),
		patch.Modify("isServiceProvider", patch.Text(old.ServiceProvider), patch.Text(cur.ServiceProvider))))
}

// RootNames are the writable properties of the root.
type RootNames struct {
	Clouds                   []string
	DisplayName, Description *string
}

// RootChanges are those of a changed root; none means that no event is due.
func RootChanges(old, cur RootNames) []patch.Modified {
	return patch.Changed([]patch.Modified{
		patch.Modify("allowedCloudEndpoints", patch.Texts(old.Clouds), patch.Texts(cur.Clouds)),
		patch.Modify("displayName", patch.Text(old.DisplayName), patch.Text(cur.DisplayName)),
		patch.Modify("description", patch.Text(old.Description), patch.Text(cur.Description)),
	})
}

// CreateSyncChanges are those of a new identity synchronization policy.
func CreateSyncChanges(partner tenant.ID, s SyncPolicy) []patch.Modified {
	user := s.UserSync
	if user == nil {
		user = new(bool)
	}
	rest := patch.Changed([]patch.Modified{
		patch.Modify("groupSyncInbound", nil, syncText(s.GroupSync)),
		patch.Modify("displayName", nil, patch.Text(s.DisplayName)),
	})
	mods := append([]patch.Modified{patch.Modify("userSyncInbound", nil, syncText(user))}, rest...)
	return append(mods, patch.Modify(namePartner, nil, patch.Text(partner.String())))
}

// SyncChanges are those of a changed identity synchronization policy; none
// means that no event is due.
func SyncChanges(partner tenant.ID, old, cur SyncPolicy) []patch.Modified {
	mods := patch.Changed(syncProperties(old, cur))
	if len(mods) == 0 {
		return nil
	}
	id := patch.Text(partner.String())
	return append(mods, patch.Modify(namePartner, id, id))
}

// DeleteSyncChanges are those of a removed identity synchronization policy.
func DeleteSyncChanges(partner tenant.ID, old SyncPolicy) []patch.Modified {
	all := syncProperties(old, SyncPolicy{})
	mods := append(all[:1:1], patch.Changed(all[1:])...)
	return append(mods, patch.Modify(namePartner, patch.Text(partner.String()), nil))
}

func syncProperties(old, cur SyncPolicy) []patch.Modified {
	return []patch.Modified{
		patch.Modify("userSyncInbound", syncText(old.UserSync), syncText(cur.UserSync)),
		patch.Modify("groupSyncInbound", syncText(old.GroupSync), syncText(cur.GroupSync)),
		patch.Modify("displayName", patch.Text(old.DisplayName), patch.Text(cur.DisplayName)),
	}
}
