package crosstenant

// Outcome is what a decision says.
type Outcome int8

// Deny is the zero value, so that a forgotten decision denies.
const (
	Deny Outcome = iota
	Allow
)

// Rule names what decided.
type Rule int8

// The rules of POL-54, POL-58, POL-64, POL-67 and POL-69.
const (
	RuleNone Rule = iota
	RuleAllowInvitesFrom
	RuleDomainList
	RuleTenantRestrictions
	RuleCloudGate
	RuleOutboundCollaboration
	RuleInboundCollaboration
	RuleOutboundDirectConnect
	RuleInboundDirectConnect
	RuleDirectConnectCapability
	RuleAutomaticRedemption
)

// Side is the tenant whose rule decided.
type Side int8

// Sides of a decision.
const (
	SideNone Side = iota
	SideHome
	SideResource
)

// Codes of refused sign-ins and invitations (POL-54, POL-58, POL-67). They
// live here alone, so that a correction is one change.
const (
	CodeOutbound   = "500212"
	CodeInbound    = "500213"
	CodeMFANotHere = "90071"
	CodeForbidden  = "Forbidden"
	CodeDenied     = "Authorization_RequestDenied"
)

// Decision is the answer to "may this happen?" with the rule that said so
// (POL-53). It never holds targets of either tenant. An allowing decision
// names the last rule that was asked.
type Decision struct {
	Outcome Outcome
	Rule    Rule
	Side    Side
	Source  Source
	Code    string
	// Versions of the two policies that were read; zero where none was.
	HomeVersion, ResourceVersion int64
}

// Allowed reports whether the decision lets the thing happen.
func (d Decision) Allowed() bool { return d.Outcome == Allow }

// Pair holds what two tenants say about each other. A user without an
// organizational home has none (POL-52): then Home is nil and Resource may be.
type Pair struct {
	Home, Resource *Stance
}

// Gates are the answers of the settings that do not look at the home tenant.
type Gates struct {
	// Inviter: allowInvitesFrom lets the caller invite (POL-72).
	Inviter bool
	// Domain: the domain list lets the address in (POL-77).
	Domain bool
}

// Invite decides whether a user may be invited into the resource tenant; the
// first failing check of POL-54 answers. It decides redemption as well, with
// the inviter's gate open (POL-56).
func (p Pair) Invite(g Gates, u User) Decision {
	switch {
	case !g.Inviter:
		return p.deny(RuleAllowInvitesFrom, SideResource, FromNowhere, CodeDenied)
	case !g.Domain:
		return p.deny(RuleDomainList, SideResource, FromNowhere, CodeForbidden)
	case p.Home == nil:
		return p.allow(RuleNone, SideNone, FromNowhere)
	case !p.cloudsAgree():
		return p.deny(RuleCloudGate, SideResource, FromNowhere, CodeForbidden)
	case !p.Resource.collaborationIn.PermitsAny(u):
		return p.deny(RuleInboundCollaboration, SideResource, p.Resource.collaborationIn.source, CodeForbidden)
	case !p.Home.collaborationOut.PermitsAny(u):
		return p.deny(RuleOutboundCollaboration, SideHome, p.Home.collaborationOut.source, CodeForbidden)
	}
	return p.allow(RuleOutboundCollaboration, SideHome, p.Home.collaborationOut.source)
}

// SignIn decides whether a collaboration user of the home tenant may reach an
// application of the resource tenant (POL-58 rows 3 to 5). Outbound is asked,
// and reported, first.
func (p Pair) SignIn(u User, a Application) Decision {
	if p.Home == nil {
		return p.allow(RuleNone, SideNone, FromNowhere)
	}
	if !p.cloudsAgree() {
		return p.deny(RuleCloudGate, SideResource, FromNowhere, CodeForbidden)
	}
	out, in := p.Home.collaborationOut, p.Resource.collaborationIn
	if !out.Permits(u, a) {
		return p.deny(RuleOutboundCollaboration, SideHome, out.source, CodeOutbound)
	}
	if !in.Permits(u, a) {
		return p.deny(RuleInboundCollaboration, SideResource, in.source, CodeInbound)
	}
	return p.allow(RuleInboundCollaboration, SideResource, in.source)
}

