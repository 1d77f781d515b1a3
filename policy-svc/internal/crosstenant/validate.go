package crosstenant

import (
	"slices"
	"strings"

	errorspb "entente.dev/proto/gen/entente/errors/v1"
	"entente.dev/servicekit/fault"
	"github.com/google/uuid"
)

// Limits of POL-13 and POL-139.
const (
	maxTargets      = 1000
	maxTargetLength = 100
	maxSyncName     = 256
)

// Endpoints of Microsoft's clouds, legal beside the operator's peers (POL-12).
var publicClouds = []string{"microsoftonline.com", "microsoftonline.us", "partner.microsoftonline.cn"}

func invalid(format string, args ...any) error {
	return fault.Invalid(errorspb.Reason_INVALID_REQUEST, format, args...)
}

// CheckClouds validates allowedCloudEndpoints (POL-12). own is the endpoint in
// which the tenant lives, peers are those the operator named.
func CheckClouds(endpoints []string, own string, peers []string) error {
	for i, e := range endpoints {
		switch {
		case e == own:
			return invalid("allowedCloudEndpoints: '%s' is the tenant's own cloud.", e)
		case !slices.Contains(publicClouds, e) && !slices.Contains(peers, e):
			return invalid("allowedCloudEndpoints: '%s' is not a known cloud endpoint.", e)
		case slices.Contains(endpoints[:i], e):
			return invalid("allowedCloudEndpoints: '%s' is listed twice.", e)
		}
	}
	return nil
}

// usersRule says whom the users half of a setting may name.
type usersRule int8

const (
	anyUsers usersRule = iota
	// allUsersOnly holds for what a default says about people of unknown
	// tenants: their ids mean nothing there (POL-20).
	allUsersOnly
)

// checkSetting validates a setting and returns it in canonical spelling.
func checkSetting(property string, s Setting, rule usersRule) (Setting, error) {
	var err error
	if s.UsersAndGroups != nil {
		if s.UsersAndGroups, err = checkHalf(property+".usersAndGroups", *s.UsersAndGroups, userTarget); err != nil {
			return Setting{}, err
		}
		if rule == allUsersOnly && !s.UsersAndGroups.holdsAll(AllUsers) {
			return Setting{}, invalid("%s.usersAndGroups of the default accepts only AllUsers.", property)
		}
	}
	if s.Applications != nil {
		if s.Applications, err = checkHalf(property+".applications", *s.Applications, applicationTarget); err != nil {
			return Setting{}, err
		}
	}
	return s, checkConflict(property, s)
}

// checkConflict refuses halves that contradict each other (POL-19).
func checkConflict(property string, s Setting) error {
	if s.empty() {
		return nil
	}
	c := s.Complete()
	noApps := c.Applications.blocksAll(AllApplications)
	if noApps && c.UsersAndGroups.Access == Allowed || !noApps && c.UsersAndGroups.blocksAll(AllUsers) {
		return fault.Invalid(errorspb.Reason_CONFLICTING_SETTINGS,
			"Conflicting access settings in %s: users and applications must both be blocked or both be open.", property)
	}
	return nil
}

func checkHalf(property string, c TargetConfiguration, canonical func(Target) (Target, bool)) (*TargetConfiguration, error) {
	if c.Access != Allowed && c.Access != Blocked {
		return nil, invalid("%s.accessType must be allowed or blocked.", property)
	}
	if len(c.Targets) == 0 || len(c.Targets) > maxTargets {
		return nil, invalid("%s.targets must hold 1 to %d targets.", property, maxTargets)
	}
	out := TargetConfiguration{Access: c.Access, Targets: make([]Target, 0, len(c.Targets))}
	seen := make(map[Target]bool, len(c.Targets))
	for _, t := range c.Targets {
		if len(t.Target) == 0 || len(t.Target) > maxTargetLength {
			return nil, invalid("%s.targets: a target has 1 to %d characters.", property, maxTargetLength)
		}
		ct, ok := canonical(t)
		if !ok {
			return nil, invalid("%s.targets: '%s' is not a legal target of its targetType here.", property, t.Target)
		}
		if seen[ct] {
			return nil, invalid("%s.targets: '%s' is listed twice.", property, t.Target)
		}
		if (ct.Target == AllUsers || ct.Target == AllApplications) && len(c.Targets) > 1 {
			return nil, invalid("%s.targets: %s must be the only target.", property, ct.Target)
		}
		seen[ct] = true
		out.Targets = append(out.Targets, ct)
	}
	return &out, nil
}

// userTarget gives the canonical form of a target of the users half (POL-14).
func userTarget(t Target) (Target, bool) {
	if t.Type == TargetUser && strings.EqualFold(t.Target, AllUsers) {
		return Target{Target: AllUsers, Type: TargetUser}, true
	}
	id, ok := canonicalID(t.Target)
	return Target{Target: id, Type: t.Type}, ok && (t.Type == TargetUser || t.Type == TargetGroup)
}

// applicationTarget gives the canonical form of a target of the applications
// half. MicrosoftAdminPortals is none: the portals are listed by id (POL-14).
func applicationTarget(t Target) (Target, bool) {
	if t.Type != TargetApplication {
		return Target{}, false
	}
	for _, name := range []string{AllApplications, Office365} {
		if strings.EqualFold(t.Target, name) {
			return Target{Target: name, Type: TargetApplication}, true
		}
	}
	id, ok := canonicalID(t.Target)
	return Target{Target: id, Type: TargetApplication}, ok
}

func canonicalID(s string) (string, bool) {
	if len(s) != 36 {
		return "", false // uuid.Parse takes braces, URNs and bare hex too
	}
	id, err := uuid.Parse(s)
	return id.String(), err == nil
}

// checkRedemption validates a redemption order (POL-16).
func checkRedemption(o RedemptionOrder) error {
	const property = "invitationRedemptionIdentityProviderConfiguration"
	for i, p := range o.Primary {
		if p < AzureActiveDirectory || p > SocialIdentityProviders {
			return invalid("%s.primaryIdentityProviderPrecedenceOrder accepts azureActiveDirectory, externalFederation and socialIdentityProviders.", property)
		}
		if slices.Contains(o.Primary[:i], p) {
			return invalid("%s.primaryIdentityProviderPrecedenceOrder names a provider twice.", property)
		}
	}
	if o.Fallback < EmailOneTimePasscode || o.Fallback > DefaultConfiguredIDP {
		return invalid("%s.fallbackIdentityProvider must be defaultConfiguredIdp, emailOneTimePasscode or microsoftAccount.", property)
	}
	return nil
}

// CheckSync validates an identity synchronization policy.
func CheckSync(s SyncPolicy) error {
	if s.DisplayName != nil && len([]rune(*s.DisplayName)) > maxSyncName {
		return invalid("displayName must not exceed %d characters.", maxSyncName)
	}
	return nil
}
