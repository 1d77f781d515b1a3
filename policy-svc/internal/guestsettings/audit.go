package guestsettings

import "entente.dev/policy-svc/internal/patch"

// String spells the value as the wire does.
func (a AllowInvitesFrom) String() string {
	switch a {
	case AdminsAndGuestInviters:
		return "adminsAndGuestInviters"
	case AdminsGuestInvitersAndAllMembers:
		return "adminsGuestInvitersAndAllMembers"
	case Everyone:
		return "everyone"
	default:
		return "none"
	}
}

// AuthorizationChanges are the modified properties of a changed policy; none
// means that no event is due.
func AuthorizationChanges(old, cur Authorization) []patch.Modified {
	const nested = "defaultUserRolePermissions."
	o, c := old.UserRole, cur.UserRole
	return patch.Changed([]patch.Modified{
		patch.Modify("allowInvitesFrom", patch.Text(old.AllowInvitesFrom.String()), patch.Text(cur.AllowInvitesFrom.String())),
		patch.Modify("guestUserRoleId", patch.Text(old.GuestUserRole), patch.Text(cur.GuestUserRole)),
		patch.Modify("allowEmailVerifiedUsersToJoinOrganization", patch.Text(old.EmailVerifiedUsersJoin), patch.Text(cur.EmailVerifiedUsersJoin)),
		patch.Modify("allowedToSignUpEmailBasedSubscriptions", patch.Text(old.EmailSubscriptions), patch.Text(cur.EmailSubscriptions)),
		patch.Modify("allowedToUseSSPR", patch.Text(old.SSPR), patch.Text(cur.SSPR)),
		patch.Modify("allowUserConsentForRiskyApps", patch.Text(old.ConsentForRiskyApps), patch.Text(cur.ConsentForRiskyApps)),
		patch.Modify("blockMsolPowerShell", patch.Text(old.BlockMsolPowerShell), patch.Text(cur.BlockMsolPowerShell)),
		patch.Modify(nested+"allowedToCreateApps", patch.Text(o.CreateApps), patch.Text(c.CreateApps)),
		patch.Modify(nested+"allowedToCreateSecurityGroups", patch.Text(o.CreateSecurityGroups), patch.Text(c.CreateSecurityGroups)),
		patch.Modify(nested+"allowedToCreateTenants", patch.Text(o.CreateTenants), patch.Text(c.CreateTenants)),
		patch.Modify(nested+"allowedToReadBitlockerKeysForOwnedDevice", patch.Text(o.ReadBitlockerKeys), patch.Text(c.ReadBitlockerKeys)),
		patch.Modify(nested+"allowedToReadOtherUsers", patch.Text(o.ReadOtherUsers), patch.Text(c.ReadOtherUsers)),
		patch.Modify(nested+"permissionGrantPoliciesAssigned", patch.Texts(o.GrantPolicies), patch.Texts(c.GrantPolicies)),
	})
}

// DomainListChanges are those of a list that was added (old nil), changed or
// removed (cur nil); none means that no event is due.
func DomainListChanges(old, cur *DomainList) []patch.Modified {
	var name, description, definition patch.Modified
	name.Name, description.Name, definition.Name = "displayName", "description", "definition"
	if old != nil {
		name.Old, description.Old, definition.Old = patch.Text(old.DisplayName), patch.Text(old.Description), patch.Text([]string{old.Definition})
	}
	if cur != nil {
		name.New, description.New, definition.New = patch.Text(cur.DisplayName), patch.Text(cur.Description), patch.Text([]string{cur.Definition})
	}
	return patch.Changed([]patch.Modified{definition, name, description})
}
