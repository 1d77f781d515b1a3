package invitetest

import (
	"context"
	"slices"
	"strings"
	"sync"

	policypb "entente.dev/proto/gen/entente/policy/v1"
	"google.golang.org/grpc"
)

// Policy is policy-svc as far as this service asks it. The zero value allows
// everything, by passcode.
type Policy struct {
	policypb.DecisionServiceClient
	mu sync.Mutex
	// Deny names the rule that refuses; DenyAtRedemption at redemption only.
	Deny, DenyAtRedemption string
	// InvitesFrom is allowInvitesFrom, decided as the decision point does; empty
	// is everyone.
	InvitesFrom string
	// BlockedDomain is refused by the domain list.
	BlockedDomain string
	HomeTenant    string
	Automatic     bool
	PasscodesOff  bool
	// GuestRole is guestUserRoleId; OthersHidden keeps members from reading
	// other users.
	GuestRole    string
	OthersHidden bool
	Trouble      error
	Asked        []*policypb.CheckInviteRequest
}

// Set changes the policy.
func (p *Policy) Set(change func(*Policy)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// CheckInvite answers by the fields.
func (p *Policy) CheckInvite(_ context.Context, r *policypb.CheckInviteRequest, _ ...grpc.CallOption) (*policypb.Decision, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Asked = append(p.Asked, r)
	if p.Trouble != nil {
		return nil, p.Trouble
	}
	d := &policypb.Decision{Outcome: policypb.Decision_allow, HomeTenantId: p.HomeTenant, AutomaticRedemption: p.Automatic}
	deny := p.Deny
	if r.AtRedemption {
		deny = p.DenyAtRedemption
	}
	if p.BlockedDomain != "" && strings.HasSuffix(r.Email, "@"+p.BlockedDomain) {
		deny = "DomainList"
	}
	if !r.AtRedemption && !p.mayInvite(r.Inviter) {
		deny = "AllowInvitesFrom"
	}
	if deny != "" {
		d.Outcome, d.Rule = policypb.Decision_deny, deny
	}
	return d, nil
}

// mayInvite is the table of INV-13.
func (p *Policy) mayInvite(who *policypb.Inviter) bool {
	switch p.InvitesFrom {
	case "none":
		return false
	case "adminsAndGuestInviters":
		return slices.ContainsFunc([]string{"Global Administrator", "User Administrator", "Guest Inviter"}, func(role string) bool { return slices.Contains(who.GetRoles(), role) })
	}
	return true
}

// CheckB2B allows.
func (p *Policy) CheckB2B(context.Context, *policypb.CheckB2BRequest, ...grpc.CallOption) (*policypb.Decision, error) {
	return &policypb.Decision{Outcome: policypb.Decision_allow}, nil
}

// GetGuestAccessLevel answers by the fields.
func (p *Policy) GetGuestAccessLevel(context.Context, *policypb.GetGuestAccessLevelRequest, ...grpc.CallOption) (*policypb.GuestAccessLevel, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &policypb.GuestAccessLevel{GuestUserRoleId: p.GuestRole, AllowedToReadOtherUsers: !p.OthersHidden}, p.Trouble
}

// GetRedemptionOrder is the default one.
func (p *Policy) GetRedemptionOrder(context.Context, *policypb.GetRedemptionOrderRequest, ...grpc.CallOption) (*policypb.RedemptionOrder, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &policypb.RedemptionOrder{Primary: []string{"azureActiveDirectory", "externalFederation", "socialIdentityProviders"},
		Fallback: "defaultConfiguredIdp", PasscodeEnabled: !p.PasscodesOff}, nil
}
