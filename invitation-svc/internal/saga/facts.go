package saga

import (
	"context"
	"errors"
	"sync"

	"entente.dev/invitation-svc/internal/invitation"
	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	policypb "entente.dev/proto/gen/entente/policy/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
)

// nobody stands in for an address that cannot be read, so that the question
// who may invite is still answered before the one what is wrong with the
// request. The domain is reserved and belongs to nobody.
const nobody = "nobody@address.invalid"

// Rules of the decision point that belong to a gate of their own.
const (
	ruleInvitesFrom = "AllowInvitesFrom"
	ruleDomainList  = "DomainList"
)

// lookUp asks policy and directory, at the same time, for everything the
// gates need.
func (s *Saga) lookUp(ctx context.Context, t tenant.ID, by invitation.Inviter, right ownersRight, d invitation.Draft, wrong error) (invitation.Facts, *policypb.Decision, error) {
	f := invitation.Facts{Inviter: by, Fields: wrong, Owner: right.owns}
	var decision *policypb.Decision
	asks := []func(context.Context) error{func(ctx context.Context) (err error) {
		decision, err = s.askPolicy(ctx, t, by, right, d, &f)
		return err
	}}
	if wrong == nil {
		asks = append(asks, func(ctx context.Context) error { return s.findConflicts(ctx, t, d, &f) })
	}
	if wrong == nil && d.InvitedUser != uuid.Nil {
		asks = append(asks, func(ctx context.Context) (err error) {
			f.Target, err = s.findTarget(ctx, t, d.InvitedUser)
			return err
		})
	}
	if err := together(ctx, asks...); err != nil {
		return invitation.Facts{}, nil, err
	}
	return f, decision, nil
}

