package crosstenant

import "entente.dev/policy-svc/internal/patch"

// SettingPatch changes a setting half by half (POL-22); nil keeps all of it.
type SettingPatch struct {
	// Clear makes the whole setting inherit again.
	Clear          bool
	UsersAndGroups patch.Change[TargetConfiguration]
	Applications   patch.Change[TargetConfiguration]
}

// RestrictionsPatch changes tenant restrictions.
type RestrictionsPatch struct {
	Setting SettingPatch
	Devices patch.Change[Devices]
}

// TrustPatch changes trust leaf by leaf.
type TrustPatch struct {
	Clear                              bool
	MFA, CompliantDevice, HybridJoined patch.Change[bool]
}

// ConsentPatch changes the switches of automatic redemption.
type ConsentPatch struct {
	Clear             bool
	Inbound, Outbound patch.Change[bool]
}

// SettingsPatch names the shared properties that a request changes.
type SettingsPatch struct {
	CollaborationInbound  *SettingPatch
	CollaborationOutbound *SettingPatch
	DirectConnectInbound  *SettingPatch
	DirectConnectOutbound *SettingPatch
	Trust                 *TrustPatch
	Consent               *ConsentPatch
	Restrictions          *RestrictionsPatch
}

// DefaultPatch is the body of a PATCH of the default.
type DefaultPatch struct {
	Settings   SettingsPatch
	Redemption *RedemptionPatch
}

// RedemptionPatch changes the redemption order.
type RedemptionPatch struct {
	Clear    bool
	Primary  patch.Change[[]Provider]
	Fallback patch.Change[Provider]
}

// PartnerPatch is the body of a PATCH of a partner.
type PartnerPatch struct {
	Settings        SettingsPatch
	ServiceProvider patch.Change[bool]
}

// SyncPatch is the body of a PATCH of an identity synchronization policy.
type SyncPatch struct {
	DisplayName         patch.Change[string]
	UserSync, GroupSync patch.Change[bool]
}

// UpdateDefault applies a PATCH to the default (POL-20, POL-26). Any named
// property makes it customized, even at the system's value.
func UpdateDefault(d Default, p DefaultPatch) (Default, error) {
	if c := p.Settings.Consent; c != nil && (isTrue(c.Inbound.To) || isTrue(c.Outbound.To)) {
		return Default{}, invalid("automaticUserConsentSettings cannot be changed on the default.")
	}
	system := SystemSettings()
	var err error
	for _, m := range []struct {
		property string
		at       **Setting
		system   *Setting
		change   *SettingPatch
		rule     usersRule
	}{
		{"b2bCollaborationInbound", &d.Settings.CollaborationInbound, system.CollaborationInbound, p.Settings.CollaborationInbound, allUsersOnly},
		{"b2bCollaborationOutbound", &d.Settings.CollaborationOutbound, system.CollaborationOutbound, p.Settings.CollaborationOutbound, anyUsers},
		{"b2bDirectConnectInbound", &d.Settings.DirectConnectInbound, system.DirectConnectInbound, p.Settings.DirectConnectInbound, allUsersOnly},
		{"b2bDirectConnectOutbound", &d.Settings.DirectConnectOutbound, system.DirectConnectOutbound, p.Settings.DirectConnectOutbound, anyUsers},
	} {
		if m.change == nil {
			continue
		}
		if m.change.clearsHalf() {
			return Default{}, incompleteDefault(m.property)
		}
		d.Customized = true
		base := m.system
		take(&base, *m.at)
		if *m.at, err = mergeSetting(m.property, base, *m.change, m.rule); err != nil {
			return Default{}, err
		}
	}
	if r := p.Settings.Restrictions; r != nil {
		if r.Setting.clearsHalf() {
			return Default{}, incompleteDefault("tenantRestrictions")
		}
		d.Customized = true
		base := system.Restrictions
		take(&base, d.Settings.Restrictions)
		if d.Settings.Restrictions, err = mergeRestrictions(base, *r, allUsersOnly); err != nil {
			return Default{}, err
		}
	}
	if t := p.Settings.Trust; t != nil {
		d.Customized = true
		d.Settings.Trust = mergeTrust(d.Settings.Trust, *t)
	}
	if r := p.Redemption; r != nil {
		d.Customized = true
		if d.Redemption, err = mergeRedemption(d.Redemption, *r); err != nil {
			return Default{}, err
		}
	}
	return d, nil
}

