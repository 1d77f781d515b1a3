package api

import (
	"context"
	"errors"
	"time"

	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/saga"
	"entente.dev/invitation-svc/internal/store"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/caller"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/odata"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Invitations serves InvitationService.
type Invitations struct {
	pb.UnimplementedInvitationServiceServer
	Saga   *saga.Saga
	Tokens *odata.Tokens
}

var _ pb.InvitationServiceServer = (*Invitations)(nil)

const routeInvitations = "entente.invitation.v1.InvitationService/ListInvitations"

// CreateInvitation invites (operation O1).
func (s *Invitations) CreateInvitation(ctx context.Context, req *pb.CreateInvitationRequest) (*pb.Invitation, error) {
	c := caller.From(ctx)
	made, err := s.Saga.Invite(ctx, c.Tenant, saga.InviterOf(c), requestFromProto(req.Invitation))
	if err != nil {
		return nil, err
	}
	return invitationToProto(made, req.Invitation), nil
}

// InviteUser invites and adds somebody for an owner of an application
// (operation O16). The link is not answered (INV-139).
func (s *Invitations) InviteUser(ctx context.Context, req *pb.InviteUserRequest) (*pb.InvitedMember, error) {
	c := caller.From(ctx)
	if req.AppRoleId != nil {
		// A slip in the request is found before anybody is invited.
		if _, err := uuid.Parse(*req.AppRoleId); err != nil {
			return nil, fault.Invalid(errorspb.Reason_BAD_REQUEST, "Invalid value specified for property 'appRoleId'.").WithMeta("property", "appRoleId")
		}
	}
	m, err := s.Saga.InviteUser(ctx, c.Tenant, saga.InviterOf(c), req.Id, req.AppRoleId, invitation.Request{
		Address: req.InvitedUserEmailAddress, RedirectURL: req.GetInviteRedirectUrl(), DisplayName: req.GetInvitedUserDisplayName(),
		SendMessage: req.SendInvitationMessage == nil || *req.SendInvitationMessage,
	})
	if err != nil {
		return nil, err
	}
	return memberToProto(m), nil
}

// InviteMember invites and adds somebody for an owner of a group (operation
// O16). The link is not answered (INV-139).
func (s *Invitations) InviteMember(ctx context.Context, req *pb.InviteMemberRequest) (*pb.InvitedMember, error) {
	c := caller.From(ctx)
	m, err := s.Saga.InviteMember(ctx, c.Tenant, saga.InviterOf(c), req.Id, invitation.Request{
		Address: req.EmailAddress, DisplayName: req.GetDisplayName(), Message: req.GetMessage(), SendMessage: true,
	})
	if err != nil {
		return nil, err
	}
	return memberToProto(m), nil
}

// ListInvitations lists without links (operation O3).
func (s *Invitations) ListInvitations(ctx context.Context, req *pb.ListInvitationsRequest) (*pb.ListInvitationsResponse, error) {
	c := caller.From(ctx)
	if err := s.Saga.MaySee(ctx, c.Tenant, saga.InviterOf(c), uuid.Nil); err != nil {
		return nil, err
	}
	page, err := s.Tokens.Page(c, routeInvitations, req.GetQuery())
	if err != nil {
		return nil, err
	}
	var filter odata.Expr
	if text := req.GetQuery().GetFilter(); text != "" {
		if filter, err = odata.ParseFilter(text); err != nil {
			return nil, err
		}
	}
	answer := &pb.ListInvitationsResponse{}
	err = s.Saga.Store.Read(ctx, c.Tenant, func(tx store.Tx) error {
		all, last, err := tx.ListInvitations(filter, page)
		if err != nil {
			return err
		}
		for _, l := range all {
			answer.Value = append(answer.Value, listedToProto(l))
		}
		if len(all) == page.Size {
			answer.NextPageToken = s.Tokens.Next(c, routeInvitations, req.GetQuery(), page, last)
		}
		if page.Count {
			n, err := tx.CountInvitations(filter)
			answer.OdataCount = &n
			return err
		}
		return nil
	})
	return answer, err
}

// GetInvitation returns one without its link.
func (s *Invitations) GetInvitation(ctx context.Context, req *pb.GetInvitationRequest) (*pb.InvitationState, error) {
	id, err := parseID(req.Id)
	if err != nil {
		return nil, err
	}
	c := caller.From(ctx)
	var l store.Listed
	err = s.Saga.Store.Read(ctx, c.Tenant, func(tx store.Tx) (err error) {
		l, err = tx.ListedInvitation(id)
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return nil, notFound(req.Id)
	}
	if err == nil {
		err = s.Saga.MaySee(ctx, c.Tenant, saga.InviterOf(c), l.By)
	}
	if err != nil {
		return nil, err
	}
	return listedToProto(l), nil
}

// ResendInvitation mails a fresh link; older ones end.
func (s *Invitations) ResendInvitation(ctx context.Context, req *pb.ResendInvitationRequest) (*emptypb.Empty, error) {
	id, err := parseID(req.Id)
	if err != nil {
		return nil, err
	}
	c := caller.From(ctx)
	return &emptypb.Empty{}, s.Saga.Resend(ctx, c.Tenant, saga.InviterOf(c), id)
}

// RevokeInvitation ends an open invitation.
func (s *Invitations) RevokeInvitation(ctx context.Context, req *pb.RevokeInvitationRequest) (*emptypb.Empty, error) {
	id, err := parseID(req.Id)
	if err != nil {
		return nil, err
	}
	c := caller.From(ctx)
	return &emptypb.Empty{}, s.Saga.Revoke(ctx, c.Tenant, saga.InviterOf(c), id, req.GetDeleteUser())
}

// GetInvitationSettings returns the tenant's settings.
func (s *Invitations) GetInvitationSettings(ctx context.Context, _ *pb.GetInvitationSettingsRequest) (*pb.InvitationSettings, error) {
	var set invitation.Settings
	err := s.Saga.Store.Read(ctx, caller.From(ctx).Tenant, func(tx store.Tx) (err error) {
		set, err = tx.Settings()
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.settingsToProto(set), nil
}

// UpdateInvitationSettings changes those that the mask names.
func (s *Invitations) UpdateInvitationSettings(ctx context.Context, req *pb.UpdateInvitationSettingsRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, s.Saga.ChangeSettings(ctx, caller.From(ctx).Tenant, func(set *invitation.Settings) error {
		for _, path := range req.GetUpdateMask().GetPaths() {
			if err := settingFromProto(set, path, req.Settings); err != nil {
				return err
			}
		}
		return nil
	})
}

func settingFromProto(set *invitation.Settings, path string, from *pb.InvitationSettings) error {
	switch path {
	case "link_lifetime_hours":
		h := from.GetLinkLifetimeHours()
		if from.LinkLifetimeHours != nil && (h < 1 || h > 8760) {
			return invalidSetting("linkLifetimeHours", "it must be 1 to 8760")
		}
		set.LinkLifetime = time.Duration(h) * time.Hour
	case "passcode_validity_minutes":
		m := from.GetPasscodeValidityMinutes()
		if from.PasscodeValidityMinutes != nil && (m < 1 || m > 30) {
			return invalidSetting("passcodeValidityMinutes", "it must be 1 to 30")
		}
		set.PasscodeValidity = time.Duration(m) * time.Minute
	case "strict_invite_address":
		set.Strict = from.GetStrictInviteAddress()
	case "allowed_redirect_hosts":
		set.RedirectHosts = nil
		if len(from.AllowedRedirectHosts) > 100 {
			return invalidSetting("allowedRedirectHosts", "it must hold at most 100 hosts")
		}
		for _, text := range from.AllowedRedirectHosts {
			host, ok := invitation.ParseHost(text)
			if !ok {
				return invalidSetting("allowedRedirectHosts", "it must hold host names")
			}
			set.RedirectHosts = append(set.RedirectHosts, host)
		}
	default:
		return invalidSetting(path, "it is unknown")
	}
	return nil
}

func invalidSetting(property, why string) error {
	return fault.Invalid(errorspb.Reason_BAD_REQUEST, "Invalid value specified for property '%s' of resource 'InvitationSettings': %s.", property, why).
		WithMeta("property", property)
}

func parseID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return uuid.Nil, notFound(text)
	}
	return id, nil
}

func notFound(id string) error {
	if len(id) > 64 {
		id = id[:64]
	}
	return fault.NotFound(errorspb.Reason_NOT_FOUND,
		"Resource '%s' does not exist or one of its queried reference-property objects are not present.", id).WithMeta("key", id)
}
