package crosstenant

// Claims are what the home tenant asserts about a session.
type Claims struct {
	MFA, CompliantDevice, HybridJoined bool
}

// ChallengeSite says where a missing second factor is asked for.
type ChallengeSite int8

// Places of a challenge; ChallengeNever means that the proof cannot be given
// and a demand for it denies (code 90071).
const (
	ChallengeResource ChallengeSite = iota
	ChallengeHome
	ChallengeNever
)

// Trusted is what of the claims counts in the resource tenant (POL-60). It
// changes how a control is satisfied, never which policies apply (POL-61).
type Trusted struct {
	Claims
	// MFAChallenge is where a second factor is asked for when MFA is false.
	MFAChallenge ChallengeSite
}

// Honour applies the resource tenant's trust to the claims of a user of the
// home tenant. Users without a home, and homes in a cloud that was not opened,
// are never trusted (POL-52).
func (p Pair) Honour(c Claims, direct bool) Trusted {
	if p.Home == nil || !p.cloudsAgree() {
		return Trusted{}
	}
	r := p.Resource
	t := Trusted{Claims: Claims{
		// For a delegated administrator the leaf is not consulted.
		MFA:             c.MFA && (r.MFA || r.ServiceProvider),
		CompliantDevice: c.CompliantDevice && r.CompliantDevice,
		HybridJoined:    c.HybridJoined && r.HybridJoined,
	}}
	switch {
	case r.MFA || r.ServiceProvider:
		t.MFAChallenge = ChallengeHome
	case direct:
		t.MFAChallenge = ChallengeNever
	}
	return t
}