// UpdatePartner applies a PATCH, or the body of a POST to an empty partner
// (POL-21, POL-22, POL-31).
func UpdatePartner(q Partner, p PartnerPatch) (Partner, error) {
	var err error
	for _, m := range []struct {
		property string
		at       **Setting
		change   *SettingPatch
	}{
		{"b2bCollaborationInbound", &q.Settings.CollaborationInbound, p.Settings.CollaborationInbound},
		{"b2bCollaborationOutbound", &q.Settings.CollaborationOutbound, p.Settings.CollaborationOutbound},
		{"b2bDirectConnectInbound", &q.Settings.DirectConnectInbound, p.Settings.DirectConnectInbound},
		{"b2bDirectConnectOutbound", &q.Settings.DirectConnectOutbound, p.Settings.DirectConnectOutbound},
	} {
		if m.change == nil {
			continue
		}
		if *m.at, err = mergeSetting(m.property, *m.at, *m.change, anyUsers); err != nil {
			return Partner{}, err
		}
	}
	if r := p.Settings.Restrictions; r != nil {
		if q.Settings.Restrictions, err = mergeRestrictions(q.Settings.Restrictions, *r, anyUsers); err != nil {
			return Partner{}, err
		}
	}
	if t := p.Settings.Trust; t != nil {
		q.Settings.Trust = mergeTrust(q.Settings.Trust, *t)
	}
	if c := p.Settings.Consent; c != nil {
		q.Settings.Consent = mergeConsent(q.Settings.Consent, *c)
	}
	if p.ServiceProvider.Named {
		q.ServiceProvider = p.ServiceProvider.To
	}
	return q, nil
}

// UpdateSync applies a PATCH to an identity synchronization policy.
func UpdateSync(s SyncPolicy, p SyncPatch) (SyncPolicy, error) {
	p.DisplayName.Apply(&s.DisplayName)
	p.UserSync.Apply(&s.UserSync)
	p.GroupSync.Apply(&s.GroupSync)
	return s, CheckSync(s)
}

// clearsHalf reports whether the patch takes a half away, which a default may
// not lose: nothing is left to inherit one half from (POL-20).
func (p SettingPatch) clearsHalf() bool {
	return p.UsersAndGroups.Clears() || p.Applications.Clears()
}

func incompleteDefault(property string) error {
	return invalid("%s of the default needs both usersAndGroups and applications.", property)
}

// mergeSetting returns nil when nothing is left of the setting: it inherits.
func mergeSetting(property string, base *Setting, p SettingPatch, rule usersRule) (*Setting, error) {
	if p.Clear {
		return nil, nil
	}
	var s Setting
	if base != nil {
		s = *base
	}
	p.UsersAndGroups.Apply(&s.UsersAndGroups)
	p.Applications.Apply(&s.Applications)
	if s.empty() {
		return nil, nil
	}
	s, err := checkSetting(property, s, rule)
	if err != nil {
		return nil, err
	}
	return &s, nil
}

func mergeRestrictions(base *Restrictions, p RestrictionsPatch, rule usersRule) (*Restrictions, error) {
	if p.Setting.Clear {
		return nil, nil
	}
	var r Restrictions
	if base != nil {
		r = *base
	}
	p.Devices.Apply(&r.Devices)
	s, err := mergeSetting("tenantRestrictions", &r.Setting, p.Setting, rule)
	if err != nil {
		return nil, err
	}
	if r.Setting = (Setting{}); s != nil {
		r.Setting = *s
	}
	if r.Setting.empty() && r.Devices == nil {
		return nil, nil
	}
	return &r, nil
}

func mergeTrust(base *Trust, p TrustPatch) *Trust {
	var t Trust
	if base != nil && !p.Clear {
		t = *base
	}
	p.MFA.Apply(&t.MFA)
	p.CompliantDevice.Apply(&t.CompliantDevice)
	p.HybridJoined.Apply(&t.HybridJoined)
	if t == (Trust{}) {
		return nil
	}
	return &t
}

func mergeConsent(base *Consent, p ConsentPatch) *Consent {
	var c Consent
	if base != nil && !p.Clear {
		c = *base
	}
	p.Inbound.Apply(&c.Inbound)
	p.Outbound.Apply(&c.Outbound)
	if c == (Consent{}) {
		return nil
	}
	return &c
}

func isTrue(b *bool) bool { return b != nil && *b }

func mergeRedemption(base *RedemptionOrder, p RedemptionPatch) (*RedemptionOrder, error) {
	if p.Clear {
		return nil, nil
	}
	o := SystemRedemption()
	copyFrom(&o, base)
	if p.Primary.Named {
		o.Primary = []Provider{}
		copyFrom(&o.Primary, p.Primary.To)
	}
	if p.Fallback.Clears() {
		return nil, invalid("invitationRedemptionIdentityProviderConfiguration.fallbackIdentityProvider must not be null.")
	}
	copyFrom(&o.Fallback, p.Fallback.To)
	return &o, checkRedemption(o)
}
