package api

import (
	"net/netip"
	"strings"
	"time"

	"entente.dev/invitation-svc/internal/flow"
	"entente.dev/invitation-svc/internal/invitation"
	"entente.dev/invitation-svc/internal/redemption"
	"entente.dev/invitation-svc/internal/saga"
	"entente.dev/invitation-svc/internal/store"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func requestFromProto(i *pb.Invitation) invitation.Request {
	r := invitation.Request{
		Address: i.GetInvitedUserEmailAddress(), RedirectURL: i.GetInviteRedirectUrl(), DisplayName: i.GetInvitedUserDisplayName(),
		SendMessage: i.GetSendInvitationMessage(), Language: i.GetInvitedUserMessageInfo().GetMessageLanguage(),
		Message: i.GetInvitedUserMessageInfo().GetCustomizedMessageBody(), UserType: i.GetInvitedUserType(),
		ResetRedemption: i.GetResetRedemption(), InvitedUser: i.GetInvitedUser().GetId(),
	}
	for _, cc := range i.GetInvitedUserMessageInfo().GetCcRecipients() {
		r.CC = append(r.CC, cc.GetEmailAddress().GetAddress())
	}
	for _, s := range i.GetInvitedUserSponsors() {
		r.Sponsors = append(r.Sponsors, s.GetId())
	}
	for _, ref := range i.GetInvitedUserSponsorsBind() {
		// Only the last segment of a reference counts; its host is ignored (WIRE-50).
		r.Sponsors = append(r.Sponsors, strings.TrimSuffix(ref[strings.LastIndexAny(ref, "/(")+1:], ")"))
	}
	return r
}

// invitationToProto is the whole invitation as Graph answers a create
// (INV-10).
func invitationToProto(m saga.Made, asked *pb.Invitation) *pb.Invitation {
	info := &pb.InvitedUserMessageInfo{}
	if given := asked.InvitedUserMessageInfo; given != nil {
		info.CustomizedMessageBody, info.MessageLanguage = given.CustomizedMessageBody, given.MessageLanguage
	}
	cc := &pb.Recipient{EmailAddress: &pb.EmailAddress{}}
	if !m.CC.IsZero() {
		cc.EmailAddress.Address = proto.String(m.CC.Typed())
	}
	info.CcRecipients = []*pb.Recipient{cc}
	i := &pb.Invitation{
		Id: m.ID.String(), InviteRedeemUrl: proto.String(m.RedeemURL), InviteRedirectUrl: proto.String(m.Redirect.String()),
		InvitedUserDisplayName: asked.InvitedUserDisplayName, InvitedUserEmailAddress: proto.String(m.Address.Typed()),
		InvitedUserMessageInfo: info, InvitedUserType: proto.String(m.UserType.String()),
		ResetRedemption: proto.Bool(m.Action == invitation.Reset), SendInvitationMessage: proto.Bool(m.SendMessage),
		Status: statusToProto(m.State).Enum(), InvitedUser: &pb.InvitedUser{Id: proto.String(m.User.String())},
	}
	for _, s := range m.Sponsors {
		i.InvitedUserSponsors = append(i.InvitedUserSponsors, &pb.InvitedUser{Id: proto.String(s.String())})
	}
	return i
}

func memberToProto(m saga.Member) *pb.InvitedMember {
	out := &pb.InvitedMember{InvitedUser: &pb.InvitedUser{Id: proto.String(m.User.String())}, Status: statusToProto(m.State), Added: m.Failed == nil}
	if m.Failed != nil {
		code, message := saga.Public(m.Failed, "The person was invited and could not be added. Try again.")
		out.Error = &pb.PublicError{Code: code, Message: message}
		return out
	}
	out.GroupId, out.AppRoleAssignmentId = m.GroupId, m.AppRoleAssignmentId
	return out
}

func statusToProto(s invitation.State) pb.Invitation_Status {
	return pb.Invitation_Status(pb.Invitation_Status_value[s.Wire()])
}

func listedToProto(l store.Listed) *pb.InvitationState {
	i := &pb.InvitationState{
		Id: l.ID.String(), InvitedUserEmailAddress: proto.String(l.Address), State: proto.String(l.State.String()),
		DeliveryState: proto.String(l.Delivery.String()), CreatedDateTime: timestamppb.New(l.CreatedAt),
		ExpirationDateTime: timestamppb.New(l.ExpiresAt), InviteRedirectUrl: proto.String(l.Redirect),
	}
	if l.User != (store.Listed{}).User {
		i.InvitedUserId = proto.String(l.User.String())
	}
	if l.By != (store.Listed{}).By {
		i.InvitedBy = proto.String(l.By.String())
	}
	if !l.CompletedAt.IsZero() {
		i.CompletedDateTime = timestamppb.New(l.CompletedAt)
	}
	return i
}

func (s *Invitations) settingsToProto(set invitation.Settings) *pb.InvitationSettings {
	life := set.LinkLifetime
	if life == 0 {
		life = invitation.Lifetime(s.Saga.LinkLifetime)
	}
	return &pb.InvitationSettings{
		LinkLifetimeHours:       proto.Int32(int32(life / time.Hour)),
		PasscodeValidityMinutes: proto.Int32(int32(s.Saga.CodeValidity(set) / time.Minute)),
		StrictInviteAddress:     proto.Bool(set.Strict),
		AllowedRedirectHosts:    set.RedirectHosts,
	}
}

// pageStates are the states that a browser can see, by those of the machine.
var pageStates = map[redemption.State]pb.FlowPage_State{
	redemption.AwaitChoice: pb.FlowPage_AwaitChoice, redemption.AwaitOtp: pb.FlowPage_AwaitOtp,
	redemption.AwaitAccountCreation: pb.FlowPage_AwaitAccountCreation, redemption.MailboxProof: pb.FlowPage_MailboxProof,
	redemption.Consent: pb.FlowPage_Consent, redemption.Terms: pb.FlowPage_Terms, redemption.Landed: pb.FlowPage_Landed,
	redemption.Declined: pb.FlowPage_Declined, redemption.Blocked: pb.FlowPage_Blocked, redemption.Failed: pb.FlowPage_Failed,
	redemption.Expired: pb.FlowPage_Expired,
}

func stateFromProto(s pb.FlowPage_State) redemption.State {
	for state, shown := range pageStates {
		if shown == s {
			return state
		}
	}
	return 0
}

func pageToProto(p flow.Page) *pb.FlowPage {
	f := p.Facts
	out := &pb.FlowPage{
		FlowId: p.Flow, State: pageStates[p.State], FormToken: p.FormToken, TenantDisplayName: f.GetDisplayName(),
		TenantDomain: f.GetDefaultDomain(), TenantDomainVerified: f.GetHasCustomDomain(), PrivacyStatementUrl: f.GetPrivacyStatementUrl(),
		PrivacyContactEmail: f.GetPrivacyContactEmail(), AccountLabel: p.Account, PasscodeSent: p.CodeSent,
		PasscodeValidityMinutes: int32(p.CodeValidity / time.Minute), Notice: p.Notice, RedirectUrl: p.Redirect,
		Interstitial: p.Interstitial, ErrorCode: p.Code, Language: p.Language, TenantId: p.Tenant.String(), NewVerifier: p.NewVerifier,
	}
	if !p.ResendAt.IsZero() {
		out.ResendAt = timestamppb.New(p.ResendAt)
	}
	for _, id := range p.ProviderNames {
		out.Providers = append(out.Providers, &pb.FlowPage_Provider{Id: id, DisplayName: id})
	}
	return out
}

func browser(ip, userAgent, languages string) flow.Browser {
	b := flow.Browser{UserAgent: userAgent, Languages: languages}
	b.IP, _ = netip.ParseAddr(ip)
	return b
}
