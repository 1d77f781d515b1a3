package crosstenant

// everybody and everything build the halves that name no single target.
func everybody(a Access) *TargetConfiguration {
	return &TargetConfiguration{Access: a, Targets: []Target{{Target: AllUsers, Type: TargetUser}}}
}

func everything(a Access) *TargetConfiguration {
	return &TargetConfiguration{Access: a, Targets: []Target{{Target: AllApplications, Type: TargetApplication}}}
}

func whole(a Access) *Setting {
	return &Setting{UsersAndGroups: everybody(a), Applications: everything(a)}
}

// SystemSettings is the default of a tenant that stored none (POL-18).
func SystemSettings() Settings {
	return Settings{
		CollaborationInbound:  whole(Allowed),
		CollaborationOutbound: whole(Allowed),
		DirectConnectInbound:  whole(Blocked),
		DirectConnectOutbound: whole(Blocked),
		Trust:                 &Trust{MFA: new(bool), CompliantDevice: new(bool), HybridJoined: new(bool)},
		Consent:               &Consent{Inbound: new(bool), Outbound: new(bool)},
		Restrictions:          &Restrictions{Setting: *whole(Blocked)},
	}
}

// SystemRedemption is the redemption order of a tenant that stored none
// (POL-18).
func SystemRedemption() RedemptionOrder {
	return RedemptionOrder{
		Primary:  []Provider{AzureActiveDirectory, ExternalFederation, SocialIdentityProviders},
		Fallback: DefaultConfiguredIDP,
	}
}

// Shown is the default as GET answers it: overrides over the system's values.
func (d Default) Shown() (Settings, RedemptionOrder) {
	s, order := SystemSettings(), SystemRedemption()
	take(&s.CollaborationInbound, d.Settings.CollaborationInbound)
	take(&s.CollaborationOutbound, d.Settings.CollaborationOutbound)
	take(&s.DirectConnectInbound, d.Settings.DirectConnectInbound)
	take(&s.DirectConnectOutbound, d.Settings.DirectConnectOutbound)
	take(&s.Restrictions, d.Settings.Restrictions)
	if t := d.Settings.Trust; t != nil {
		take(&s.Trust.MFA, t.MFA)
		take(&s.Trust.CompliantDevice, t.CompliantDevice)
		take(&s.Trust.HybridJoined, t.HybridJoined)
	}
	if d.Redemption != nil {
		order = *d.Redemption
	}
	return s, order
}

// take replaces *to by from when from says something.
func take[T any](to **T, from *T) {
	if from != nil {
		*to = from
	}
}

// Complete fills the missing half of a setting (POL-21). A setting without any
// half comes back unchanged; callers treat it as absent.
func (s Setting) Complete() Setting {
	switch {
	case s.UsersAndGroups == nil && s.Applications == nil:
	case s.Applications == nil:
		s.Applications = everything(s.UsersAndGroups.Access)
	case s.UsersAndGroups == nil && s.Applications.blocksAll(AllApplications):
		s.UsersAndGroups = everybody(Blocked)
	case s.UsersAndGroups == nil:
		s.UsersAndGroups = everybody(Allowed)
	}
	return s
}

func (s *Setting) empty() bool {
	return s == nil || s.UsersAndGroups == nil && s.Applications == nil
}

// holdsAll reports whether the half names everybody or everything.
func (c *TargetConfiguration) holdsAll(all string) bool {
	return len(c.Targets) == 1 && c.Targets[0].Target == all
}

func (c *TargetConfiguration) blocksAll(all string) bool {
	return c.Access == Blocked && c.holdsAll(all)
}