// together runs all and answers the first error there was. A panic in one of
// them becomes one of the caller, where the server's interceptor catches it.
func together(ctx context.Context, all ...func(context.Context) error) error {
	errs := make([]error, len(all))
	panics := make([]any, len(all))
	var wg sync.WaitGroup
	for i, one := range all[1:] {
		wg.Go(func() {
			defer func() { panics[i+1] = recover() }()
			errs[i+1] = one(ctx)
		})
	}
	func() {
		defer wg.Wait()
		errs[0] = all[0](ctx)
	}()
	for _, p := range panics {
		if p != nil {
			panic(p)
		}
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Saga) askPolicy(ctx context.Context, t tenant.ID, by invitation.Inviter, right ownersRight, d invitation.Draft, f *invitation.Facts) (*policypb.Decision, error) {
	address := nobody
	if !d.Address.IsZero() {
		address = d.Address.Mailbox()
	}
	who := &policypb.Inviter{Kind: "user", Guest: by.Guest, Roles: by.Roles, Permissions: by.Permissions}
	switch by.Kind {
	case invitation.ByApp:
		who.Kind = "application"
	case invitation.BySync:
		who.Kind = "synchronization"
	}
	if d.Reset || right.mayInvite && !by.Guest {
		// A reset needs no right to invite, nor does a member whom the application
		// lets invite (DIR-189), but `none` refuses both: whoever may invite under
		// every other setting tells the difference (INV-28).
		who = &policypb.Inviter{Kind: "user", Roles: []string{"Global Administrator"}, Permissions: by.Permissions}
	}
	answer, err := s.Policy.CheckInvite(ctx, &policypb.CheckInviteRequest{ResourceTenantId: t.String(), Email: address, Inviter: who})
	if err != nil {
		return nil, err
	}
	allowed := answer.Outcome == policypb.Decision_allow
	switch {
	case !allowed && answer.Rule == ruleInvitesFrom:
		f.InvitesNo = d.Reset
	case !allowed && answer.Rule == ruleDomainList:
		f.Invites = invitation.Allowed
	case !allowed:
		f.Invites, f.Domain = invitation.Allowed, invitation.Allowed
	default:
		f.Invites, f.Domain, f.Partner = invitation.Allowed, invitation.Allowed, invitation.Allowed
	}
	return answer, nil
}

func (s *Saga) findConflicts(ctx context.Context, t tenant.ID, d invitation.Draft, f *invitation.Facts) error {
	answer, err := s.Directory.FindInviteConflicts(ctx, &directorypb.FindInviteConflictsRequest{TenantId: t.String(), Email: d.Address.Mailbox()})
	if err != nil {
		return err
	}
	f.OwnDomain = answer.OwnDomain
	for _, c := range answer.Conflicts {
		if c.Deleted {
			continue
		}
		id, err := uuid.Parse(c.ObjectId)
		if err != nil {
			return errors.New("the directory answered an object without an id")
		}
		e := existing(id, c.User)
		e.HasRoles = c.HoldsRole
		switch {
		case c.Type == "group":
			e.Kind = invitation.Group
		case c.Type == "orgContact":
			e.Kind = invitation.Contact
		case c.External:
			e.Kind = invitation.ExternalUser
		}
		e.Match = strongest(c, d.Address)
		f.Found = append(f.Found, e)
	}
	return nil
}

// existing reads what the gates need of a user; whether it is external is
// told by its state or by whoever found it.
func existing(id uuid.UUID, u *directorypb.User) invitation.Existing {
	e := invitation.Existing{ID: id, Kind: invitation.InternalUser, UserType: invitation.Member, Enabled: u.GetAccountEnabled()}
	if u.GetUserType() == directorypb.User_Guest {
		e.UserType = invitation.Guest
	}
	if u.GetExternalUserState() != directorypb.User_externalUserStateUnspecified {
		e.Kind = invitation.ExternalUser
	}
	e.Pending = u.GetExternalUserState() == directorypb.User_PendingAcceptance
	e.OnPremises = u.GetOnPremisesUserPrincipalName() != "" || u.GetOnPremisesSyncEnabled()
	if a, wrong := invitation.ParseAddress(u.GetMail(), false); wrong == "" {
		e.Mail = a.Key()
	}
	for _, text := range append([]string{u.GetMail()}, u.GetOtherMails()...) {
		if a, wrong := invitation.ParseAddress(text, false); wrong == "" {
			e.Addresses = append(e.Addresses, a.Key())
		}
	}
	return e
}

// strongest is the best of the ways an address was found. An external user
// that was created under the address counts as invited by it.
func strongest(c *directorypb.FindInviteConflictsResponse_Conflict, a invitation.Address) invitation.Match {
	best := invitation.ByProxy
	for _, m := range c.MatchedBy {
		way := invitation.ByProxy
		switch m {
		case "invitedEmail":
			way = invitation.ByInvitedAddress
		case "userPrincipalName", "identities":
			way = invitation.BySignInName
		case "mail":
			way = invitation.ByMail
		case "otherMails":
			way = invitation.ByOtherMail
		}
		best = min(best, way)
	}
	if invited, wrong := invitation.ParseAddress(c.InvitedEmail, false); wrong == "" && invited.Same(a) {
		best = invitation.ByInvitedAddress
	}
	return best
}

func (s *Saga) findTarget(ctx context.Context, t tenant.ID, id uuid.UUID) (*invitation.Existing, error) {
	u, err := s.Directory.GetExternalUser(ctx, &directorypb.GetExternalUserRequest{TenantId: t.String(), UserId: id.String()})
	if fault.Is(err, errorspb.Reason_NOT_FOUND) || err == nil && u.GetDeletedDateTime() != nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	e := existing(id, u)
	p, err := s.People.GetPrincipal(ctx, &directorypb.GetPrincipalRequest{TenantId: t.String(), ObjectId: id.String(), WithPrivileged: true})
	if err != nil && !fault.Is(err, errorspb.Reason_NOT_FOUND) {
		return nil, err
	}
	e.HasRoles = p.GetPrivileged()
	return &e, nil
}

// homeAccount is the account that automatic redemption binds at once, zero
// when it does not apply: both sides must have agreed and the address must
// belong to exactly one enabled user of its home tenant (INV-123).
func (s *Saga) homeAccount(ctx context.Context, d invitation.Draft, answer *policypb.Decision) (home tenant.ID, object uuid.UUID, err error) {
	if !answer.GetAutomaticRedemption() || answer.GetHomeTenantId() == "" {
		return home, object, nil
	}
	account, err := s.Directory.ResolveHomeAccount(ctx, &directorypb.ResolveHomeAccountRequest{HomeTenantId: answer.HomeTenantId, Email: d.Address.Mailbox()})
	if fault.Is(err, errorspb.Reason_NOT_FOUND) || err == nil && !account.Enabled {
		return home, object, nil
	}
	if err != nil {
		return home, object, err
	}
	if home, err = tenant.Parse(account.HomeTenantId); err != nil {
		return home, object, err
	}
	object, err = uuid.Parse(account.ObjectId)
	return home, object, err
}

// guestsAsMembers is the guestUserRoleId that gives guests the rights of
// members.
const guestsAsMembers = "a0b1b346-4d3e-4e8b-98f8-753987be4970"

// MaySee decides whether a caller may see invitations of an inviter, uuid.Nil
// for those of anybody, as the tenant's settings are now.
func (s *Saga) MaySee(ctx context.Context, t tenant.ID, by invitation.Inviter, inviter uuid.UUID) error {
	if by.ReadsAll() || by.Made(inviter) {
		return nil
	}
	var level *policypb.GuestAccessLevel
	var facts *directorypb.TenantFacts
	err := together(ctx, func(ctx context.Context) (err error) {
		level, err = s.Policy.GetGuestAccessLevel(ctx, &policypb.GetGuestAccessLevelRequest{TenantId: t.String()})
		return err
	}, func(ctx context.Context) (err error) {
		facts, err = s.Tenants.LookupTenant(ctx, &directorypb.LookupTenantRequest{TenantId: t.String()})
		return err
	})
	if err != nil {
		return err
	}
	// The users of an external tenant are customers, who do not see each other.
	members := level.AllowedToReadOtherUsers && facts.TenantType != directorypb.Tenant_external
	return invitation.MaySee(by, invitation.Visibility{Guests: level.GuestUserRoleId == guestsAsMembers, Members: members})
}
