package invitetest

import (
	"context"
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
	// BlockedDomain is refused by the domain list.
	BlockedDomain string
	HomeTenant    string
	Automatic     bool
	PasscodesOff  bool
	Trouble       error
	Asked         []*policypb.CheckInviteRequest
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
	if deny != "" {
		d.Outcome, d.Rule = policypb.Decision_deny, deny
	}
	return d, nil
}

// CheckB2B allows.
func (p *Policy) CheckB2B(context.Context, *policypb.CheckB2BRequest, ...grpc.CallOption) (*policypb.Decision, error) {
	return &policypb.Decision{Outcome: policypb.Decision_allow}, nil
}

// GetRedemptionOrder is the default one.
func (p *Policy) GetRedemptionOrder(context.Context, *policypb.GetRedemptionOrderRequest, ...grpc.CallOption) (*policypb.RedemptionOrder, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &policypb.RedemptionOrder{Primary: []string{"azureActiveDirectory", "externalFederation", "socialIdentityProviders"},
		Fallback: "defaultConfiguredIdp", PasscodeEnabled: !p.PasscodesOff}, nil
}
