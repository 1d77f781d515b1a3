package crosstenant

import (
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// Values that stand for everybody and everything, and the one suite name
// (POL-14).
const (
	AllUsers        = "AllUsers"
	AllApplications = "AllApplications"
	Office365       = "Office365"
)

// Access says what a half of a setting does with its targets.
type Access int8

// The numbers are those of audit records (POL-121).
const (
	Allowed Access = 1
	Blocked Access = 2
)

// TargetType says what a target names.
type TargetType int8

// The numbers are those of audit records (POL-121).
const (
	TargetUser        TargetType = 1
	TargetGroup       TargetType = 2
	TargetApplication TargetType = 3
)

// Target names a user, a group, an application or one of the constants above.
type Target struct {
	Target string     `json:"target"`
	Type   TargetType `json:"targetType"`
}

// TargetConfiguration is one half of a setting.
type TargetConfiguration struct {
	Access  Access   `json:"accessType"`
	Targets []Target `json:"targets"`
}

// Setting is a crossTenantAccessPolicyB2BSetting. A nil half of a partner's
// setting is completed when it is evaluated ([Setting.Complete]), never stored.
type Setting struct {
	UsersAndGroups *TargetConfiguration `json:"usersAndGroups,omitempty"`
	Applications   *TargetConfiguration `json:"applications,omitempty"`
}

// Devices is stored and returned, and never evaluated (POL-13).
type Devices struct {
	Mode Access `json:"mode,omitempty"`
	Rule string `json:"rule,omitempty"`
}

// Restrictions is a tenant-restrictions setting.
type Restrictions struct {
	Setting Setting  `json:"setting"`
	Devices *Devices `json:"devices,omitempty"`
}

// Trust says which claims of another tenant count; a nil leaf inherits.
type Trust struct {
	MFA             *bool `json:"isMfaAccepted,omitempty"`
	CompliantDevice *bool `json:"isCompliantDeviceAccepted,omitempty"`
	HybridJoined    *bool `json:"isHybridAzureADJoinedDeviceAccepted,omitempty"`
}

// Consent holds the two switches of automatic redemption; nil means false.
type Consent struct {
	Inbound  *bool `json:"inboundAllowed,omitempty"`
	Outbound *bool `json:"outboundAllowed,omitempty"`
}

// Provider is a kind of identity provider in the redemption order.
type Provider int8

// The numbers are those of audit records.
const (
	AzureActiveDirectory Provider = iota
	ExternalFederation
	SocialIdentityProviders
	EmailOneTimePasscode
	MicrosoftAccount
	DefaultConfiguredIDP
)

// RedemptionOrder says with which providers an invitation is redeemed
// (POL-16).
type RedemptionOrder struct {
	Primary  []Provider `json:"primaryIdentityProviderPrecedenceOrder"`
	Fallback Provider   `json:"fallbackIdentityProvider"`
}

// Settings are the properties that default and partner configurations share.
// Nil means inherit: a partner's from the default, the default's from the
// system.
type Settings struct {
	CollaborationInbound  *Setting      `json:"b2bCollaborationInbound,omitempty"`
	CollaborationOutbound *Setting      `json:"b2bCollaborationOutbound,omitempty"`
	DirectConnectInbound  *Setting      `json:"b2bDirectConnectInbound,omitempty"`
	DirectConnectOutbound *Setting      `json:"b2bDirectConnectOutbound,omitempty"`
	Trust                 *Trust        `json:"inboundTrust,omitempty"`
	Consent               *Consent      `json:"automaticUserConsentSettings,omitempty"`
	Restrictions          *Restrictions `json:"tenantRestrictions,omitempty"`
}

// Default is what a tenant says about every tenant without own settings.
type Default struct {
	// Customized tells that an override is stored, whatever it holds.
	Customized bool
	// Settings holds the overridden properties only.
	Settings Settings
	// Redemption is nil for the system's order.
	Redemption *RedemptionOrder
}

// Partner is what a tenant says about one other tenant.
type Partner struct {
	TenantID        tenant.ID
	Settings        Settings
	ServiceProvider *bool
	// InOrganization is kept by the multi-tenant organization, never by a client.
	InOrganization *bool
	// Sync is nil when there is no identity synchronization policy.
	Sync *SyncPolicy
}

// SyncPolicy is the identity synchronization policy toward a partner
// (POL-33 to POL-36).
type SyncPolicy struct {
	DisplayName *string
	// UserSync is nil when userSyncInbound was never given.
	UserSync *bool
	// GroupSync is nil when groupSyncInbound was never given.
	GroupSync *bool
}

// Policy is the root and the default of one tenant; partners are handed to
// [Policy.Toward] one at a time, because a tenant may have ten thousand.
type Policy struct {
	Tenant  tenant.ID
	ID      uuid.UUID
	Version int64
	// Cloud is the endpoint in which the tenant lives.
	Cloud string
	// Clouds are the endpoints it opened itself to.
	Clouds  []string
	Default Default
}
