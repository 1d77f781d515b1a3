package api

import (
	"context"

	"entente.dev/invitation-svc/internal/flow"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Flows serves FlowService to the gateway.
type Flows struct {
	pb.UnimplementedFlowServiceServer
	Flows *flow.Flows
}

var _ pb.FlowServiceServer = (*Flows)(nil)

// OpenLink opens a flow from a link.
func (s *Flows) OpenLink(ctx context.Context, req *pb.OpenLinkRequest) (*pb.OpenLinkResponse, error) {
	o, err := s.Flows.Open(ctx, req.TenantId, req.InvitationId, req.Ticket, browser(req.IpAddress, req.UserAgent, req.AcceptLanguage))
	if err != nil {
		return nil, err
	}
	return &pb.OpenLinkResponse{FlowId: o.Flow, Verifier: o.Verifier, RedirectUrl: o.Redirect}, nil
}

// RequestNewLink has a fresh link mailed to the invited address, or does not,
// and never says which.
func (s *Flows) RequestNewLink(ctx context.Context, req *pb.RequestNewLinkRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, s.Flows.NewLink(ctx, req.TenantId, req.InvitationId, browser(req.IpAddress, "", ""))
}

// GetFlow shows where a flow stands.
func (s *Flows) GetFlow(ctx context.Context, req *pb.GetFlowRequest) (*pb.FlowPage, error) {
	p, err := s.Flows.Show(ctx, req.FlowId, req.Verifier, browser("", "", req.AcceptLanguage))
	if err != nil {
		return nil, err
	}
	return pageToProto(p), nil
}

// Advance takes one input.
func (s *Flows) Advance(ctx context.Context, req *pb.AdvanceRequest) (*pb.FlowPage, error) {
	var in flow.Input
	switch given := req.Input.(type) {
	case *pb.AdvanceRequest_SendPasscode_:
		in.SendCode = true
	case *pb.AdvanceRequest_VerifyPasscode_:
		code := given.VerifyPasscode.GetCode()
		in.Code = &code
	case *pb.AdvanceRequest_Consent_:
		accepted := given.Consent.GetAccepted()
		in.Consent = &accepted
	case *pb.AdvanceRequest_ChooseProvider_:
		in.Choose = given.ChooseProvider.GetProviderId()
	default:
		return nil, fault.Invalid(errorspb.Reason_FLOW_INPUT_REFUSED, "The input is missing.")
	}
	p, err := s.Flows.Advance(ctx, req.FlowId, req.Verifier, req.FormToken, stateFromProto(req.State), in,
		browser(req.IpAddress, req.UserAgent, req.AcceptLanguage))
	if err != nil {
		return nil, err
	}
	return pageToProto(p), nil
}

// BlockInvitations keeps invitations of a tenant away from an address.
func (s *Flows) BlockInvitations(ctx context.Context, req *pb.BlockInvitationsRequest) (*emptypb.Empty, error) {
	t, err := tenant.Parse(req.TenantId)
	id, idErr := uuid.Parse(req.InvitationId)
	if err != nil || idErr != nil {
		return nil, fault.NotFound(errorspb.Reason_TICKET_INVALID, "This link is no longer valid.")
	}
	return &emptypb.Empty{}, s.Flows.Saga.Block(ctx, t, id, req.Token)
}
