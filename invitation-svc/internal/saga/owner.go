package saga

import (
	"context"

	"entente.dev/invitation-svc/internal/invitation"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	"entente.dev/servicekit/tenant"
)

// ownersRight is what the delegation of an application to its owners gives the
// inviter; the zero value is nothing.
type ownersRight struct {
	owns      bool // stands in for the permission to invite
	mayInvite bool // opens allowInvitesFrom to members, unless it is none
}

// Member is somebody whom an owner invited and added.
type Member struct {
	Made
	*directorypb.SelfServiceMember
	// Failed says why the person, who is invited, could not be added; nil when
	// they were.
	Failed error
}

// InviteUser invites somebody to an application for one of its owners and adds
// the user (DIR-189, INV-138). The directory decides, by the token that
// travels along, whether the caller is an owner while the delegation is on,
// before the invitation and again when the user is added. What fails after the
// invitation leaves the invitation as it is: a repeat meets the same user and
// adds it.
func (s *Saga) InviteUser(ctx context.Context, t tenant.ID, by invitation.Inviter, app string, role *string, r invitation.Request) (Member, error) {
	delegation, err := s.Apps.GetOwnSelfService(ctx, &directorypb.GetSelfServiceRequest{Id: app})
	if err != nil {
		return Member{}, err
	}
	if r.RedirectURL == "" {
		r.RedirectURL, r.Panel = s.PanelURL, true
	}
	m := Member{}
	if m.Made, err = s.invite(ctx, t, by, ownersRight{owns: true, mayInvite: delegation.OwnersMayInvite}, r); err != nil {
		return Member{}, err
	}
	m.SelfServiceMember, m.Failed = s.Apps.AddSelfServiceMember(ctx, &directorypb.AddSelfServiceMemberRequest{Id: app, UserId: m.User.String(), AppRoleId: role})
	return m, nil
}

// InviteMember invites somebody into a group for one of its owners and adds
// the user (INV-138), as InviteUser does. Owning a group stands in for the
// permission to invite, but opens no policy that is closed to the owner.
func (s *Saga) InviteMember(ctx context.Context, t tenant.ID, by invitation.Inviter, group string, r invitation.Request) (Member, error) {
	g, err := s.Groups.GetInvitingGroup(ctx, &directorypb.GetInvitingGroupRequest{Id: group})
	if err != nil {
		return Member{}, err
	}
	r.RedirectURL, r.Panel = s.PanelURL, true
	m := Member{}
	if m.Made, err = s.invite(ctx, t, by, ownersRight{owns: true}, r); err != nil {
		return Member{}, err
	}
	if _, m.Failed = s.Groups.AddInvitedMember(ctx, &directorypb.AddInvitedMemberRequest{Id: g.Id, UserId: m.User.String()}); m.Failed == nil {
		m.SelfServiceMember = &directorypb.SelfServiceMember{GroupId: &g.Id}
	}
	return m, nil
}
