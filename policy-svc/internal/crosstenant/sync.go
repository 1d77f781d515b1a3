package crosstenant

// SyncFailure is a condition of synchronization that is not met (POL-64).
type SyncFailure int8

// Conditions in the order of SYN-34 and POL-64.
const (
	SyncFailureNone SyncFailure = iota
	// OutboundRedemptionMissing: the source does not suppress consent for the
	// target (source.outbound).
	OutboundRedemptionMissing
	// InboundRedemptionMissing: the target does not suppress consent for the
	// source (target.inbound).
	InboundRedemptionMissing
	// InboundSyncNotAllowed: the target has no synchronization policy that
	// lets the source in.
	InboundSyncNotAllowed
)

// Synchronized says what a synchronization brings into the target.
type Synchronized int8

// Kinds of synchronized objects.
const (
	SyncUsers Synchronized = iota
	SyncGroups
)

// SyncFailures lists every condition that stops synchronization from home (the
// source) to resource (the target); none means it may run. That the target
// lets nobody invite is no such condition: it stops the creation of users, one
// by one, while those who are there are kept in step (SYN-9).
func (p Pair) SyncFailures(what Synchronized) []SyncFailure {
	var failures []SyncFailure
	_, out, in := p.Redemption()
	if !out {
		failures = append(failures, OutboundRedemptionMissing)
	}
	if !in {
		failures = append(failures, InboundRedemptionMissing)
	}
	allowed := p.Resource.userSync.Value
	if what == SyncGroups {
		allowed = p.Resource.groupSync.Value
	}
	if !allowed {
		failures = append(failures, InboundSyncNotAllowed)
	}
	return failures
}

// SyncUser decides about one user whom a synchronization that may run would
// bring in (POL-64 row 3, POL-65). A refused user is skipped; the job goes on.
func (p Pair) SyncUser(g Gates, u User) Decision {
	switch {
	case !g.Inviter:
		return p.deny(RuleAllowInvitesFrom, SideResource, FromNowhere, CodeForbidden)
	case !p.cloudsAgree():
		return p.deny(RuleCloudGate, SideResource, FromNowhere, CodeForbidden)
	case !p.Home.collaborationOut.PermitsAny(u):
		return p.deny(RuleOutboundCollaboration, SideHome, p.Home.collaborationOut.source, CodeForbidden)
	case !p.Resource.collaborationIn.PermitsAny(u):
		return p.deny(RuleInboundCollaboration, SideResource, p.Resource.collaborationIn.source, CodeForbidden)
	case !g.Domain:
		return p.deny(RuleDomainList, SideResource, FromNowhere, CodeForbidden)
	}
	return p.allow(RuleInboundCollaboration, SideResource, p.Resource.collaborationIn.source)
}

// SyncAddress decides about another address of a user whom synchronization
// brought in before. Only the domain list has a say: whoever is there is kept in
// step, whoever may come in today (SYN-9).
func (p Pair) SyncAddress(g Gates) Decision {
	if !g.Domain {
		return p.deny(RuleDomainList, SideResource, FromNowhere, CodeForbidden)
	}
	return p.allow(RuleInboundCollaboration, SideResource, p.Resource.collaborationIn.source)
}

// SyncsEverybody reports whether SyncUser allows every user where both gates
// are open, so that nobody has to be looked at.
func (p Pair) SyncsEverybody() bool {
	return !p.NeedsUser() && p.SyncUser(Gates{Inviter: true, Domain: true}, User{}).Allowed()
}