// DirectConnect decides whether a user of the home tenant may use an
// application of the resource tenant without an account there (POL-67). It is
// never open between clouds (POL-51) and never to users without a home.
func (p Pair) DirectConnect(u User, a Application) Decision {
	if p.Home == nil || p.Home.Cloud != p.Resource.Cloud {
		return p.deny(RuleCloudGate, SideResource, FromNowhere, CodeForbidden)
	}
	out, in := p.Home.directOut, p.Resource.directIn
	if !out.Permits(u, a) {
		return p.deny(RuleOutboundDirectConnect, SideHome, out.source, CodeOutbound)
	}
	if !in.Permits(u, a) {
		return p.deny(RuleInboundDirectConnect, SideResource, in.source, CodeInbound)
	}
	if !a.DirectConnect && !a.BuiltIn {
		return p.deny(RuleDirectConnectCapability, SideResource, FromNowhere, CodeForbidden)
	}
	return p.allow(RuleInboundDirectConnect, SideResource, in.source)
}

// Redemption tells whether automatic redemption is in effect from home to
// resource, and what each side contributes (POL-62). The opposite direction
// never matters.
func (p Pair) Redemption() (inEffect, homeOutbound, resourceInbound bool) {
	if p.Home == nil || p.Resource == nil {
		return false, false, false
	}
	out, in := p.Home.consentOut.Value, p.Resource.consentIn.Value
	return out && in, out, in
}

// AutomaticRedemption is Redemption as a decision: it denies with the first
// side that does not contribute.
func (p Pair) AutomaticRedemption() Decision {
	if p.Home == nil {
		return p.deny(RuleAutomaticRedemption, SideNone, FromNowhere, "")
	}
	out, in := p.Home.consentOut, p.Resource.consentIn
	switch {
	case !out.Value:
		return p.deny(RuleAutomaticRedemption, SideHome, out.Source, "")
	case !in.Value:
		return p.deny(RuleAutomaticRedemption, SideResource, in.Source, "")
	}
	return p.allow(RuleAutomaticRedemption, SideResource, in.Source)
}

// NeedsUser reports whether a collaboration rule of the pair names users or
// groups, so that it matters who the user is.
func (p Pair) NeedsUser() bool {
	return p.Home != nil && (!p.Home.collaborationOut.everybody || !p.Resource.collaborationIn.everybody)
}

// NeedsGroups reports whether any collaboration or direct-connect rule of the
// pair looks at the groups of this user.
func (p Pair) NeedsGroups(u User, direct bool) bool {
	if p.Home == nil || u.GroupsKnown {
		return false
	}
	if direct {
		return p.Home.directOut.NeedsGroups(u.ID) || p.Resource.directIn.NeedsGroups(u.ID)
	}
	return p.Home.collaborationOut.NeedsGroups(u.ID) || p.Resource.collaborationIn.NeedsGroups(u.ID)
}

// Restricted decides tenant restrictions: the tenant that the header names
// speaks about the account's tenant (POL-69). anonymous marks accounts of the
// consumer tenant, whose users cannot be told apart.
func (s *Stance) Restricted(u User, a Application, anonymous bool) Decision {
	d := Decision{Rule: RuleTenantRestrictions, Source: s.restrictions.source, ResourceVersion: s.Version}
	rules := s.restrictions
	if anonymous {
		// User targets other than AllUsers are ignored: they match nobody.
		u = User{GroupsKnown: true}
		if rules.usersBlocked && !rules.everybody {
			open := *rules.Rules
			open.users, open.groups = nil, nil
			rules.Rules = &open
		}
	}
	if rules.Permits(u, a) {
		d.Outcome = Allow
	}
	return d
}

// RestrictionsNeedGroups reports whether tenant restrictions look at groups.
func (s *Stance) RestrictionsNeedGroups(u User) bool {
	return !u.GroupsKnown && s.restrictions.NeedsGroups(u.ID)
}

// cloudsAgree is the cloud gate: within one cloud it is open, between clouds
// both sides must have opened themselves and have a row (POL-51).
func (p Pair) cloudsAgree() bool {
	return p.Home.Cloud == p.Resource.Cloud || p.Home.admitsCloudOf(p.Resource) && p.Resource.admitsCloudOf(p.Home)
}

func (p Pair) allow(r Rule, s Side, from Source) Decision {
	return p.stamp(Decision{Outcome: Allow, Rule: r, Side: s, Source: from})
}

func (p Pair) deny(r Rule, s Side, from Source, code string) Decision {
	return p.stamp(Decision{Outcome: Deny, Rule: r, Side: s, Source: from, Code: code})
}

func (p Pair) stamp(d Decision) Decision {
	if p.Home != nil {
		d.HomeVersion = p.Home.Version
	}
	if p.Resource != nil {
		d.ResourceVersion = p.Resource.Version
	}
	return d
}
