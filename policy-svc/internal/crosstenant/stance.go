package crosstenant

import (
	"slices"

	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// Source says where an effective value comes from.
type Source int8

// The three levels of inheritance (POL-45).
const (
	FromNowhere Source = iota
	FromPartner
	FromDefault
	FromSystem
)

// Sourced is an effective value and where it comes from.
type Sourced[T any] struct {
	Value  T
	Source Source
}

// Effective holds every property of one tenant toward another after
// inheritance and completion (POL-43).
type Effective struct {
	CollaborationInbound, CollaborationOutbound Sourced[Setting]
	DirectConnectInbound, DirectConnectOutbound Sourced[Setting]
	Restrictions                                Sourced[Restrictions]
	MFA, CompliantDevice, HybridJoined          Sourced[bool]
	ConsentInbound, ConsentOutbound             Sourced[bool]
	UserSync, GroupSync                         Sourced[bool]
	Redemption                                  Sourced[RedemptionOrder]
	ServiceProvider, InOrganization             Sourced[bool]
}

// EffectiveToward computes what the tenant says about another one. partner is
// nil when there is no row.
func (p Policy) EffectiveToward(partner *Partner) Effective {
	if partner == nil {
		partner = &Partner{}
	}
	d, shown := p.Default, SystemSettings()
	var trust, dTrust Trust
	copyFrom(&trust, partner.Settings.Trust)
	copyFrom(&dTrust, d.Settings.Trust)
	var consent Consent
	copyFrom(&consent, partner.Settings.Consent)
	var sync SyncPolicy
	copyFrom(&sync, partner.Sync)
	ps, ds := partner.Settings, d.Settings
	e := Effective{
		CollaborationInbound:  inherit(ps.CollaborationInbound, ds.CollaborationInbound, shown.CollaborationInbound),
		CollaborationOutbound: inherit(ps.CollaborationOutbound, ds.CollaborationOutbound, shown.CollaborationOutbound),
		DirectConnectInbound:  inherit(ps.DirectConnectInbound, ds.DirectConnectInbound, shown.DirectConnectInbound),
		DirectConnectOutbound: inherit(ps.DirectConnectOutbound, ds.DirectConnectOutbound, shown.DirectConnectOutbound),
		Restrictions:          inheritRestrictions(ps.Restrictions, ds.Restrictions, shown.Restrictions),
		MFA:                   leaf(trust.MFA, dTrust.MFA),
		CompliantDevice:       leaf(trust.CompliantDevice, dTrust.CompliantDevice),
		HybridJoined:          leaf(trust.HybridJoined, dTrust.HybridJoined),
		ConsentInbound:        leaf(consent.Inbound, nil),
		ConsentOutbound:       leaf(consent.Outbound, nil),
		UserSync:              leaf(sync.UserSync, nil),
		GroupSync:             leaf(sync.GroupSync, nil),
		Redemption:            Sourced[RedemptionOrder]{SystemRedemption(), FromSystem},
		ServiceProvider:       leaf(partner.ServiceProvider, nil),
		InOrganization:        leaf(partner.InOrganization, nil),
	}
	if d.Redemption != nil {
		e.Redemption = Sourced[RedemptionOrder]{*d.Redemption, FromDefault}
	}
	return e
}

// copyFrom copies what is behind from, when there is something.
func copyFrom[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// inherit takes whole settings (POL-43) and completes the one it took.
func inherit(partner, dflt, system *Setting) Sourced[Setting] {
	switch {
	case !partner.empty():
		return Sourced[Setting]{partner.Complete(), FromPartner}
	case !dflt.empty():
		return Sourced[Setting]{dflt.Complete(), FromDefault}
	default:
		return Sourced[Setting]{system.Complete(), FromSystem}
	}
}

func inheritRestrictions(partner, dflt, system *Restrictions) Sourced[Restrictions] {
	for _, level := range []struct {
		value  *Restrictions
		source Source
	}{{partner, FromPartner}, {dflt, FromDefault}} {
		if level.value != nil && !level.value.Setting.empty() {
			r := *level.value
			r.Setting = r.Setting.Complete()
			return Sourced[Restrictions]{r, level.source}
		}
	}
	return Sourced[Restrictions]{*system, FromSystem}
}

// leaf is inheritance of one switch; the system says false.
func leaf(partner, dflt *bool) Sourced[bool] {
	switch {
	case partner != nil:
		return Sourced[bool]{*partner, FromPartner}
	case dflt != nil:
		return Sourced[bool]{*dflt, FromDefault}
	default:
		return Sourced[bool]{false, FromSystem}
	}
}

// ruled is a setting ready to decide, and where it comes from.
type ruled struct {
	*Rules
	source Source
}

// Stance is one tenant's policy toward one other tenant, ready to decide. It
// is immutable and safe for concurrent use.
type Stance struct {
	Tenant, Other tenant.ID
	PolicyID      uuid.UUID
	Version       int64
	Cloud         string
	clouds        []string
	partnered     bool

	collaborationIn, collaborationOut ruled
	directIn, directOut, restrictions ruled

	// MFA, CompliantDevice and HybridJoined are the effective trust leaves.
	MFA, CompliantDevice, HybridJoined bool
	// ServiceProvider marks the other tenant as a delegated administrator.
	ServiceProvider bool

	consentIn, consentOut, userSync, groupSync Sourced[bool]
}

// Compiled is a policy whose default is prepared once for all partners.
type Compiled struct {
	Policy
	dflt Effective
	// rules of dflt, shared by the stances toward every tenant that inherits
	collaborationIn, collaborationOut, directIn, directOut, restrictions *Rules
}

// Compile prepares the policy of a tenant for decisions.
func (p Policy) Compile() *Compiled {
	d := p.EffectiveToward(nil)
	return &Compiled{
		Policy:           p,
		dflt:             d,
		collaborationIn:  Compile(d.CollaborationInbound.Value),
		collaborationOut: Compile(d.CollaborationOutbound.Value),
		directIn:         Compile(d.DirectConnectInbound.Value),
		directOut:        Compile(d.DirectConnectOutbound.Value),
		restrictions:     Compile(d.Restrictions.Value.Setting),
	}
}

// Toward prepares the policy for decisions about one other tenant. partner is
// nil when there is no row.
func (c *Compiled) Toward(other tenant.ID, partner *Partner) *Stance {
	e := c.EffectiveToward(partner)
	return &Stance{
		Tenant: c.Tenant, Other: other, PolicyID: c.ID, Version: c.Version,
		Cloud: c.Cloud, clouds: c.Clouds, partnered: partner != nil,
		collaborationIn:  pick(e.CollaborationInbound, c.collaborationIn),
		collaborationOut: pick(e.CollaborationOutbound, c.collaborationOut),
		directIn:         pick(e.DirectConnectInbound, c.directIn),
		directOut:        pick(e.DirectConnectOutbound, c.directOut),
		restrictions:     pick(Sourced[Setting]{e.Restrictions.Value.Setting, e.Restrictions.Source}, c.restrictions),
		MFA:              e.MFA.Value, CompliantDevice: e.CompliantDevice.Value, HybridJoined: e.HybridJoined.Value,
		ServiceProvider: e.ServiceProvider.Value,
		consentIn:       e.ConsentInbound, consentOut: e.ConsentOutbound,
		userSync: e.UserSync, groupSync: e.GroupSync,
	}
}

// pick shares the compiled default unless the partner has its own setting.
func pick(s Sourced[Setting], dflt *Rules) ruled {
	if s.Source == FromPartner {
		return ruled{Compile(s.Value), FromPartner}
	}
	return ruled{dflt, s.Source}
}

// admitsCloudOf tells whether this side opened itself to the other's cloud and
// has a row for it; the row counts even when it is empty (POL-44, POL-51).
func (s *Stance) admitsCloudOf(o *Stance) bool {
	return s.partnered && slices.Contains(s.clouds, o.Cloud)
}
